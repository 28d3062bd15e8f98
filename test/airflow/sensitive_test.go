package airflow

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// optionValues are texts that a file, a command or Airflow might change, by ids that a command line might.
func optionValues() map[string]string {
	return map[string]string{
		"plain":              "hunter2",
		"ends/in/newline":    "hunter2\n",
		"newlines":           "\r\n\nhunter2\n\r\n",
		"spaces":             "  hunter2\t ",
		"space-only":         " \n",
		"pem":                "-----BEGIN PRIVATE KEY-----\r\nMIIEvQ==\r\n-----END PRIVATE KEY-----\r\n",
		"quotes":             `"double" 'single' ` + "`id` \\ \\n",
		"percent":            "100% %(here)s %% %40",
		"variables":          "$HOME ${HOME} $(id) ~ ~root",
		"unicode":            "größe\u00a0☃ 😀\ufeff",
		"controls":           "\x01\x1b[0m\x7f\u0085",
		"json":               `{"a": [1, 2.50], "b": null}` + "\n",
		"largest":            strings.Repeat("0123456789abcde\n", 65536/16),
		"uri":                "db+postgresql://app:p%40ss%2Fw@db:5432/airflow?sslmode=require",
		"old-uri":            "postgres://app:hunter2@db/airflow",
		"=a+b=c@d.e_f-g--h=": "hunter2",
	}
}

// ourOwn are options of Airflow's that nobody may take from a secret: they tell LocalFilesystemBackend where our files are.
var ourOwn = []string{"secrets.backend_kwargs", "workers.secrets_backend_kwargs"}

// Every option that Airflow takes from a command is one that can be delivered, and it gets every value as it is in AWS, as it
// does natively from SecretsManagerBackend.
func TestSensitiveOptions(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	s := newOptionStore(t)
	program := buildFetcher(ctx, t)
	var ours, natively []optionRun
	for shift := range len(optionValues()) {
		ours = append(ours, s.deliver(ctx, t, program, shift)...)
		natively = append(natively, s.nativeRuns(shift)...)
	}
	known := map[string]bool{}
	for _, v := range chosenVersions(t) {
		t.Run(v.Name, func(t *testing.T) {
			sensitive, got := v.options(ctx, t, nil, ours)
			_, native := v.options(ctx, t, s.nativeEnviron(), natively)
			for i := range sensitive {
				compareOptions(t, sensitive[i], ours, got[i], native[i])
				maps.Copy(known, sensitive[i])
			}
		})
	}
	for _, name := range contract.OptionNames() {
		if !known[name] && *chosen == "all" {
			t.Errorf("%s can be delivered, and no version of Airflow takes it from a command", name)
		}
	}
}

// compareOptions holds what one parser gave to what is in AWS, and to what it gave natively.
func compareOptions(t *testing.T, sensitive map[string]bool, runs []optionRun, got, native []map[string]string) {
	t.Helper()
	for name := range sensitive {
		if _, ok := contract.FindOption(name); ok == slices.Contains(ourOwn, name) {
			t.Errorf("%s: Airflow takes it from a command; that it can be delivered is %t", name, ok)
		}
	}
	same := map[string]int{}
	for i, run := range runs {
		name := run.Options[0]
		switch want := hex.EncodeToString([]byte(run.value)); {
		case !sensitive[name]:
		case got[i][name] != want || native[i][name] != want:
			t.Errorf("%s: the value %.40q came as %.80s, and natively as %.80s, expected %.80s", name, run.value, got[i][name], native[i][name], want)
		default:
			same[name]++
		}
	}
	for name := range sensitive {
		if n := same[name]; n != len(optionValues()) && !slices.Contains(ourOwn, name) {
			t.Errorf("%s had %d values right, expected %d", name, n, len(optionValues()))
		}
	}
	t.Logf("%d options with %d values each: %v", len(same), len(optionValues()), slices.Sorted(maps.Keys(same)))
}

// optionRun is one environment, and the options that Airflow is asked for in it.
type optionRun struct {
	Env     map[string]string `json:"env"`
	Options []string          `json:"options"`
	value   string            // the one that the option should have
}

