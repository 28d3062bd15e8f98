package injector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// wire makes one Airflow container read the files: it mounts them, names LocalFilesystemBackend in all the places where
// Airflow looks for a backend, and has it take options from their files.
func wire(t target, options []contract.Option) []jsonpatch.Operation {
	return slices.Concat(wireEnv(t, options), wireMount(t))
}

// wireEnv sets our variables and removes what would win over them. Elements are removed from the end, so that the indices
// before them stay true.
func wireEnv(t target, options []contract.Option) []jsonpatch.Operation {
	path := t.path + "/env"
	var operations []jsonpatch.Operation
	wanted, losers := t.variables(options)
	isWanted := func(name string) bool {
		return slices.ContainsFunc(wanted, func(e corev1.EnvVar) bool { return e.Name == name })
	}
	left := slices.Clone(t.Env)
	for i := len(left) - 1; i >= 0; i-- {
		name := left[i].Name
		twice := isWanted(name) && slices.ContainsFunc(left[:i], func(e envVar) bool { return e.Name == name })
		if overrides(name) || slices.Contains(losers, name) || twice {
			operations = append(operations, remove(path+"/"+strconv.Itoa(i)))
			left = slices.Delete(left, i, i+1)
		}
	}
	var missing []corev1.EnvVar
	for _, w := range wanted {
		i := slices.IndexFunc(left, func(e envVar) bool { return e.Name == w.Name })
		if i < 0 {
			missing = append(missing, w)
			continue
		}
		if left[i].fromElsewhere() {
			operations = append(operations, remove(fmt.Sprintf("%s/%d/valueFrom", path, i)))
		}
		if left[i].Value != w.Value {
			operations = append(operations, add(fmt.Sprintf("%s/%d/value", path, i), w.Value))
		}
	}
	return append(operations, appendTo(path, t.Env != nil, missing)...)
}

// last is a variable as the kubelet sees it; one that is not there has no name.
func (c container) last(name string) envVar {
	e, _ := c.env(name)
	return e
}

// variables are those that a container gets, and the names of those that would win over them. An option that the backend
// has given goes to the containers that asked the backend for it.
func (t target) variables(options []contract.Option) (wanted []corev1.EnvVar, losers []string) {
	wanted = slices.Clone(backendEnv)
	for _, o := range options {
		command := corev1.EnvVar{Name: o.Env() + "_CMD", Value: o.Command(contract.Directory)}
		_, asked := t.formerOption(t.last(o.Env() + "_SECRET"))
		has := t.last(command.Name)
		asked = asked || has.Value == command.Value && !has.fromElsewhere()
		if !o.Former || asked {
			wanted = append(wanted, command)
			losers = append(losers, append(o.Rivals(), o.Env()+"_SECRET")...)
		}
	}
	losers = slices.DeleteFunc(losers, func(name string) bool { // an option may be asked for by both of its names
		return slices.ContainsFunc(wanted, func(e corev1.EnvVar) bool { return e.Name == name })
	})
	return wanted, losers
}

// backends are the places where Airflow looks for its backend, and backendEnv the variables that put ours there.
var (
	backends   = contract.BackendEnv()
	backendEnv = func() (env []corev1.EnvVar) {
		for _, v := range backends {
			env = append(env,
				corev1.EnvVar{Name: v.Backend, Value: contract.LocalFilesystemBackend},
				corev1.EnvVar{Name: v.Kwargs, Value: contract.BackendKwargs(contract.Directory)})
		}
		return env
	}()
)

// isBackendEnv says whether a variable is one that we set.
func isBackendEnv(name string) bool {
	return slices.ContainsFunc(backendEnv, func(e corev1.EnvVar) bool { return e.Name == name })
}

// overrides says whether Airflow would prefer a variable to ours, or add its value to ours (airflow.configuration,
// AirflowConfigParser.get: NAME_CMD and NAME_SECRET; KWARG__ from 3.2 on).
func overrides(name string) bool {
	return slices.ContainsFunc(backends, func(v contract.BackendVariables) bool {
		return strings.HasPrefix(name, v.KwargPrefix) ||
			slices.Contains([]string{v.Backend + "_CMD", v.Backend + "_SECRET", v.Kwargs + "_CMD", v.Kwargs + "_SECRET"}, name)
	})
}

// wireMount mounts the volume, the directory as a whole: a subPath would never see the files change.
func wireMount(t target) []jsonpatch.Operation {
	for i, m := range t.VolumeMounts {
		if m.Name != contract.VolumeName || m.MountPath != contract.Directory {
			continue
		}
		if m.ReadOnly {
			return nil
		}
		return []jsonpatch.Operation{add(fmt.Sprintf("%s/volumeMounts/%d/readOnly", t.path, i), true)}
	}
	return appendTo(t.path+"/volumeMounts", t.VolumeMounts != nil, []corev1.VolumeMount{
		{Name: contract.VolumeName, MountPath: contract.Directory, ReadOnly: true}})
}

// warnings tell what this pod's containers lose, and which of the containers asked for it does not have. A
// LocalFilesystemBackend of the pod's own can go: its files are on no volume that Airflow's charts know of.
func (p *pod) warnings(s settings, targets []target) []string {
	var warnings []string
	for _, name := range p.missing(s.containers) {
		warnings = append(warnings, s.subject("containers")+": the pod has no container "+name)
	}
	for _, t := range targets {
		for _, v := range backends {
			e, ok := t.env(v.Kwargs)
			backend, _ := t.env(v.Backend)
			if ok && backend.Value == contract.LocalFilesystemBackend && e.Value != contract.BackendKwargs(contract.Directory) {
				warnings = append(warnings, shown(t.Name)+": "+v.Kwargs+" is replaced")
			}
		}
	}
	return warnings
}

// setStatus writes what came of the pod into its annotations.
func (p *pod) setStatus(code contract.Code) []jsonpatch.Operation {
	was, exists := p.Metadata.Annotations[Prefix+statusKey]
	at := member("/metadata/annotations", Prefix+statusKey)
	switch {
	case exists && was == string(code):
		return nil
	case exists:
		return []jsonpatch.Operation{replace(at, string(code))}
	}
	return []jsonpatch.Operation{add(at, string(code))}
}
