package injector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// pod is the little that we read of a pod. Nothing is ever written from it: a field that it does not know stays in the
// document, which only ever sees operations on single fields.
type pod struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
		Labels      struct {
			PodOperator string `json:"kubernetes_pod_operator"` // True for what KubernetesPodOperator makes
		} `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		InitContainers  []container      `json:"initContainers"`
		Containers      []container      `json:"containers"`
		Volumes         []volume         `json:"volumes"`
		SecurityContext *securityContext `json:"securityContext"`
	} `json:"spec"`

	raw []byte
}

type container struct {
	Name            string            `json:"name"`
	Image           string            `json:"image"`
	Command         []string          `json:"command"`
	Args            json.RawMessage   `json:"args"`
	RestartPolicy   string            `json:"restartPolicy"` // Always makes an init container a native sidecar
	Env             []envVar          `json:"env"`
	EnvFrom         []json.RawMessage `json:"envFrom"`
	VolumeMounts    []volumeMount     `json:"volumeMounts"`
	Resources       resources         `json:"resources"`
	SecurityContext *securityContext  `json:"securityContext"`
}

type envVar struct {
	Name      string          `json:"name"`
	Value     string          `json:"value"`
	ValueFrom json.RawMessage `json:"valueFrom"`

	raw json.RawMessage
}

type volumeMount struct {
	Name        string `json:"name"`
	MountPath   string `json:"mountPath"`
	SubPath     string `json:"subPath"`
	SubPathExpr string `json:"subPathExpr"`
	ReadOnly    bool   `json:"readOnly"`

	raw json.RawMessage
}

type volume struct {
	Name     string `json:"name"`
	EmptyDir *struct {
		Medium string `json:"medium"`
	} `json:"emptyDir"`
	ConfigMap json.RawMessage `json:"configMap"`
	Secret    json.RawMessage `json:"secret"`
	Projected json.RawMessage `json:"projected"`
}

// isReadyMade says whether the kubelet fills the volume before any container runs.
func (v volume) isReadyMade() bool {
	return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil
}

type securityContext struct {
	RunAsUser  *int64 `json:"runAsUser"`
	RunAsGroup *int64 `json:"runAsGroup"`
}

// resources are a container's requests and limits by resource name.
type resources struct {
	Requests map[string]resource.Quantity `json:"requests"`
	Limits   map[string]resource.Quantity `json:"limits"`
}

// UnmarshalJSON keeps the variable as it is written too: our container gets some of them as they are.
func (e *envVar) UnmarshalJSON(text []byte) error {
	type plain envVar
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, (*plain)(e)); err != nil {
		return err
	}
	// What is no object, or is there twice, readers understand differently, and some of it goes into our container as it is.
	if e.fromElsewhere() && (e.ValueFrom[0] != '{' || bytes.Count(text, []byte(`"valueFrom"`)) > 1) {
		return &json.UnmarshalTypeError{Value: "no object", Type: reflect.TypeFor[map[string]any](), Field: "env.valueFrom"}
	}
	e.raw = slices.Clone(text)
	return nil
}

// UnmarshalJSON keeps the mount as it is written too: what our container mounts as well, it mounts in the same way.
func (m *volumeMount) UnmarshalJSON(text []byte) error {
	type plain volumeMount
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, (*plain)(m)); err != nil {
		return err
	}
	m.raw = slices.Clone(text)
	return nil
}

// readPod reads names as the API server does: by their exact case.
func readPod(raw []byte) (*pod, *problem) {
	p := &pod{raw: raw}
	err := kjson.UnmarshalCaseSensitivePreserveInts(raw, p)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return nil, &problem{code: contract.InvalidPod, subject: strings.TrimPrefix(wrong.Field, "."),
			expected: jsonName(wrong.Type) + " (in YAML put true, false and numbers into quotes where text is expected)", found: wrong.Value}
	case err != nil && strings.Contains(err.Error(), resource.ErrFormatWrong.Error()):
		return nil, &problem{code: contract.InvalidPod, subject: "resources", expected: "quantities such as 500m or 64Mi in requests and limits"}
	case err != nil:
		return nil, &problem{code: contract.InvalidPod, subject: "the pod", expected: "JSON", found: err.Error()}
	case p.Kind != "" && p.Kind != "Pod":
		return nil, &problem{code: contract.InvalidPod, subject: "kind", expected: "Pod", found: shown(p.Kind)}
	case len(p.Spec.Containers) == 0:
		return nil, &problem{code: contract.InvalidPod, subject: "spec.containers", expected: "at least one container", found: "none"}
	}
	return p, nil
}

// jsonName says what JSON calls the values of a type of ours.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a whole number"
}

// rawInitContainers are the init containers as they are written.
func (p *pod) rawInitContainers() ([]json.RawMessage, error) {
	var raw struct {
		Spec struct {
			InitContainers []json.RawMessage `json:"initContainers"`
		} `json:"spec"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(p.raw, &raw); err != nil {
		return nil, fmt.Errorf("reading the init containers: %w", err)
	}
	return raw.Spec.InitContainers, nil
}

// leftAlone says why the pod's own word keeps us out, or nothing.
func (p *pod) leftAlone() contract.Code {
	if p.Metadata.Annotations[Prefix+injectKey] == "false" {
		return contract.Declined
	}
	for _, key := range ours(p.Metadata.Annotations) {
		if key != statusKey {
			return ""
		}
	}
	return contract.NotAnnotated
}

// target is a container that runs Airflow, and where it stands in the document.
type target struct {
	container
	path string // such as /spec/containers/0
}

// mainContainers gives every container with its place.
func (p *pod) mainContainers() []target { return targets("/spec/containers", p.Spec.Containers) }