// options asks one process of Airflow for many environments. It gives the options that each of its parsers takes from
// commands, and what it found in each environment.
func (v version) options(ctx context.Context, t *testing.T, environ []string, runs []optionRun) (sensitive []map[string]bool, got [][]map[string]string) {
	t.Helper()
	folder := t.TempDir()
	jobFile, answerFile := filepath.Join(folder, "job.jsonl"), filepath.Join(folder, "answers.jsonl")
	var job strings.Builder
	encoder := json.NewEncoder(&job)
	for _, run := range runs {
		if err := encoder.Encode(run); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(jobFile, []byte(job.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Run(ctx, v.install(ctx, t), environ, "sensitive_reader.py", jobFile, answerFile); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(readFile(t, answerFile))))
	for line := range 1 + len(runs) {
		var answers []map[string]string
		if err := decoder.Decode(&answers); err != nil {
			t.Fatalf("reading what Airflow answers: %v", err)
		}
		for parser, answer := range answers {
			if line > 0 {
				got[parser] = append(got[parser], answer)
				continue
			}
			names := map[string]bool{}
			for name := range answer {
				names[name] = true
			}
			sensitive, got = append(sensitive, names), append(got, nil)
		}
	}
	return sensitive, got
}

// optionStore is an AWS account with the values.
type optionStore struct{ worker.Store }

func newOptionStore(t *testing.T) optionStore {
	t.Helper()
	aws := fakeaws.New()
	account := aws.Account("111122223333")
	for id, text := range optionValues() {
		account.Put(region, fakeaws.Secret{Name: "airflow/config/" + id, String: text})
	}
	server := httptest.NewServer(aws)
	t.Cleanup(server.Close)
	return optionStore{worker.Store{URL: server.URL, Region: region, Keys: account.Keys("AKIAIOSFODNN7EXAMPLE"), ConnectionsPrefix: connectionsPrefix, VariablesPrefix: variablesPrefix}}
}

// shifted gives each option the id of another value for each shift.
func shifted(shift int) map[string]string {
	all := slices.Sorted(maps.Keys(optionValues()))
	ids := map[string]string{}
	for i, name := range contract.OptionNames() {
		ids[name] = all[(i+shift)%len(all)]
	}
	return ids
}

// deliver has a worker injected that asks for all options by the annotation, runs its init container, and gives a run for
// each option with nothing of the others.
func (s optionStore) deliver(ctx context.Context, t *testing.T, program string, shift int) (runs []optionRun) {
	t.Helper()
	var config []string
	env := []corev1.EnvVar{{Name: "AWS_ACCESS_KEY_ID", Value: s.Keys.ID}, {Name: "AWS_SECRET_ACCESS_KEY", Value: s.Keys.Secret}}
	for name, id := range shifted(shift) {
		config = append(config, name+"="+id)
		for _, loser := range []string{"", "_CMD", "_SECRET"} {
			env = append(env, corev1.EnvVar{Name: variableOf(name) + loser, Value: "true"})
		}
	}
	pod := injectWorker(t, map[string]string{"config": strings.Join(config, ", "), "region": s.Region, "endpoint-url": s.URL}, env, nil)
	folder := filepath.Join(t.TempDir(), "airflow")
	move := func(environ map[string]string) map[string]string {
		for name, value := range environ {
			environ[name] = strings.ReplaceAll(value, contract.Directory, folder)
		}
		return environ
	}
	command := exec.CommandContext(ctx, program)
	command.Env = environOf(move(viewOf(t, pod, contract.ContainerName, kubelet.Objects{})))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("running the fetcher: %v\n%s", err, output)
	}
	environ := move(viewOf(t, pod, "worker", kubelet.Objects{}))
	for _, name := range contract.OptionNames() {
		run := optionRun{Env: maps.Clone(environ), Options: []string{name}, value: optionValues()[shifted(shift)[name]]}
		maps.DeleteFunc(run.Env, func(variable, _ string) bool {
			return strings.HasPrefix(variable, "AWS_") || isOfAnother(variable, name)
		})
		runs = append(runs, run)
	}
	return runs
}

// isOfAnother is true of variables that set another option than the one of the name. Airflow knows some by two names.
func isOfAnother(variable, name string) bool {
	return slices.ContainsFunc(contract.OptionNames(), func(other string) bool {
		return other != name && slices.Contains([]string{variableOf(other), variableOf(other) + "_CMD", variableOf(other) + "_SECRET"}, variable)
	})
}

func (s optionStore) nativeRuns(shift int) (runs []optionRun) {
	environ := map[string]string{}
	for _, variable := range s.nativeEnviron() {
		name, value, _ := strings.Cut(variable, "=")
		environ[name] = value
	}
	for _, name := range contract.OptionNames() {
		run := optionRun{Env: maps.Clone(environ), Options: []string{name}}
		run.Env[variableOf(name)+"_SECRET"] = shifted(shift)[name]
		runs = append(runs, run)
	}
	return runs
}

func (s optionStore) nativeEnviron() []string {
	environ, err := s.NativeEnviron()
	if err != nil {
		panic(err) // there are no kwargs that JSON cannot say
	}
	return environ
}

// variableOf sets an option.
func variableOf(name string) string {
	return "AIRFLOW__" + strings.ToUpper(strings.Replace(name, ".", "__", 1))
}

// injectWorker makes the pod that our webhook would make of a worker.
func injectWorker(t *testing.T, annotations map[string]string, env []corev1.EnvVar, from []corev1.EnvFromSource) *corev1.Pod {
	t.Helper()
	before, d := decideWorker(t, annotations, env, from)
	if d.Code != contract.Injected {
		t.Fatalf("the worker's pod is not injected: %s: %s", d.Code, d.Message)
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(pods.Apply(t, before, d), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

func decideWorker(t *testing.T, annotations map[string]string, env []corev1.EnvVar, from []corev1.EnvFromSource) (pod []byte, d injector.Decision) {
	t.Helper()
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "worker-0", Namespace: "airflow", Annotations: map[string]string{"airflow-secrets/inject": "true"}}}
	for key, value := range annotations {
		p.Annotations["airflow-secrets/"+key] = value
	}
	p.Spec.Containers = []corev1.Container{{Name: "worker", Image: "apache/airflow", Env: env, EnvFrom: from}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return text, (&injector.Injector{FetcherImage: pods.Image}).Decide(text, p.Namespace)
}

func viewOf(t *testing.T, pod *corev1.Pod, container string, objects kubelet.Objects) map[string]string {
	t.Helper()
	view, err := kubelet.ViewOf(pod, container, objects)
	if err != nil {
		t.Fatal(err)
	}
	return view.Env
}

func environOf(variables map[string]string) []string { return kubelet.View{Env: variables}.Environ() }
