package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// examplesDir has values for Airflow's charts, by which chart they are for (official-, community-), and for ours (webhook-).
const examplesDir = root + "/manifests/examples"

// airflowCharts has the charts to render the examples by anew: with -update what they render is kept in testdata/airflow.
var airflowCharts = flag.String("airflow-charts", "", "a folder with Airflow's charts, unpacked: official/ and community/")

// example is values for one of Airflow's charts, and which of the pods that the chart makes of them are to get secrets. All
// others are to be left as they are.
type example struct {
	name     string
	injected []string // KIND-NAME of a release "af"
	alone    []string // asked for, and left alone: nothing in them runs Airflow
	keys     bool     // the AWS identity is access keys: otherwise each pod's service account has a role
}

var examples = []example{
	{name: "official-one-account", injected: []string{"deployment-af-api-server", "deployment-af-dag-processor", "deployment-af-scheduler", "statefulset-af-triggerer",
		"job-af-create-user", "job-af-run-airflow-migrations", "podtemplate-af-config"}},
	{name: "official-by-component", injected: []string{"deployment-af-dag-processor", "deployment-af-scheduler", "statefulset-af-triggerer", "statefulset-af-worker"}},
	{name: "official-access-keys", keys: true, injected: []string{"deployment-af-api-server", "deployment-af-dag-processor", "deployment-af-scheduler", "statefulset-af-triggerer",
		"statefulset-af-worker", "job-af-create-user", "job-af-run-airflow-migrations"}},
	{name: "official-keys-for-us-alone", keys: true, injected: []string{"deployment-af-api-server", "deployment-af-dag-processor", "deployment-af-scheduler", "statefulset-af-triggerer",
		"job-af-create-user", "job-af-run-airflow-migrations", "podtemplate-af-config"}},
	{name: "community-shared-account", injected: []string{"deployment-af-db-migrations", "deployment-af-flower", "deployment-af-scheduler", "deployment-af-sync-users",
		"deployment-af-triggerer", "deployment-af-web", "statefulset-af-worker"}, alone: []string{"deployment-af-pgbouncer"}},
	{name: "community-task-pods", injected: []string{"deployment-af-db-migrations", "deployment-af-scheduler", "deployment-af-sync-users", "deployment-af-triggerer",
		"deployment-af-web", "podtemplate-af-pod-template"}, alone: []string{"deployment-af-pgbouncer"}},
}

// rendered are the pods that a chart has made of an example, as testdata/airflow keeps them. Of the charts' own text nothing
// is in them: no command, no argument, no probe.
type rendered struct {
	Values string                `json:"values"` // SHA-256 of the example
	Chart  string                `json:"chart"`  // its version
	Roles  map[string]string     `json:"roles"`  // service account → its role by IRSA
	Pods   map[string]corev1.Pod `json:"pods"`   // KIND-NAME → pod
}

// TestExamples puts each pod that the real charts have made of an example through the injector.
func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			if *airflowCharts != "" {
				e.renderAnew(t)
			}
			outcomes := map[contract.Code][]string{}
			kept := e.rendered(t)
			for name, pod := range kept.Pods {
				decision := decide(t, pod)
				outcomes[decision.Code] = append(outcomes[decision.Code], name)
				if !decision.Allowed() || len(decision.Warnings) > 0 {
					t.Errorf("%s: %s %v", name, decision.Message, decision.Warnings)
				}
				if decision.Code == contract.Injected && kept.Roles[pod.Spec.ServiceAccountName] == "" && !e.keys {
					t.Errorf("%s is injected, and its service account %q has no role", name, pod.Spec.ServiceAccountName)
				}
			}
			expectNames(t, "injected", outcomes[contract.Injected], e.injected)
			expectNames(t, "left alone", outcomes[contract.SideContainersOnly], e.alone)
		})
	}
}

func decide(t *testing.T, pod corev1.Pod) injector.Decision {
	t.Helper()
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return (&injector.Injector{FetcherImage: "fetcher:1"}).Decide(raw, "airflow")
}

func expectNames(t *testing.T, what string, is, should []string) {
	t.Helper()
	slices.Sort(is)
	should = slices.Sorted(slices.Values(should))
	if !slices.Equal(is, should) {
		t.Errorf("%s are %v, expected %v", what, is, should)
	}
}

func (e example) values() string { return filepath.Join(examplesDir, e.name+".yaml") }

func (e example) checksum(t *testing.T) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, e.values())))
	return hex.EncodeToString(sum[:])
}

// rendered reads what was kept, which must be of the example as it is now.
func (e example) rendered(t *testing.T) (r rendered) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, e.kept())), &r); err != nil {
		t.Fatal(err)
	}
	if r.Values != e.checksum(t) {
		t.Fatalf("%s was changed after it was rendered: go test ./test/manifests -run TestExamples -update -airflow-charts DIR", e.values())
	}
	return r
}

func (e example) kept() string { return filepath.Join("testdata", "airflow", e.name+".json") }

// TestExamplesAreComplete wants each example tested, and those for our own chart to be values that it takes.
func TestExamplesAreComplete(t *testing.T) {
	files, err := filepath.Glob(examplesDir + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, e := range examples {
		known[e.values()] = true
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "webhook-") {
			if maps.Equal(plain(t, render(t)), plain(t, render(t, "--values", file))) {
				t.Errorf("%s changes nothing", file)
			}
		} else if !known[file] {
			t.Errorf("%s is not tested", file)
		}
	}
	if _, err := os.Stat(examplesDir + "/webhook-defaults.yaml"); err != nil {
		t.Error(err)
	}
	if defaults := defaultsOf(t, render(t, "--values", examplesDir+"/webhook-defaults.yaml")); accepts(t, defaults, "airflow-secrets/image") {
		t.Error("webhook-defaults.yaml locks nothing")
	}
}
