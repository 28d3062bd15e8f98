package injector

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// identity is what Airflow's containers know of the way to AWS, as the document writes it.
type identity struct {
	env, envFrom, mounts []any

	seen map[string]bool // what is in the lists: "env NAME", "envFrom SOURCE", "mount PATH"
}

// identityOf collects it over all targets, the main container's word first. The sources of envFrom come along whole:
// only the fetcher can see what they hide.
func identityOf(targets []target) identity {
	know := identity{seen: map[string]bool{}}
	for _, t := range targets {
		last := t.lastIndexes()
		var files []string
		for i, e := range t.Env {
			if last[e.Name] == i && leadsToAWS(e.Name) {
				know.addVariable(t, i, last)
				files = append(files, e.Value)
			}
		}
		for _, source := range t.EnvFrom {
			know.add(&know.envFrom, "envFrom "+string(source), source)
		}
		for _, m := range t.VolumeMounts {
			if m.Name != contract.VolumeName && m.holdsAny(files) { // our own volume our container has anyway
				know.addReferences(t, m.SubPathExpr, len(t.Env), last)
				know.add(&know.mounts, "mount "+m.MountPath, m.raw)
			}
		}
	}
	return know
}

func (know *identity) add(list *[]any, key string, raw json.RawMessage) {
	if !know.seen[key] {
		know.seen[key] = true
		*list = append(*list, raw)
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
