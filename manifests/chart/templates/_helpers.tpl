{{/* The name of every object of a release. */}}
{{- define "airflow-secrets.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* That name with an ending, of which nothing is cut off: (list . "ending"). */}}
{{- define "airflow-secrets.name" -}}
{{- $ending := printf "-%s" (index . 1) -}}
{{- printf "%s%s" (include "airflow-secrets.fullname" (index . 0) | trunc (int (sub 63 (len $ending))) | trimSuffix "-") $ending -}}
{{- end -}}

{{/* What never changes of a release, and so may select its pods. */}}
{{- define "airflow-secrets.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "airflow-secrets.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "airflow-secrets.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image by digest, else by tag: (list . .Values.image). */}}
{{- define "airflow-secrets.image" -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default (index . 0).Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "airflow-secrets.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "airflow-secrets.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is empty and serviceAccount.create is false: name the service account, or have one made" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The file of --defaults. Its checksum is an annotation of the pods, since the webhook reads it at its start. */}}
{{- define "airflow-secrets.defaults" -}}
{{- merge (dict "locked" .Values.locked) .Values.defaults | toYaml -}}
{{- end -}}

{{- define "airflow-secrets.configuration" -}}
{{- default (include "airflow-secrets.fullname" .) .Values.webhook.name -}}
{{- end -}}

{{/* Who makes the certificates: the webhook itself, cert-manager, or a Secret of one's own. */}}
{{- define "airflow-secrets.certificates" -}}
{{- $own := .Values.certificates.secretName -}}
{{- $certManager := .Values.certificates.certManager.enabled -}}
{{- if and $own $certManager -}}
{{- fail "certificates.secretName and certificates.certManager.enabled are both set: choose one" -}}
{{- end -}}
{{- if $own -}}secret{{- else if $certManager -}}certManager{{- else -}}self{{- end -}}
{{- end -}}

{{/* The Secret with tls.crt and tls.key, where the webhook does not make them itself. */}}
{{- define "airflow-secrets.tlsSecret" -}}
{{- default (include "airflow-secrets.name" (list . "tls")) .Values.certificates.secretName -}}
{{- end -}}

{{/* The Secret of the authority, where the webhook makes its certificates itself. */}}
{{- define "airflow-secrets.caSecret" -}}
{{- include "airflow-secrets.name" (list . "ca") -}}
{{- end -}}

{{/* The webhook's own namespace is never looked at, whatever the values say: after an outage nothing could start it again. */}}
{{- define "airflow-secrets.namespaceSelector" -}}
{{- $own := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (list .Release.Namespace) -}}
{{- $selector := deepCopy .Values.webhook.namespaceSelector -}}
{{- $_ := set $selector "matchExpressions" (append ($selector.matchExpressions | default list) $own) -}}
{{- toYaml $selector -}}
{{- end -}}
