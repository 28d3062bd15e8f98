package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// checkWorks expects what could be seen to fail only once the pod runs to have been refused, or to be told: a command that is
// none, files that a container may not read, and variables that are gone while others name them.
func (d delivery) checkWorks(was seen, after json.RawMessage, pod parts, ours json.RawMessage) error {
	var is seen
	if err := kjson.UnmarshalCaseSensitivePreserveInts(after, &is); err != nil {
		return fmt.Errorf("reading container %s: %w", was.Name, err)
	}
	if slices.Equal(is.Command, wrapper) && len(is.Args) == 0 {
		return fmt.Errorf("container %s: the program has nothing to run", was.Name)
	}
	return errors.Join(d.checkReferences(was, is), d.checkUser(after, pod, ours))
}

// checkReferences expects a warning of each variable that is gone and is named by what is left.
func (d delivery) checkReferences(was, is seen) error {
	texts := slices.Concat(is.Command, is.Args)
	for _, e := range is.Env {
		texts = append(texts, e.Value)
	}
	all := strings.ReplaceAll(strings.Join(texts, "\n"), "$$", "")
	for _, e := range was.Env {
		name := "$(" + e.Name + ")"
		if _, has := is.last(e.Name); !has && strings.Contains(all, name) && !strings.Contains(strings.Join(d.config.Warnings, "\n"), name) {
			return fmt.Errorf("container %s names %s, which is gone, and nobody is told", was.Name, name)
		}
	}
	return nil
}

// checkUser expects files that only their owner may read to be the container's own, as far as the pod tells. Whom others have
// had our container run as is their affair.
func (d delivery) checkUser(container json.RawMessage, pod parts, ours json.RawMessage) error {
	before, _, _ := cutOurs(pod.init)
	if d.config.FileMode&0o044 != 0 || userOf(before, nil) != nil {
		return nil
	}
	reads, writes := userOf(container, pod.spec["securityContext"]), userOf(ours, pod.spec["securityContext"])
	if reads != nil && (writes == nil || *reads != *writes) {
		return fmt.Errorf("user %d may not read files of mode %s that are another's", *reads, d.config.FileMode)
	}
	return nil
}

// userOf is the user that a container names, or else its pod.
func userOf(container, podSecurity json.RawMessage) *int64 {
	var c corev1.Container
	var of corev1.PodSecurityContext
	if kjson.UnmarshalCaseSensitivePreserveInts(container, &c) == nil && c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
		return c.SecurityContext.RunAsUser
	}
	kjson.UnmarshalCaseSensitivePreserveInts(podSecurity, &of) // what is not there names nobody
	return of.RunAsUser
}

// checkNames expects ids that are asked for to have names of variables of their own, where variables are delivered.
func checkNames(config contract.Config) error {
	if config.Deliver != contract.DeliverEnv {
		return nil
	}
	connections, variables := map[string]string{}, map[string]string{}
	for _, account := range config.Accounts {
		for names, taken := range map[*contract.Names]map[string]string{account.Connections: connections, account.Variables: variables} {
			if names == nil {
				continue
			}
			for _, id := range names.IDs {
				name := strings.ToUpper(id)
				if other, ok := taken[name]; ok && other != id || strings.Contains(id, "=") && config.OnInvalid != contract.Warn {
					return fmt.Errorf("the id %s is asked for beside %q, and can be no variable", id, other)
				}
				taken[name] = id
			}
		}
	}
	return nil
}
