package airflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// page is docs/migration.md. Each of its blocks of YAML and JSON is used as it stands, and has its name in a comment of the
// line before:
//
//	<!-- test: userA before -->
//	```yaml
//	...
//	```
//
// before and after are values of a chart: Airflow's official one, of user B the community's. Policies, a role's trust among
// them, are IAM's, objects are Kubernetes objects that the user has. The others are annotations of pods, defaults of a
// cluster, and a statement of a policy.
type page struct {
	blocks map[string]string
}

// blockNames are those of all blocks that the page has; each is used by a test.
func blockNames() []string {
	return []string{
		"userA before", "userA after", "userA policy",
		"userC before", "userC after", "userC policy", "userC objects",
		"userB before", "userB policy before", "userB resource policy", "userB key policy",
		"userB after", "userB policy after", "userB shared role", "userB shared trust", "userB defaults",
		"userB annotations by ids",
		"statement that saves calls", "annotations that save the refused call", "annotations without ListSecrets",
	}
}

var (
	namedBlock = regexp.MustCompile("(?m)^<!-- test: (.+) -->\n```(?:yaml|json)\n((?:.*\n)*?)```$")
	anyBlock   = regexp.MustCompile("(?m)^```(?:yaml|json)$")
)

func readPage(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{blocks: map[string]string{}}
	for _, found := range namedBlock.FindAllStringSubmatch(string(text), -1) {
		p.blocks[found[1]] = found[2]
	}
	if all := len(anyBlock.FindAllString(string(text), -1)); len(p.blocks) != all {
		t.Fatalf("docs/migration.md has %d blocks of YAML or JSON and %d names for them, expected one for each", all, len(p.blocks))
	}
	for name := range p.blocks {
		if !slices.Contains(blockNames(), name) {
			t.Errorf("docs/migration.md has a block %q that no test uses", name)
		}
	}
	return p
}

// block gives a block that the page must have.
func (p *page) block(t *testing.T, name string) string {
	t.Helper()
	text, ok := p.blocks[name]
	if !ok {
		t.Fatalf("docs/migration.md has no block %q", name)
	}
	return text
}

// values reads a block of the official chart's values. What is not among those that we know how to follow is an error.
func (p *page) values(t *testing.T, name string) (v chartValues) {
	t.Helper()
	p.read(t, name, &v)
	return v
}

// community reads a block of the community chart's values in the same way.
func (p *page) community(t *testing.T, name string) (v communityValues) {
	t.Helper()
	p.read(t, name, &v)
	return v
}

// annotations reads a block of annotations.
func (p *page) annotations(t *testing.T, name string) (found map[string]string) {
	t.Helper()
	p.read(t, name, &found)
	return found
}

func (p *page) read(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(p.block(t, name)), into); err != nil {
		t.Fatalf("docs/migration.md, block %q: %v", name, err)
	}
}

// statement is the one that saves calls, on one line.
func (p *page) statement(t *testing.T) string {
	t.Helper()
	var line bytes.Buffer
	if err := json.Compact(&line, []byte(p.block(t, "statement that saves calls"))); err != nil {
		t.Fatal(err)
	}
	return line.String()
}

// world is that of a user of the page.
func (p *page) world(t *testing.T, u user) *world {
	t.Helper()
	var more [][]byte
	if name := u.name + " objects"; p.blocks[name] != "" {
		more = append(more, []byte(p.block(t, name)))
	}
	return chartWorld(t, u, p.values(t, u.name+" before"), p.values(t, u.name+" after"), more...)
}

