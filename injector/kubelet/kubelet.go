// Package kubelet is what the kubelet gives a container of a pod: its environment variables and the files of its mounts,
// made from the pod and from the Secrets and ConfigMaps at hand.
//
// So what runs in a cluster can be run, or foretold, without one. The rules are those of Kubernetes 1.34 and later
// (pkg/kubelet/kubelet_pods.go, pkg/volume); kubelets before it skip keys of envFrom that begin with a digit. What other
// parts of a cluster add is left out: the variables of Services, and those of the image and the container runtime, such as
// PATH and HOSTNAME.
package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// View is what one container sees. It holds secrets: printed, logged or marshalled it shows counts alone.
type View struct {
	// Env holds the variables, name → value. One that is in Unknown is empty where nothing of it is known.
	Env map[string]string
	// Files holds the files that come from the pod, Secrets and ConfigMaps, absolute path in the container → content.
	// Other volumes, an emptyDir for one, give none.
	Files map[string][]byte
	// Unknown is what the container would have in a cluster, and nobody knows outside one: first variables, then files,
	// by name.
	Unknown []Unknown
}

// Unknown is a variable, or a file by its absolute path, that only a cluster can give.
type Unknown struct {
	Name string
	// Source is where it comes from, such as "the field status.podIP".
	Source string
}

// String is "POD_IP (the field status.podIP)".
func (u Unknown) String() string { return u.Name + " (" + u.Source + ")" }

// ViewOf is what the named container of the pod, an init container or another, is given.
//
// The API server's defaults are not needed, but the namespace and the name of the pod are unknown where it has none. All
// that is needed, not optional and not among the objects is told in one error, which holds no value.
func ViewOf(pod *corev1.Pod, container string, objects Objects) (View, error) {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name != container {
			continue
		}
		k := &kubelet{pod: pod, objects: objects}
		env := k.environment(c)
		files := k.files(c, env)
		if len(k.missing) > 0 {
			return View{}, fmt.Errorf("the container %s needs what was not given: %s: pass the Secrets and ConfigMaps of its namespace with -r (kubectl get secret,configmap -o yaml)",
				container, strings.Join(k.missing, ", "))
		}
		return view(env, files), nil
	}
	return View{}, fmt.Errorf("the pod has no container %q", container)
}

// Environ is the environment as os.Environ has it, NAME=value, by name. It is never nil, by which os/exec would mean this
// process's own.
func (v View) Environ() []string {
	environ := []string{}
	for _, name := range slices.Sorted(maps.Keys(v.Env)) {
		environ = append(environ, name+"="+v.Env[name])
	}
	return environ
}

// Format hides the values from every verb of fmt.
func (v View) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "[%d variables and %d files]", len(v.Env), len(v.Files))
}

// MarshalText hides the values from encoding/json, log/slog and their kind.
func (v View) MarshalText() ([]byte, error) { return fmt.Append(nil, v), nil }

// value is that of a variable, or a file's.
type value struct {
	text    string
	unknown string // where it comes from, if nobody knows it here
}

// view parts what is known from what is not. A variable is there in any case: programs ask whether one is set.
func view(env, files map[string]value) View {
	v := View{Env: map[string]string{}, Files: map[string][]byte{}}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		v.Env[name] = env[name].text
		if source := env[name].unknown; source != "" {
			v.Unknown = append(v.Unknown, Unknown{name, source})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if source := files[name].unknown; source != "" {
			v.Unknown = append(v.Unknown, Unknown{name, source})
			continue
		}
		v.Files[name] = []byte(files[name].text)
	}
	return v
}

// kubelet is one at work on one container.
type kubelet struct {
	pod     *corev1.Pod
	objects Objects
	missing []string
}

// miss notes, once, what the container needs and was not given.
func (k *kubelet) miss(what string) {
	if !slices.Contains(k.missing, what) {
		k.missing = append(k.missing, what)
	}
}

// object finds the object that a reference of the pod names, which is one of the pod's namespace. One that is not there is
// missed, unless it is optional.
func (k *kubelet) object(kind, name string, optional *bool) (object, bool) {
	o, found := k.objects.all[kind+" "+name]
	elsewhere := found && o.namespace != "" && k.pod.Namespace != "" && o.namespace != k.pod.Namespace
	if found && !elsewhere {
		return o, true
	}
	if optional != nil && *optional {
		return object{}, false
	}
	what := "the " + kind + " " + name
	if elsewhere {
		what += fmt.Sprintf(" of the namespace %s (the one given is of %s)", k.pod.Namespace, o.namespace)
	}
	k.miss(what)
	return object{}, false
}

// missKey notes that an object lacks a key, unless that is optional.
func (k *kubelet) missKey(kind, name, key string, optional *bool) {
	if optional == nil || !*optional {
		k.miss(fmt.Sprintf("the key %s of the %s %s", key, kind, name))
	}
}