// initContainers gives every init container with its place, but for our own.
func (p *pod) initContainers() []target {
	return filter(targets("/spec/initContainers", p.Spec.InitContainers), func(t target) bool { return !t.isOurs() })
}

func targets(path string, containers []container) []target {
	all := make([]target, len(containers))
	for i, c := range containers {
		all[i] = target{c, path + "/" + strconv.Itoa(i)}
	}
	return all
}

// volume finds a volume; one that is not there has nothing in it.
func (p *pod) volume(name string) volume {
	i := slices.IndexFunc(p.Spec.Volumes, func(v volume) bool { return v.Name == name })
	if i < 0 {
		return volume{}
	}
	return p.Spec.Volumes[i]
}

// isInjected says whether an earlier pass has put our init container there.
func (p *pod) isInjected() bool { return slices.ContainsFunc(p.Spec.InitContainers, container.isOurs) }

// isOurs recognises the init container that an earlier pass made. Its name alone would not do: the name may be taken.
func (c container) isOurs() bool {
	if c.Name != contract.ContainerName || len(c.Command) != 1 || c.Command[0] != contract.Command {
		return false
	}
	_, ok := c.env(contract.ConfigEnv)
	return ok
}

// fromElsewhere says whether the kubelet takes the value from a Secret, a ConfigMap or a field.
func (e envVar) fromElsewhere() bool { return len(e.ValueFrom) > 0 && string(e.ValueFrom) != "null" }

// env finds a variable; of several with one name the last one counts, as in the kubelet.
func (c container) env(name string) (envVar, bool) {
	for i := len(c.Env) - 1; i >= 0; i-- {
		if c.Env[i].Name == name {
			return c.Env[i], true
		}
	}
	return envVar{}, false
}

// setsAirflow says whether the container is given any of Airflow's options by name. What we set ourselves, and what we
// remove, tells nothing: a second pass has to come to the same answer as the first.
func (c container) setsAirflow() bool {
	return slices.ContainsFunc(c.Env, func(e envVar) bool {
		return strings.HasPrefix(e.Name, "AIRFLOW__") && !isBackendEnv(e.Name) && !overrides(e.Name) && !strings.HasPrefix(e.Value, ourCommand)
	})
}

// ourCommand starts the value of every variable by which Airflow gets an option from its file.
var ourCommand = contract.Option{}.Command(contract.Directory)

func (c container) mounts(volume string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m volumeMount) bool { return m.Name == volume })
}

// isWired says whether an earlier pass has given the container the files, or the program that sets the variables. To mount
// them alone would not do: any container may do that.
func (c container) isWired() bool {
	return c.mountsAt(contract.VolumeName, contract.Directory) && (c.isWrapped() || slices.ContainsFunc(c.Env, func(e envVar) bool {
		return e.Name == backends[0].Backend && (e.Value == contract.LocalFilesystemBackend || e.Value == "" && c.mountsAt(contract.ExecVolumeName, contract.ExecDirectory))
	}))
}

func (c container) mountsAt(volume, directory string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m volumeMount) bool { return m.Name == volume && m.MountPath == directory })
}

// shared are the volumes of ours that Airflow's containers mount, and where.
var shared = []struct{ volume, directory string }{
	{contract.VolumeName, contract.Directory}, {contract.ExecVolumeName, contract.ExecDirectory},
}

// isShared says whether a volume's name is that of one of them.
func isShared(volume string) bool {
	return volume == contract.VolumeName || volume == contract.ExecVolumeName
}

// twinProblems are containers of one name. Kubernetes makes no such pod, but says so only after us; and what an earlier pass
// has done to a container is known by its name.
func (p *pod) twinProblems() (problems []problem) {
	seen := map[string]int{}
	for _, c := range slices.Concat(p.initContainers(), p.mainContainers()) {
		if seen[c.Name]++; seen[c.Name] == 2 {
			problems = append(problems, problem{code: contract.InvalidPod, subject: "the container " + shown(c.Name),
				expected: "a name that no other container of the pod has", found: "another one of that name"})
		}
	}
	return problems
}

// nameProblems are names of ours that the pod uses for something else.
func (p *pod) nameProblems(targets []target) []problem {
	var problems []problem
	taken := func(subject, expected, found string) {
		problems = append(problems, problem{code: contract.NameInUse, subject: subject, expected: expected, found: found})
	}
	for _, c := range slices.Concat(p.initContainers(), p.mainContainers()) {
		if c.Name == contract.ContainerName {
			taken("the container "+c.Name, "a name that is not reserved, so rename it", "one that airflow-secrets did not add")
		}
		for _, s := range shared {
			if c.mounts(s.volume) && !p.isInjected() {
				taken("the container "+c.Name, "no mount of a volume "+s.volume+", whose name is reserved", "one that airflow-secrets did not add")
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		inMemory := v.EmptyDir != nil && v.EmptyDir.Medium == "Memory"
		ours := p.isInjected() && (isShared(v.Name) && inMemory || v.Name == contract.TokenVolumeName && v.Projected != nil)
		if !ours && (isShared(v.Name) || v.Name == contract.TokenVolumeName) {
			taken("the volume "+v.Name, "a name that is not reserved, so rename it", "one that airflow-secrets did not add")
		}
	}
	for _, t := range targets {
		for _, m := range t.VolumeMounts {
			for _, s := range shared {
				if m.Name != s.volume && (m.MountPath == s.directory || strings.HasPrefix(m.MountPath, s.directory+"/")) {
					taken("the container "+t.Name, "nothing mounted at "+s.directory, "the volume "+m.Name)
				}
			}
		}
	}
	return problems
}