// chartWorld has the ConfigMap that the chart makes of the values, and more objects.
func chartWorld(t *testing.T, u user, before, after chartValues, more ...[]byte) *world {
	t.Helper()
	config, err := json.Marshal(after.configMap(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, u, map[string]chart{"before": before, "after": after}, append(more, config)...)
	w.fill()
	return w
}

// chartValues are those of the official chart that the page has.
type chartValues struct {
	AirflowPodAnnotations map[string]string            `json:"airflowPodAnnotations"`
	Config                map[string]map[string]string `json:"config"` // section → option → value
	Env                   []corev1.EnvVar              `json:"env"`
	Secret                []secretEnv                  `json:"secret"`
	ExtraEnvFrom          string                       `json:"extraEnvFrom"` // a list as text, which the chart runs through tpl
}

// secretEnv is a variable from a Secret, as the chart has it.
type secretEnv struct {
	EnvName    string `json:"envName"`
	SecretName string `json:"secretName"`
	SecretKey  string `json:"secretKey"`
}

// pod does what the chart does with its values to a pod that it has made without them: file is that of a pod that the chart
// has made with the annotation of ours.
func (v chartValues) pod(t *testing.T, file string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	readChart(t, file, &pod)
	maps.DeleteFunc(pod.Annotations, func(key, _ string) bool { return strings.HasPrefix(key, "airflow-secrets/") })
	maps.Copy(pod.Annotations, v.AirflowPodAnnotations)
	var from []corev1.EnvFromSource
	if err := yaml.UnmarshalStrict([]byte(v.ExtraEnvFrom), &from); err != nil {
		t.Fatalf("extraEnvFrom: %v", err)
	}
	env := slices.Clone(v.Env)
	for _, s := range v.Secret {
		selector := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: s.SecretName}, Key: s.SecretKey}
		env = append(env, corev1.EnvVar{Name: s.EnvName, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: selector}})
	}
	for c := range containersOf(&pod) {
		if mountsConfig(*c) { // the chart's own mark of what runs Airflow
			c.Env, c.EnvFrom = append(c.Env, env...), append(c.EnvFrom, from...)
		}
	}
	return &pod
}

// containersOf gives the init containers, then the others.
func containersOf(pod *corev1.Pod) func(yield func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

func mountsConfig(c corev1.Container) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/opt/airflow/airflow.cfg" })
}

const chartConfigMap = "userA-configmap-af-config.json"

// configMap does what the chart does with its values to airflow.cfg: the ConfigMap that it has made for user A is taken
// apart, its section of a backend left out, and put together with the sections of the values.
func (v chartValues) configMap(t *testing.T) corev1.ConfigMap {
	t.Helper()
	var found corev1.ConfigMap
	readChart(t, chartConfigMap, &found)
	sections := map[string]string{} // name → lines
	for section := range strings.SplitSeq(found.Data["airflow.cfg"], "\n\n") {
		name, lines, _ := strings.Cut(strings.TrimPrefix(section, "["), "]\n")
		sections[name] = strings.TrimSuffix(lines, "\n")
	}
	delete(sections, "secrets")
	for name, options := range v.Config {
		var lines []string
		for _, option := range slices.Sorted(maps.Keys(options)) {
			lines = append(lines, option+" = "+options[option])
		}
		sections[name] = strings.Join(lines, "\n")
	}
	var text []string
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		text = append(text, fmt.Sprintf("[%s]\n%s", name, sections[name]))
	}
	found.Data["airflow.cfg"] = strings.Join(text, "\n\n")
	return found
}

func readChart(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pods.Dir(), "charts", file))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPage holds the page to what it promises: one annotation is all that is added. And it holds what becomes of its values
// here to what the chart itself has made of those of user A.
func TestPage(t *testing.T) {
	page := readPage(t)
	for _, u := range users() {
		before, after := page.values(t, u.name+" before"), page.values(t, u.name+" after")
		before.AirflowPodAnnotations = map[string]string{"airflow-secrets/inject": "true"}
		if !equalJSON(t, before, after) {
			t.Errorf("the values of %s after are not those before with the one annotation", u.name)
		}
	}
	after := page.values(t, "userA after")
	for _, file := range []string{"userA-podtemplate-af-config.json", "userA-deployment-af-scheduler.json"} {
		var rendered corev1.Pod
		readChart(t, file, &rendered)
		if made := after.pod(t, file); !equalJSON(t, made, rendered) {
			t.Errorf("%s is another pod with the values of docs/migration.md", file)
		}
	}
	var rendered corev1.ConfigMap
	readChart(t, chartConfigMap, &rendered)
	if made := after.configMap(t).Data["airflow.cfg"]; made != rendered.Data["airflow.cfg"] {
		t.Errorf("airflow.cfg is\n%s\nexpected\n%s", made, rendered.Data["airflow.cfg"])
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(b)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return string(one) == string(other)
}
