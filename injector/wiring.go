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

// wire makes one Airflow container take what is delivered. Files: it mounts them, names LocalFilesystemBackend in all the
// places where Airflow looks for a backend, and has it take options from their files. Variables: it mounts the program that
// sets them, too, puts it before the container's command, and leaves Airflow no backend.
func wire(t target, s settings, before former) []jsonpatch.Operation {
	return slices.Concat(wireEnv(t, s.deliver, before.options), before.wireCommand(t, s), wireMounts(t, s.deliver))
}

// wireEnv sets our variables and removes what would win over them. Elements are removed from the end, so that the indices
// before them stay true.
func wireEnv(t target, by contract.Deliver, options []contract.Option) []jsonpatch.Operation {
	path := t.path + "/env"
	var operations []jsonpatch.Operation
	wanted, losers := t.variables(by, options)
	isWanted := func(name string) bool {
		return slices.ContainsFunc(wanted, func(e envValue) bool { return e.Name == name })
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
	var missing []envValue
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

// variables are those that a container gets, and the names of those that would win over them, or that nobody reads any more.
// An option that the backend has given goes to the containers that asked the backend for it.
func (t target) variables(by contract.Deliver, options []contract.Option) (wanted []envValue, losers []string) {
	wanted = slices.Clone(backendEnv)
	if by == contract.DeliverEnv {
		wanted, losers = slices.Clone(noBackendEnv), []string{backends[0].Kwargs, backends[1].Kwargs}
	}
	for _, o := range options {
		if !o.FromCommand() { // the program sets it
			losers = append(losers, o.Env())
			continue
		}
		command := envValue{Name: o.Env() + "_CMD", Value: o.Command(contract.Directory)}
		_, asked := t.formerOption(t.last(o.Env() + "_SECRET"))
		has := t.last(command.Name)
		asked = asked || has.Value == command.Value && !has.fromElsewhere()
		if !o.Former || asked {
			wanted = append(wanted, command)
			losers = append(losers, append(o.Rivals(), o.Env()+"_SECRET")...)
		}
	}
	losers = slices.DeleteFunc(losers, func(name string) bool { // an option may be asked for by both of its names
		return slices.ContainsFunc(wanted, func(e envValue) bool { return e.Name == name })
	})
	return wanted, losers
}

// envValue is a variable that we set, with its value even where that is empty.
type envValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// backends are the places where Airflow looks for its backend, and backendEnv the variables that put ours there.
//
// noBackendEnv has Airflow find none, neither in a variable that comes by envFrom nor in airflow.cfg: an empty variable hides
// both (AirflowConfigParser.getimport; run on 2.8.1 and 3.3.2). A backend would come before the variables with the secrets,
// and its class may be gone from the image.
var (
	backends                 = contract.BackendEnv()
	backendEnv, noBackendEnv = func() (ours, none []envValue) {
		for _, v := range backends {
			ours = append(ours, envValue{v.Backend, contract.LocalFilesystemBackend}, envValue{v.Kwargs, contract.BackendKwargs(contract.Directory)})
			none = append(none, envValue{v.Backend, ""})
		}
		return ours, none
	}()
)

// isBackendEnv says whether a variable is one that we set.
func isBackendEnv(name string) bool {
	return slices.ContainsFunc(backendEnv, func(e envValue) bool { return e.Name == name })
}

// overrides says whether Airflow would prefer a variable to ours, or add its value to ours (airflow.configuration,
// AirflowConfigParser.get: NAME_CMD and NAME_SECRET; KWARG__ from 3.2 on).
func overrides(name string) bool {
	return slices.ContainsFunc(backends, func(v contract.BackendVariables) bool {
		return strings.HasPrefix(name, v.KwargPrefix) ||
			slices.Contains([]string{v.Backend + "_CMD", v.Backend + "_SECRET", v.Kwargs + "_CMD", v.Kwargs + "_SECRET"}, name)
	})
}

// wireMounts mounts the volumes, each directory as a whole: a subPath would never see the files change. The program's is
// only there where it is run.
func wireMounts(t target, by contract.Deliver) []jsonpatch.Operation {
	path := t.path + "/volumeMounts"
	var operations []jsonpatch.Operation
	var missing []corev1.VolumeMount
	for _, s := range shared {
		if s.volume == contract.ExecVolumeName && by != contract.DeliverEnv {
			operations = append(operations, t.unmount(s.volume)...)
			continue
		}
		i := slices.IndexFunc(t.VolumeMounts, func(m volumeMount) bool { return m.Name == s.volume && m.MountPath == s.directory })
		switch {
		case i < 0:
			missing = append(missing, corev1.VolumeMount{Name: s.volume, MountPath: s.directory, ReadOnly: true})
		case !t.VolumeMounts[i].ReadOnly:
			operations = append(operations, add(fmt.Sprintf("%s/%d/readOnly", path, i), true))
		}
	}
	return append(operations, appendTo(path, t.VolumeMounts != nil, missing)...)
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
