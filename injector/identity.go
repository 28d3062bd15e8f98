package injector

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// identity is what Airflow's containers know of the way to AWS, as the document writes it.
type identity struct {
	env, envFrom, mounts []any

	seen map[string]bool // what is in the lists: "env NAME", "envFrom SOURCE", "mount PATH"
}

// identityOf collects it over all targets, the keys of the settings first, then the main container's word. The sources of
// envFrom come along whole: only the fetcher can see what they hide.
func identityOf(targets []target, s settings) identity {
	know := identity{seen: map[string]bool{}}
	know.addKeys(s.credentialsSecret)
	for _, t := range targets {
		last := t.lastIndexes()
		files := slices.Concat(know.addProfile(t), know.addBundle(t))
		for i, e := range t.Env {
			if last[e.Name] == i && leadsToAWS(e.Name) {
				know.addVariable(t, i, last)
				files = append(files, t.expand(e.Value, i, last))
			}
		}
		for _, m := range t.VolumeMounts {
			if !isShared(m.Name) && m.holdsAny(files) { // our own volumes our container has anyway
				know.addReferences(t, m.SubPathExpr, len(t.Env), last)
				know.add(&know.mounts, "mount "+m.MountPath, m.raw)
			}
		}
	}
	know.addSources(targets)
	return know
}

// addSources adds the sources of envFrom. Of those that set the same variable the kubelet takes the last, so the main
// container's come last.
func (know *identity) addSources(targets []target) {
	var others []any
	for i, t := range targets {
		for _, source := range t.EnvFrom {
			if i == 0 {
				know.add(&know.envFrom, "envFrom "+string(source), source)
			} else {
				know.add(&others, "envFrom "+string(source), source)
			}
		}
	}
	know.envFrom = append(others, know.envFrom...)
}

// addBundle gives our container the CA bundle that boto3 falls back on and the AWS SDK for Go does not know.
func (know *identity) addBundle(t target) (files []string) {
	const ours, theirs = "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"
	last := t.lastIndexes()
	at, ok := last[theirs]
	if _, named := last[ours]; !ok || named || t.Env[at].fromElsewhere() {
		return nil
	}
	know.addReferences(t, t.Env[at].Value, at, last)
	know.add(&know.env, "env "+ours, corev1.EnvVar{Name: ours, Value: t.Env[at].Value})
	return []string{t.expand(t.Env[at].Value, at, last)}
}

// keyVariables maps the keys of a Secret with an access key to the variables in which our container gets them. All may be
// missing as far as Kubernetes is concerned: it would leave the pod waiting for the Secret without a word, and the fetcher
// ends with a sentence.
var keyVariables = []struct{ variable, key string }{
	{contract.KeyIDEnv, "AWS_ACCESS_KEY_ID"}, {contract.SecretKeyEnv, "AWS_SECRET_ACCESS_KEY"}, {contract.SessionTokenEnv, "AWS_SESSION_TOKEN"},
}

// addKeys takes an access key from a Secret. Airflow's containers do not get it.
func (know *identity) addKeys(secret string) {
	if secret == "" {
		return
	}
	optional := true
	for _, v := range keyVariables {
		from := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: v.key, Optional: &optional}
		know.add(&know.env, "env "+v.variable, corev1.EnvVar{Name: v.variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: from}})
	}
}

// profileFiles are the AWS SDK's files in the home folder of Airflow's image, and the variables that name them elsewhere.
// Our container has no home.
var profileFiles = []struct{ variable, file string }{
	{"AWS_CONFIG_FILE", "/home/airflow/.aws/config"},
	{"AWS_SHARED_CREDENTIALS_FILE", "/home/airflow/.aws/credentials"},
}

// addProfile names the profile files that a volume puts into the container's home folder, and gives them.
func (know *identity) addProfile(t target) (files []string) {
	for _, profile := range profileFiles {
		mount, mounted := t.mountOf(profile.file)
		if _, named := t.env(profile.variable); mounted && !named && !isShared(mount.Name) {
			know.add(&know.env, "env "+profile.variable, corev1.EnvVar{Name: profile.variable, Value: profile.file})
			files = append(files, profile.file)
		}
	}
	return files
}

func (know *identity) add(list *[]any, key string, element any) {
	if !know.seen[key] {
		know.seen[key] = true
		*list = append(*list, element)
	}
}

// addVariable adds a container's variable behind those that its value refers to: a proxy's URL may be put together from
// a password and an address.
func (know *identity) addVariable(t target, at int, last map[string]int) {
	know.addReferences(t, t.Env[at].Value, at, last)
	know.add(&know.env, "env "+t.Env[at].Name, t.Env[at].raw)
}

// dollarName is how a value names another variable, which the kubelet puts in its place if it is set before.
var dollarName = regexp.MustCompile(`\$\(([^)]+)\)`)

func (know *identity) addReferences(t target, text string, before int, last map[string]int) {
	for _, found := range dollarName.FindAllStringSubmatch(text, -1) {
		if at, ok := last[found[1]]; ok && at < before && !know.seen["env "+found[1]] {
			know.addVariable(t, at, last)
		}
	}
}

// expand puts variables that the container sets before into a value, as far as they are in sight.
func (c container) expand(text string, before int, last map[string]int) string {
	return dollarName.ReplaceAllStringFunc(text, func(reference string) string {
		at, ok := last[reference[2:len(reference)-1]]
		if !ok || at >= before || c.Env[at].fromElsewhere() {
			return reference
		}
		return c.expand(c.Env[at].Value, at, last)
	})
}

// lastIndexes maps the names of the container's variables to where they stand; of several with one name the last counts.
func (c container) lastIndexes() map[string]int {
	last := make(map[string]int, len(c.Env))
	for i, e := range c.Env {
		last[e.Name] = i
	}
	return last
}

// leadsToAWS says whether the AWS SDK, or Go's HTTP client below it, reads a variable.
func leadsToAWS(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR":
		return true
	}
	return strings.HasPrefix(name, "AWS_")
}

// holdsAny says whether one of the files lies in the mounted volume: a token, a CA bundle, a profile.
func (m volumeMount) holdsAny(files []string) bool {
	return slices.ContainsFunc(files, func(file string) bool {
		return file == m.MountPath || strings.HasPrefix(file, strings.TrimSuffix(m.MountPath, "/")+"/")
	})
}
