package injector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// former is the secrets backend that the pod has had until now, as far as the pod tells: the variables that our container
// takes over from Airflow's, and the volume with airflow.cfg. What they say, the fetcher finds out; the webhook reads
// no Secret and no ConfigMap.
type former struct {
	earlier  contract.Config   // what our container of an earlier pass was told; nothing where there is none, or none that can be read
	env      []variable        // in the order of the containers; Airflow's lose those that choose a backend
	options  []contract.Option // those of the annotation, and those that Airflow has taken from the backend
	takeOver contract.TakeOver
	mount    *volumeMount // of the volume with airflow.cfg, unless it is nil
	mountOf  target
	problems []problem
	warnings []string

	commandless []string // the containers whose command is the image's entrypoint
	bare        []string // those of them that have no args either
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
	f := former{options: s.options, takeOver: contract.TakeOver{Workers: slices.ContainsFunc(targets, runsTasks), Decided: s.decided(), Locked: s.lockedSettings()}}
	at := slices.IndexFunc(p.Spec.InitContainers, container.isOurs)
	if at >= 0 {
		f.earlier = p.Spec.InitContainers[at].config()
	}
	for _, t := range targets {
		f.take(t, at >= 0)
		if s.deliver == contract.DeliverEnv && len(f.ownCommand(t)) == 0 && !slices.Contains(f.commandless, t.Name) {
			f.commandless = append(f.commandless, t.Name)
			if t.isBare() {
				f.bare = append(f.bare, t.Name)
			}
		}
	}
	if at >= 0 {
		f.take(target{container: p.Spec.InitContainers[at]}, false)
		f.takeEarlierOptions()
	}
	for _, e := range f.env {
		if choosesBackend(e.Name) {
			f.takeOver.Moved = append(f.takeOver.Moved, e.Name)
		}
	}
	slices.Sort(f.takeOver.Moved)
	slices.SortFunc(f.options[len(s.options):], func(a, b contract.Option) int { return strings.Compare(a.String(), b.String()) })
	f.findConfigFile(p, targets)
	f.problems = slices.Concat(f.problems, f.startProblems(s), p.userProblems(s, targets))
	if len(f.problems) == 0 {
		f.problems = f.visibleProblems(s, p.hidesBackend(targets, f))
	}
	return f
}

// taskNames are the containers in which code of DAGs runs, where Airflow 3 looks at [workers] first.
var taskNames = []string{"base", "worker", "triggerer", "dag-processor", "airflow-worker", "airflow-triggerer"}

func runsTasks(t target) bool { return isOneOf(taskNames, t.Name) }

// take adds a container's variables, but for those that an earlier pass has set. Airflow has one backend and the pod one set
// of files, so two containers of Airflow's may not differ.
func (f *former) take(t target, wired bool) {
	last := f.lastTheirs(t, wired)
	for i, e := range t.Env {
		if at, theirs := last[e.Name]; !theirs || at != i {
			continue
		}
		if o, ok := t.formerOption(e); ok {
			f.takeOption(o, e, t)
		}
		if !choosesBackend(e.Name) && e.Name != multiTeam && !(movesConfigFile(e.Name) && e.isHidden()) {
			continue
		}
		at := slices.IndexFunc(f.env, func(known variable) bool { return known.Name == e.Name })
		switch {
		case at < 0:
			f.env = append(f.env, variable{e, t, i})
		case !t.isOurs() && !e.equals(f.env[at].envVar):
			f.problems = append(f.problems, problem{code: contract.InvalidKwargs, subject: e.Name + " of the container " + t.Name,
				expected: "what the main container has, since a pod gets one set of secrets: make them equal, or give the settings as annotations and remove it"})
		}
	}
}

// choosesBackend says whether a variable tells Airflow which backend to use and how.
func choosesBackend(name string) bool { return isBackendEnv(name) || overrides(name) }

// multiTeam is the variable of an option that the fetcher refuses, so it has to see it.
var multiTeam = contract.EnvName("core", "multi_team")

// formerOption is the option that a variable makes Airflow take from its backend, unless another variable in sight beats it;
// or made it take before an earlier pass put our command in its place.
func (c container) formerOption(e envVar) (contract.Option, bool) {
	if id, ok := strings.CutPrefix(e.Value, ourCommand+"/"); ok && strings.HasSuffix(e.Name, "_CMD") {
		o, ok := contract.OptionOfSecretEnv(strings.TrimSuffix(e.Name, "_CMD") + "_SECRET")
		o.ID, o.Former = id, true
		return o, ok
	}
	o, ok := contract.OptionOfSecretEnv(e.Name)
	beaten := slices.ContainsFunc(c.Env, func(e envVar) bool { return slices.Contains(o.Rivals(), e.Name) || e.Name == o.Env()+"_CMD" })
	o.ID, o.Former = e.Value, true
	return o, ok && !beaten
}

