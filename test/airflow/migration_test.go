package airflow

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/migration"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// page is docs/migration.md, each block of which is there for a test.
type page struct{ *migration.Page }

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

func readPage(t *testing.T) *page {
	t.Helper()
	p := &page{must(migration.Read())(t)}
	for _, name := range p.Names() {
		if !slices.Contains(blockNames(), name) {
			t.Errorf("docs/migration.md has a block %q that no test uses", name)
		}
	}
	return p
}

// must gives what a function has made, or fails the test with its error.
func must[T any](made T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
}

// block gives a block that the page must have.
func (p *page) block(t *testing.T, name string) string {
	t.Helper()
	return must(p.Block(name))(t)
}

// values reads a block of the official chart's values. What is not among those that we know how to follow is an error.
func (p *page) values(t *testing.T, name string) (v migration.Official) {
	t.Helper()
	p.read(t, name, &v)
	return v
}

// community reads a block of the community chart's values in the same way.
func (p *page) community(t *testing.T, name string) (v migration.Community) {
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
	if err := p.Decode(name, into); err != nil {
		t.Fatal(err)
	}
}

// statement is the one that saves calls, on one line.
func (p *page) statement(t *testing.T) string {
	t.Helper()
	return must(p.Statement())(t)
}

// world is that of a user of the page.
func (p *page) world(t *testing.T, u user) *world {
	t.Helper()
	var more [][]byte
	if name := u.name + " objects"; slices.Contains(p.Names(), name) {
		more = append(more, []byte(p.block(t, name)))
	}
	return chartWorld(t, u, p.values(t, u.name+" before"), p.values(t, u.name+" after"), more...)
}

// chartWorld has the ConfigMap that the chart makes of the values, and more objects.
func chartWorld(t *testing.T, u user, before, after migration.Official, more ...[]byte) *world {
	t.Helper()
	config, err := json.Marshal(must(after.ConfigMap())(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, u, map[string]chart{"before": before, "after": after}, append(more, config)...)
	w.fill()
	return w
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
		if made := must(after.Pod(file))(t); !equalJSON(t, made, rendered) {
			t.Errorf("%s is another pod with the values of docs/migration.md", file)
		}
	}
	var rendered corev1.ConfigMap
	readChart(t, "userA-configmap-af-config.json", &rendered)
	if made := must(after.ConfigMap())(t).Data["airflow.cfg"]; made != rendered.Data["airflow.cfg"] {
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
