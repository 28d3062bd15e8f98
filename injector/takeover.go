package injector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// former is the secrets backend that the pod has had until now, as far as the pod tells: the variables that our container
// takes over from Airflow's, and the volume with airflow.cfg. What they say, the fetcher finds out; the webhook reads
// no Secret and no ConfigMap.
type former struct {
	env      []variable // in the order of the containers; Airflow's lose those that choose a backend
	takeOver contract.TakeOver
	mount    *volumeMount // of the volume with airflow.cfg, unless it is nil
	mountOf  target
	problems []problem
	warnings []string
}

// variable is one of a container's.
type variable struct {
	envVar
	of target
	at int // its index there
}

// formerBackend collects it over all targets, the main container's word first, and then from our own container: an
// earlier pass has moved there what the others had.
func (p *pod) formerBackend(s settings, targets []target) former {
	f := former{takeOver: contract.TakeOver{Workers: slices.ContainsFunc(targets, runsTasks), Decided: s.decided(), Locked: s.lockedSettings()}}
	for _, t := range targets {
		f.take(t, true)
	}
	if at := slices.IndexFunc(p.Spec.InitContainers, container.isOurs); at >= 0 {
		f.take(target{container: p.Spec.InitContainers[at]}, false)
	}
	for _, e := range f.env {
		if choosesBackend(e.Name) {
			f.takeOver.Moved = append(f.takeOver.Moved, e.Name)
		}
	}
	slices.Sort(f.takeOver.Moved)
	f.findConfigFile(p, targets)
	if len(f.problems) == 0 {
		f.problems = f.visibleProblems(s, p.hidesBackend(targets, f))
	}
	return f
}

// taskNames are the containers in which code of DAGs runs, where Airflow 3 looks at [workers] first.
var taskNames = []string{"base", "worker", "triggerer", "dag-processor", "airflow-worker", "airflow-triggerer"}

func runsTasks(t target) bool { return isOneOf(taskNames, t.Name) }

// take adds a container's variables. Airflow has one backend and the pod one set of files, so two containers may not differ.
func (f *former) take(t target, refuse bool) {
	last := t.lastIndexes()
	for i, e := range t.Env {
		if last[e.Name] != i || !choosesBackend(e.Name) && !t.asksBackend(e.Name) || isOurValue(e) {
			continue
		}
		at := slices.IndexFunc(f.env, func(known variable) bool { return known.Name == e.Name })
		switch {
		case at < 0:
			f.env = append(f.env, variable{e, t, i})
		case refuse && !e.equals(f.env[at].envVar):
			f.problems = append(f.problems, problem{code: contract.InvalidKwargs, subject: e.Name + " of the container " + t.Name,
				expected: "what the main container has, since a pod gets one set of secrets: make them equal, or give the settings as annotations and remove it"})
		}
	}
}

// choosesBackend says whether a variable tells Airflow which backend to use and how.
func choosesBackend(name string) bool { return isBackendEnv(name) || overrides(name) }

// asksBackend says whether a variable makes Airflow ask its backend for more than connections and variables, and no other
// variable in sight beats it.
func (c container) asksBackend(name string) bool {
	return slices.ContainsFunc(contract.BackendOptions(), func(o contract.BackendOption) bool {
		return o.Env == name && !slices.ContainsFunc(c.Env, func(e envVar) bool { return slices.Contains(o.BeatenBy, e.Name) })
	})
}

// isOurValue says whether a variable is as an earlier pass has set it.
func isOurValue(e envVar) bool {
	return !e.fromElsewhere() && slices.ContainsFunc(backendEnv, func(ours corev1.EnvVar) bool { return ours.Name == e.Name && ours.Value == e.Value })
}

// equals says whether two variables get the same value in the same way, however they are written.
func (e envVar) equals(other envVar) bool {
	var a, b bytes.Buffer
	if e.fromElsewhere() != other.fromElsewhere() {
		return false
	}
	if !e.fromElsewhere() {
		return e.Value == other.Value
	}
	return json.Compact(&a, e.ValueFrom) == nil && json.Compact(&b, other.ValueFrom) == nil && bytes.Equal(a.Bytes(), b.Bytes())
}