// takeOption adds an option that comes from the backend, unless the annotation names it.
func (f *former) takeOption(o contract.Option, e envVar, t target) {
	at := slices.IndexFunc(f.options, func(known contract.Option) bool { return known.String() == o.String() })
	mistake := func(expected string) {
		f.problems = append(f.problems, problem{code: contract.OptionFromBackend, subject: e.Name + " of the container " + t.Name, expected: expected})
	}
	switch {
	case at >= 0 && !f.options[at].Former:
	case e.isHidden():
		mistake("an id in sight: write it out, or set " + Prefix + "config to " + o.String() + "=ID")
	case !contract.IsFilePath(o.ID) || !secretName.MatchString(o.ID):
		mistake("an id of the characters AWS allows in the name of a secret, which can be the name of a file")
	case slices.ContainsFunc(f.options, func(known contract.Option) bool { return known.ID != o.ID && overlap(known.ID, o.ID) }):
		mistake("an id that is no folder of the id of another option")
	case at >= 0 && f.options[at].ID != o.ID:
		mistake("the same id as in the other containers: make them equal, or set " + Prefix + "config to " + o.String() + "=ID")
	case at < 0:
		f.options = append(f.options, o)
	}
}

// takeEarlierOptions adds those that an earlier pass took, and whose variables it removed.
func (f *former) takeEarlierOptions() {
	for _, o := range f.earlier.Options {
		if o.Former && !slices.ContainsFunc(f.options, func(known contract.Option) bool { return known.String() == o.String() }) {
			f.options = append(f.options, o)
		}
	}
}

// config is what our container of an earlier pass was told; nothing if that cannot be read.
func (c container) config() contract.Config {
	text, _ := c.env(contract.ConfigEnv)
	config, err := contract.Decode(text.Value)
	if err != nil {
		return contract.Config{}
	}
	return config
}

// lastTheirs is lastIndexes without the variables that an earlier pass has set, once each.
func (f *former) lastTheirs(t target, wired bool) map[string]int {
	if !wired {
		return t.lastIndexes()
	}
	last := make(map[string]int, len(t.Env))
	var ours []string
	for i, e := range t.Env {
		if f.isOurValue(e, t) && !slices.Contains(ours, e.Name) {
			ours = append(ours, e.Name)
		} else {
			last[e.Name] = i
		}
	}
	return last
}

// isOurValue says whether a variable is as an earlier pass has set it.
func (f *former) isOurValue(e envVar, t target) bool {
	is := func(ours envValue) bool { return ours.Name == e.Name && ours.Value == e.Value }
	byEnv := f.earlier.Deliver == contract.DeliverEnv || t.isWrapped()
	return !e.fromElsewhere() && (slices.ContainsFunc(backendEnv, is) || byEnv && slices.ContainsFunc(noBackendEnv, is))
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
		case f.mount == nil:
			f.takeOver.ConfigFile, f.mount, f.mountOf = file, &mount, t
		case file != f.takeOver.ConfigFile || mount.Name != f.mount.Name || mount.SubPath != f.mount.SubPath || mount.SubPathExpr != f.mount.SubPathExpr:
			f.problems = append(f.problems, problem{code: contract.InvalidKwargs, subject: "airflow.cfg of the container " + t.Name,
				expected: "the one that the container " + f.mountOf.Name + " has, since a pod gets one set of secrets"})
		}
	}
}

// movesConfigFile says whether a variable tells where airflow.cfg is. Where only the kubelet will know the value, the fetcher
// gets it, to say that it does not see that file.
func movesConfigFile(name string) bool { return name == "AIRFLOW_CONFIG" || name == "AIRFLOW_HOME" }

// configFile is where the container has its airflow.cfg (airflow.configuration, get_airflow_config).
func (c container) configFile() string {
	last := c.lastIndexes()
	value := func(name string) string {
		e, _ := c.env(name)
		return c.expand(e.Value, last[name], last)
	}
	if file := value("AIRFLOW_CONFIG"); path.IsAbs(file) {
		return path.Clean(file)
	}
	home := value("AIRFLOW_HOME")
	if !path.IsAbs(home) {
		home = contract.AirflowHome
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
	config, err := s.contract(f)
	if err == nil {
		config, err = f.takeVisible(config, look, env, hidden)
	}
	if shared := config.Shared(); err == nil && !(hidden && shared != nil && shared.ID == "" && shared.Role == nil) { // kwargs may name it
		_, err = config.Settled()
	}
	var why *contract.Error
	if errors.As(err, &why) && !(hidden && slices.Contains([]contract.Code{contract.InvalidKwargs, contract.OptionFromBackend}, why.Code)) {
		return []problem{{code: why.Code, says: why.Details()}}
	}
	return nil
}

// takeVisible takes over what the pod shows, where nothing is hidden that might say otherwise.
func (f former) takeVisible(config contract.Config, look contract.Lookup, env map[string]string, hidden bool) (contract.Config, error) {
	backend, err := contract.Finder{Places: []contract.Lookup{look}, Env: env, Workers: f.takeOver.Workers, Options: f.options}.Find()
	if errors.Is(err, errHidden) {
		return config, nil
	}
	if err != nil || hidden || backend.Name == "" {
		return config, err
	}
	config, _, err = config.TakeKwargs(backend)
	return config, err
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
