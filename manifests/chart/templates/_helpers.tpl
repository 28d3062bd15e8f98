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

{{/* The file of --defaults. */}}
{{- define "airflow-secrets.defaults" -}}
{{- merge (dict "locked" (default list .Values.locked)) (default dict .Values.defaults) | toYaml -}}
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
{{- $selector := deepCopy (default dict .Values.webhook.namespaceSelector) -}}
{{- $_ := set $selector "matchExpressions" (append ($selector.matchExpressions | default list) $own) -}}
{{- toYaml $selector -}}
{{- end -}}

{{/* A duration, such as 1h30m, in milliseconds. */}}
{{- define "airflow-secrets.milliseconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | atoi) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* What the schema cannot say: values that do not go together. Without this they would break pods that start, or stop. */}}
{{- define "airflow-secrets.check" -}}
{{- $name := include "airflow-secrets.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the objects would be named %q: set fullnameOverride to small letters, digits and hyphens, a letter first" $name) -}}
{{- end -}}
{{- $drain := include "airflow-secrets.milliseconds" .Values.drainPeriod | int64 -}}
{{- $grace := mul 1000 (int64 .Values.terminationGracePeriodSeconds) -}}
{{- if gt $drain 60000 -}}
{{- fail (printf "drainPeriod is %s, expected 1m at most" .Values.drainPeriod) -}}
{{- else if gt (add (mul 3 $drain) 15000) $grace -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, expected three times drainPeriod (%s) and 15 more, or webhooks are killed while they answer" .Values.terminationGracePeriodSeconds .Values.drainPeriod) -}}
{{- end -}}
{{- if eq (include "airflow-secrets.certificates" .) "self" -}}
{{- $leaf := include "airflow-secrets.milliseconds" .Values.certificates.leafValidity | int64 -}}
{{- if lt $leaf 5000 -}}
{{- fail (printf "certificates.leafValidity is %s, expected 5s or more" .Values.certificates.leafValidity) -}}
{{- else if lt (include "airflow-secrets.milliseconds" .Values.certificates.caValidity | int64) (mul 3 $leaf) -}}
{{- fail (printf "certificates.caValidity is %s, expected three times certificates.leafValidity (%s) or more" .Values.certificates.caValidity .Values.certificates.leafValidity) -}}
{{- end -}}
{{- end -}}
{{- if eq (int .Values.port) (int .Values.metrics.port) -}}
{{- fail (printf "port and metrics.port are both %v: expected two ports" .Values.port) -}}
{{- end -}}
{{- if and (not .Values.metrics.port) (or .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled .Values.metrics.rules.enabled) -}}
{{- fail "metrics.port is 0, so there is nothing for metrics.serviceMonitor or metrics.podMonitor to scrape, nor for metrics.rules to look at: set the port, or leave these out" -}}
{{- end -}}
{{- range $values := list "commonLabels" "podLabels" -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- if hasKey (default dict (get $.Values $values)) $label -}}
{{- fail (printf "%s has the label %s, which the chart sets: leave it out" $values $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