// findConfigFile looks for the first container that has its airflow.cfg from a volume, for our container to mount it, too.
func (f *former) findConfigFile(p *pod, targets []target) {
	for _, t := range targets {
		file := t.configFile()
		mount, ok := t.mountOf(file)
		switch {
		case !ok:
			continue
		case !p.volume(mount.Name).isReadyMade():
			// Mounted by a subPath, a volume that is empty yet would get a folder of the file's name.
			f.warnings = append(f.warnings, fmt.Sprintf("%s is in the volume %s, which is not filled yet: a backend named there is not seen", file, shown(mount.Name)))
		default:
			f.takeOver.ConfigFile, f.mount, f.mountOf = file, &mount, t
		}
		return
	}
}

// configFile is where the container has its airflow.cfg (airflow.configuration, get_airflow_config).
func (c container) configFile() string {
	if e, ok := c.env("AIRFLOW_CONFIG"); ok && path.IsAbs(e.Value) {
		return path.Clean(e.Value)
	}
	home := contract.AirflowHome
	if e, ok := c.env("AIRFLOW_HOME"); ok && path.IsAbs(e.Value) {
		home = e.Value
	}
	return path.Join(home, "airflow.cfg")
}

// mountOf is the mount that a file lies in: the innermost.
func (c container) mountOf(file string) (volumeMount, bool) {
	var innermost volumeMount
	for _, m := range c.VolumeMounts {
		if m.holdsAny([]string{file}) && len(m.MountPath) > len(innermost.MountPath) {
			innermost = m
		}
	}
	return innermost, innermost.Name != ""
}

// errHidden ends a look into what only the kubelet will know.
var errHidden = errors.New("the value is in a Secret, a ConfigMap or a field")

// visibleProblems are those that the pod itself shows. The fetcher looks again, at all there is, and says the same.
func (f former) visibleProblems(s settings, hidden bool) []problem {
	env := map[string]string{}
	for _, e := range f.env {
		if !e.isHidden() {
			env[e.Name] = e.Value
		}
	}
	look := func(section, option string) (string, string, error) {
		name := contract.EnvName(section, option)
		value, ok := env[name]
		switch {
		case ok:
			return value, name, nil
		case slices.Contains(f.takeOver.Moved, name):
			return "", "", errHidden
		}
		return "", "", nil
	}
	backend, err := contract.Finder{Places: []contract.Lookup{look}, Env: env, Workers: f.takeOver.Workers}.Find()
	var why *contract.Error
	switch {
	case errors.As(err, &why) && !(hidden && (why.Code == contract.InvalidKwargs || why.Code == contract.OptionFromBackend)):
		return []problem{{code: why.Code, says: why.Details()}}
	case err != nil || hidden || backend.Name == "" || s.kwargs != nil:
		return nil
	}
	if _, _, err := s.ownAccount().TakeKwargs(backend.Kwargs, f.takeOver.Decided, f.takeOver.Locked); err != nil {
		return []problem{{code: contract.InvalidKwargs, says: backend.KwargsName + ": " + err.Error()}}
	}
	return nil
}

// hidesBackend says whether there are places that only the kubelet will know where the backend, or more of its arguments,
// may be told.
func (p *pod) hidesBackend(targets []target, f former) bool {
	return f.takeOver.ConfigFile != "" || slices.ContainsFunc(targets, func(t target) bool { return len(t.EnvFrom) > 0 }) ||
		slices.ContainsFunc(f.env, func(v variable) bool { return v.isHidden() })
}

// isHidden says whether only the kubelet knows the value: where it is from elsewhere, or names other variables.
func (e envVar) isHidden() bool { return e.fromElsewhere() || strings.Contains(e.Value, "$") }

// addTo puts what is taken over among what our container knows, behind what it refers to.
func (f former) addTo(know *identity) {
	for _, e := range f.env {
		know.addVariable(e.of, e.at, e.of.lastIndexes())
	}
	if f.mount != nil {
		know.addReferences(f.mountOf, f.mount.SubPathExpr, len(f.mountOf.Env), f.mountOf.lastIndexes())
		know.add(&know.mounts, "mount "+f.mount.MountPath, f.mount.raw)
	}
}
