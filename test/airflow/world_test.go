package airflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// world is what a user has around the pod: an AWS account with secrets in it, and a namespace of Kubernetes. Containers
// run as processes of this machine, with the environment and the files that the kubelet would give them; only the paths of
// the files are moved below a folder.
type world struct {
	user
	values  map[string]chart // before and after
	aws     *fakeaws.Server
	account *fakeaws.Account
	url     string
	secrets corpus.Corpus
	wanted  map[string]bool // names of the secrets that may be read
	objects kubelet.Objects
	role    string // its ARN, where the pod has one
	// defaults are those of the cluster.
	defaults injector.Defaults
}

// chart is what becomes of a chart's values in one of its pods, of which file is another form.
type chart interface {
	Pod(file string) (*corev1.Pod, error)
}

// newWorld has the objects of testdata/users in its namespace, and more.
func newWorld(t *testing.T, u user, values map[string]chart, more ...[]byte) *world {
	t.Helper()
	w := &world{user: u, values: values, aws: fakeaws.New(), wanted: map[string]bool{}}
	w.account = w.aws.Account("111122223333")
	server := httptest.NewServer(w.aws)
	t.Cleanup(server.Close)
	w.url = server.URL
	for _, text := range append(more, readFile(t, "testdata/users/objects.yaml")) {
		if err := w.objects.Add(text); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// fill puts the user's secrets into the account, and others near them.
func (w *world) fill() {
	w.secrets = userSecrets(w.wants)
	w.put("airflow/connections/", w.secrets.Connections)
	w.put("airflow/variables/", w.secrets.Variables)
	for _, name := range []string{"airflow/connections", "airflow/connections-old/aws_neighbour", "airflow/config/aws_neighbour", "aws_neighbour", "team-b/connections/aws_neighbour"} {
		w.account.Put(region, fakeaws.Secret{Name: name, String: "postgres://neighbour"})
	}
}

func (w *world) put(prefix string, secrets []corpus.Secret) {
	for _, s := range secrets {
		w.account.Put(region, fakeaws.Secret{Name: prefix + s.Name, String: s.Text(), Binary: s.Bytes(), State: fakeaws.State(s.State)})
		if w.wants(s.Name) && s.State != string(fakeaws.BeingDeleted) { // which a list tells, so that it is not read
			w.wanted[prefix+s.Name] = true
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// giveKeys makes the access key that is in testdata/users/objects.yaml.
func (w *world) giveKeys(documents ...string) {
	w.account.KeysWith("AKIAIOSFODNN7EXAMPLE", documents...)
}

// giveRole makes the role of the pod's service account.
func (w *world) giveRole(documents ...string) {
	w.role = w.account.Role(fakeaws.Role{Name: "airflow", Audience: "sts.amazonaws.com", Policies: documents})
}

// pod is one of the chart's pods by the user's values, before or after, as the API server gives it to the webhooks that come
// behind EKS's own. It finds AWS at another address.
func (w *world) pod(t *testing.T, chart, when string) *corev1.Pod {
	t.Helper()
	pod := must(w.values[when].Pod(chart))(t)
	pod.Name = pod.GenerateName + "0"
	for c := range migration.ContainersOf(pod) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "AWS_ENDPOINT_URL", Value: w.url})
	}
	if w.role != "" {
		migration.AdmitRole(pod, w.role, region)
	}
	return pod
}

// annotated is the user's pod after, with more annotations.
func (w *world) annotated(t *testing.T, more map[string]string) *corev1.Pod {
	t.Helper()
	pod := w.pod(t, w.chart, "after")
	maps.Copy(pod.Annotations, more)
	return pod
}

// decide is the webhook's answer.
func (w *world) decide(t *testing.T, pod *corev1.Pod) injector.Decision {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	in := injector.Injector{FetcherImage: pods.Image, Defaults: w.defaults}
	return in.Decide(text, pod.Namespace)
}

// inject does what the API server does with the webhook's answer.
func (w *world) inject(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	before, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	decision := w.decide(t, pod)
	if decision.Code != contract.Injected {
		t.Fatalf("the pod is not injected: %s: %s", decision.Code, decision.Message)
	}
	operations, err := json.Marshal(decision.Operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(before)
	if err != nil {
		t.Fatal(err)
	}
	patched := new(corev1.Pod)
	if err := json.Unmarshal(after, patched); err != nil {
		t.Fatal(err)
	}
	return patched
}

// fetch runs our init container and gives the folder that it fills, and its last word. The record of calls is then of
// this run.
func (w *world) fetch(ctx context.Context, t *testing.T, program string, pod *corev1.Pod) (folder, said string) {
	t.Helper()
	w.aws.Forget()
	root := t.TempDir()
	command := exec.CommandContext(ctx, program)
	command.Env, _ = w.see(t, pod, contract.ContainerName, root)
	var stderr strings.Builder
	command.Stderr = &stderr
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return root + contract.Directory, stderr.String()
}

// mustFetch is fetch of a run that succeeds.
func (w *world) mustFetch(ctx context.Context, t *testing.T, program string, pod *corev1.Pod) string {
	t.Helper()
	folder, said := w.fetch(ctx, t, program, pod)
	if !strings.HasPrefix(said, string(contract.Fetched)+":") {
		t.Fatalf("the fetcher said %q", said)
	}
	return folder
}

// environ is the environment of a container of Airflow's, with its files below root: airflow.cfg is found by a variable of
// its own, since the home folder is another one in each run.
func (w *world) environ(t *testing.T, pod *corev1.Pod, root string) []string {
	t.Helper()
	const config = "/opt/airflow/airflow.cfg"
	environ, files := w.see(t, pod, w.container, root)
	if _, ok := files[config]; ok {
		environ = append(environ, "AIRFLOW_CONFIG="+root+config)
	}
	return environ
}

// see puts the files that the kubelet would give a container below root, and gives its environment, in which the paths are
// moved there, too.
func (w *world) see(t *testing.T, pod *corev1.Pod, container, root string) (environ []string, files map[string][]byte) {
	t.Helper()
	view, err := kubelet.ViewOf(pod, container, w.objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, unknown := range view.Unknown {
		if unknown.Name == migration.TokenFile {
			view.Files[migration.TokenFile] = token(pod)
		}
	}
	for name, content := range view.Files {
		if err := os.MkdirAll(filepath.Dir(root+name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	moved := strings.NewReplacer("/var/run/secrets/", root+"/var/run/secrets/", "/opt/airflow/", root+"/opt/airflow/")
	for _, variable := range view.Environ() {
		environ = append(environ, moved.Replace(variable))
	}
	return environ, view.Files
}

// token is one of the pod's service account.
func token(pod *corev1.Pod) []byte {
	claims := fmt.Sprintf(`{"sub": "system:serviceaccount:%s:%s", "aud": ["sts.amazonaws.com"], "iss": "https://oidc.eks.example.com"}`,
		pod.Namespace, pod.Spec.ServiceAccountName)
	return []byte("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln")
}
