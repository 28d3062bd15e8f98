package kubelet

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"
)

// What the pod refers to, as Kubernetes names it.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// environment gathers the variables: those of envFrom, a later source over an earlier one, and over them those of env in
// their order, so that each can refer to the ones before it.
func (k *kubelet) environment(c corev1.Container) map[string]value {
	env := map[string]value{}
	for _, from := range c.EnvFrom {
		var source object
		switch {
		case from.SecretRef != nil:
			source, _ = k.object(secretKind, from.SecretRef.Name, from.SecretRef.Optional)
		case from.ConfigMapRef != nil:
			source, _ = k.object(configMapKind, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		}
		for key, text := range source.data {
			env[from.Prefix+key] = value{text: text}
		}
	}
	for _, e := range c.Env {
		if v, ok := k.variable(e, env); ok {
			env[e.Name] = v
		}
	}
	return env
}

// variable is the value of one entry of env. There is none where an optional key is not there: what had the name before,
// from envFrom or an earlier entry, then stays.
func (k *kubelet) variable(e corev1.EnvVar, env map[string]value) (value, bool) {
	if e.Value != "" || e.ValueFrom == nil {
		v, _ := expand(e.Value, env)
		return v, true
	}
	switch from := e.ValueFrom; {
	case from.SecretKeyRef != nil:
		return k.key(secretKind, from.SecretKeyRef.Name, from.SecretKeyRef.Key, from.SecretKeyRef.Optional)
	case from.ConfigMapKeyRef != nil:
		return k.key(configMapKind, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Optional)
	case from.FieldRef != nil:
		return k.field(from.FieldRef.FieldPath), true
	case from.ResourceFieldRef != nil:
		return value{unknown: "the resource " + from.ResourceFieldRef.Resource}, true
	case from.FileKeyRef != nil:
		return value{unknown: "a file in the volume " + from.FileKeyRef.VolumeName}, true
	}
	return value{unknown: "a source of a newer Kubernetes"}, true
}

// key is one entry of a Secret or ConfigMap.
func (k *kubelet) key(kind, name, key string, optional *bool) (value, bool) {
	o, ok := k.object(kind, name, optional)
	if !ok {
		return value{}, false
	}
	text, ok := o.data[key]
	if !ok {
		k.missKey(kind, name, key, optional)
	}
	return value{text: text}, ok
}

// reference is what may be replaced in a value: $$ by $, $(NAME) by a variable.
var reference = regexp.MustCompile(`\$\$|\$\([^)]*\)`)

// expand replaces the references in a text (third_party/forked/golang/expansion). One to a variable that is not there stays
// as it is, and is returned as undefined; the text is unknown if a variable that it refers to is.
func expand(text string, env map[string]value) (expanded value, undefined []string) {
	expanded.text = reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		name := found[len("$(") : len(found)-len(")")]
		v, ok := env[name]
		if !ok {
			undefined = append(undefined, name)
			return found
		}
		if v.unknown != "" {
			expanded.unknown = v.unknown
		}
		return v.text
	})
	return expanded, undefined
}
