package airflow

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// user is a team on SecretsManagerBackend that adds one annotation, as docs/migration.md tells it.
type user struct {
	name string
	// chart is the pod of the chart that the values of the page go into, and container the one that runs tasks. Another pod
	// of the chart gets the same.
	chart, container, another string
	// identify gives the pod its AWS identity, which may do what the policy allows.
	identify func(w *world, policies ...string)
	// wants says whether an id is looked up at AWS at all.
	wants func(id string) bool
}

func users() []user {
	isAWS := func(id string) bool { return strings.HasPrefix(strings.ToLower(id), "aws_") }
	return []user{
		{"userA", "userA-podtemplate-af-config.json", "base", "userA-deployment-af-scheduler.json", (*world).giveRole, func(string) bool { return true }},
		{"userC", "official-statefulset-af-worker.json", "worker", "official-deployment-af-scheduler.json", (*world).giveKeys, isAWS},
	}
}

// Users A and C go on with their kwargs, their identity and their policy, and Airflow gets what it got before.
func TestUsers(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, page := buildFetcher(ctx, t), readPage(t)
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			w := page.world(t, u)
			policy := page.block(t, u.name+" policy")
			w.identify(w, policy)
			before, after := w.pod(t, u.chart, "before"), w.inject(t, w.pod(t, u.chart, "after"))
			folder := w.mustFetch(ctx, t, program, after)
			report := readReport(t, folder)
			checkReport(t, w.secrets, folder, report)
			w.checkCalls(t, 1)
			checkAdvice(t, page, report)
			for _, v := range chosenVersions(t) {
				t.Run(v.Name, func(t *testing.T) { w.compare(ctx, t, v, before, after, folder) })
			}
			t.Run("another pod", func(t *testing.T) { w.checkAnother(ctx, t, program, folder) })
			t.Run("read by single calls", func(t *testing.T) { w.checkSingle(ctx, t, program, page, folder) })
			w.identify(w, policy, `{"Version": "2012-10-17", "Statement": [`+page.statement(t)+`]}`)
			t.Run("with the statement that saves calls", func(t *testing.T) { w.checkBatches(ctx, t, program, folder) })
		})
	}
	t.Run("other kwargs", func(t *testing.T) { checkOtherKwargs(ctx, t, program, page) })
	t.Run("without ListSecrets", func(t *testing.T) { checkWithoutList(ctx, t, program, page) })
}

// compare looks everything up in a version, in the container as it was and as it has become with the folder that was
// filled for it.
func (w *world) compare(ctx context.Context, t *testing.T, v version, before, after *corev1.Pod, folder string) {
	t.Helper()
	root := strings.TrimSuffix(folder, contract.Directory)
	python := v.install(ctx, t)
	all := []step{{Connections: append(names(w.secrets.Connections), neighbourIDs...), Variables: append(names(w.secrets.Variables), neighbourIDs...)}}
	native := v.read(ctx, t, python, w.environ(t, before, root), job{Backend: "SecretsManagerBackend", Steps: all})
	w.checkRaised(t, native)
	w.aws.Forget()
	all[0].Whole = true
	files := v.read(ctx, t, python, w.environ(t, after, root), job{Backend: "LocalFilesystemBackend", Steps: all})
	if calls := w.aws.Requests(); len(calls) > 0 {
		t.Errorf("Airflow has made %d calls to AWS, %s first, expected none", len(calls), calls[0].Operation)
	}
	compare(t, v, native, files, newDifferences(w.secrets, readReport(t, folder)))
}

// raising are the secrets at whose look-up SecretsManagerBackend raises, by how their ids end: Airflow logs that and goes on
// to the next place. Our files do not have them, so that Airflow goes on there, too. It is the only difference.
func raising() map[string]string {
	return map[string]string{
		"denied":         "a policy denies it, as the report says",
		"malformed-uri":  "Airflow cannot take it apart, as the report says",
		"malformed-json": "it is no JSON, as the report says",
	}
}

// checkRaised holds what SecretsManagerBackend raises for against that.
func (w *world) checkRaised(t *testing.T, native []found) {
	t.Helper()
	known, met := raising(), map[string]int{}
	for _, f := range native {
		if f.Chain != "backend" || f.Outcome.Absent == "" {
			continue
		}
		found := slices.DeleteFunc(slices.Collect(maps.Keys(known)), func(end string) bool { return !strings.HasSuffix(f.ID, end) })
		if len(found) != 1 || !w.wants(f.ID) {
			t.Errorf("SecretsManagerBackend raises %s for %s %s, expected a value or none", f.Outcome.Absent, f.Kind, f.ID)
			continue
		}
		met[found[0]+": SecretsManagerBackend raises "+f.Outcome.Absent+", our files have none: "+known[found[0]]]++
	}
	for _, what := range slices.Sorted(maps.Keys(met)) {
		t.Logf("%3d differences allowed: %s", met[what], what)
	}
	if len(met) != len(known) {
		t.Errorf("%d kinds of secrets make SecretsManagerBackend raise, expected %d", len(met), len(known))
	}
}

// checkCalls holds the calls of a run to what the policies and the kwargs allow: a denied batch is asked for so often at
// most, and nothing is read but what is looked up.
func (w *world) checkCalls(t *testing.T, batches int) {
	t.Helper()
	if n := w.aws.Calls("BatchGetSecretValue"); n > batches {
		t.Errorf("BatchGetSecretValue was asked for %d times, expected %d at most", n, batches)
	}
	reads := 0
	for _, r := range w.aws.Requests() {
		for _, id := range r.SecretIDs {
			reads++
			if name := nameOf(id); !w.wanted[name] {
				t.Errorf("%s asked for %s, which Airflow never looks up", r.Operation, name)
			}
		}
	}
	if reads < len(w.wanted) {
		t.Errorf("%d secrets were read, expected %d or more", reads, len(w.wanted))
	}
	t.Logf("calls: ListSecrets %d, BatchGetSecretValue %d, GetSecretValue %d", w.aws.Calls("ListSecrets"), w.aws.Calls("BatchGetSecretValue"), w.aws.Calls("GetSecretValue"))
}

// nameOf is the name in a secret's ARN, without the six characters behind it.
func nameOf(id string) string {
	_, name, isARN := strings.Cut(id, ":secret:")
	if !isARN {
		return id
	}
	return name[:strings.LastIndex(name, "-")]
}

// checkAdvice wants the report to name the statement that saves calls, as the page has it.
func checkAdvice(t *testing.T, page *page, report contract.Report) {
	t.Helper()
	if statement := page.statement(t); !slices.ContainsFunc(report.Warnings, func(s string) bool { return strings.Contains(s, statement) }) {
		t.Errorf("the warnings are %q, expected one with %s", report.Warnings, statement)
	}
}

// checkAnother gives another of the chart's pods the same files.
func (w *world) checkAnother(ctx context.Context, t *testing.T, program, expected string) {
	t.Helper()
	folder := w.mustFetch(ctx, t, program, w.inject(t, w.pod(t, w.another, "after")))
	checkSameFiles(t, folder, expected)
}

// checkSingle wants no batch where the annotation of the page says so, and the same files.
func (w *world) checkSingle(ctx context.Context, t *testing.T, program string, page *page, expected string) {
	t.Helper()
	folder := w.mustFetch(ctx, t, program, w.inject(t, w.annotated(t, page.annotations(t, "annotations that save the refused call"))))
	w.checkCalls(t, 0)
	checkSameFiles(t, folder, expected)
	if report := readReport(t, folder); len(report.Warnings) > 0 {
		t.Errorf("the warnings are %q, expected none", report.Warnings)
	}
}

// checkBatches is for a policy that has the statement of the page as well. The files are the same, and the calls are fewer.
func (w *world) checkBatches(ctx context.Context, t *testing.T, program, expected string) {
	t.Helper()
	folder := w.mustFetch(ctx, t, program, w.inject(t, w.pod(t, w.chart, "after")))
	checkSameFiles(t, folder, expected)
	if report := readReport(t, folder); len(report.Warnings) > 0 {
		t.Errorf("the warnings are %q, expected none", report.Warnings)
	}
	batches, single := w.aws.Calls("BatchGetSecretValue"), w.aws.Calls("GetSecretValue")
	if most := (len(w.wanted) + 19) / 20; batches > most || single > 0 {
		t.Errorf("%d secrets took %d batches and %d calls of their own, expected %d batches at most", len(w.wanted), batches, single, most)
	}
}

func checkSameFiles(t *testing.T, folder, expected string) {
	t.Helper()
	for _, name := range []string{contract.ConnectionsFile, contract.VariablesFile} {
		got, err := os.ReadFile(filepath.Join(folder, name))
		want, err2 := os.ReadFile(filepath.Join(expected, name))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is another one", name)
		}
	}
}

// checkOtherKwargs has others in airflow.cfg: those of the page for user A say what is built in as well.
func checkOtherKwargs(ctx context.Context, t *testing.T, program string, page *page) {
	t.Helper()
	u, after := users()[0], page.values(t, "userA after")
	after.Config["secrets"]["backend_kwargs"] = `{"connections_prefix": "airflow/connections-old", "variables_prefix": null}`
	w := chartWorld(t, u, after, after)
	w.identify(w, page.block(t, "userA policy"))
	report := readReport(t, w.mustFetch(ctx, t, program, w.inject(t, w.pod(t, u.chart, "after"))))
	if c := report.Connections; len(c) != 1 || c[0].ID != "aws_neighbour" || len(report.Variables) > 0 {
		t.Errorf("the connections %v and %d variables are delivered, expected aws_neighbour alone", c, len(report.Variables))
	}
}

// checkWithoutList has a policy that was enough for the native backend and does not allow to list. By prefix nothing can be
// found, which is said with both ways out, and the ids of the page are delivered.
func checkWithoutList(ctx context.Context, t *testing.T, program string, page *page) {
	t.Helper()
	w := page.world(t, users()[1])
	w.identify(w, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:*"}]}`)
	_, said := w.fetch(ctx, t, program, w.inject(t, w.annotated(t, nil)))
	for _, part := range []string{string(contract.AccessDenied) + ":", "secretsmanager:ListSecrets", "airflow-secrets/connections", "airflow-secrets/variables"} {
		if !strings.Contains(said, part) {
			t.Errorf("the fetcher said %q, expected it to name %s", said, part)
		}
	}
	ids := page.annotations(t, "annotations without ListSecrets")
	report := readReport(t, w.mustFetch(ctx, t, program, w.inject(t, w.annotated(t, ids))))
	for key, delivered := range map[string][]contract.Delivered{"connections": report.Connections, "variables": report.Variables} {
		var got []string
		for _, d := range delivered {
			got = append(got, d.ID)
		}
		want := strings.Split(ids["airflow-secrets/"+key], ",")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the %s %q are delivered, expected %q", key, got, want)
		}
	}
	if n := w.aws.Calls("ListSecrets"); n > 0 {
		t.Errorf("ListSecrets was called %d times, expected not at all where ids are named", n)
	}
}

func buildFetcher(ctx context.Context, t *testing.T) string {
	t.Helper()
	program, err := worker.BuildFetcher(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// neighbourIDs are ids of secrets that are near the user's prefixes, or nowhere.
var neighbourIDs = []string{"neighbour", "aws_neighbour", "aws_nowhere", "AWS_GOOD-URI"}

// userSecrets are what a user has, good and bad, under every kind of id: those of a user with a pattern, and others.
func userSecrets(wants func(id string) bool) corpus.Corpus {
	var all corpus.Corpus
	for _, prefix := range []string{"", "aws_", "AWS_upper_", "my_aws_", "aws_/deep/"} {
		for _, s := range userConnections() {
			all.Connections = append(all.Connections, named(s, prefix, wants))
		}
		for _, s := range userVariables() {
			all.Variables = append(all.Variables, named(s, prefix, wants))
		}
	}
	return all
}

// named gives a secret its name. Of one that nobody looks up nothing is reported.
func named(s corpus.Secret, prefix string, wants func(id string) bool) corpus.Secret {
	s.Name = prefix + s.Name
	if !wants(s.Name) {
		s.LeftOut = corpus.Unlisted
	}
	return s
}

func userConnections() []corpus.Secret {
	return append([]corpus.Secret{
		{Name: "good-uri", Value: "postgres://app:p%40ss%2Fw@db.example.com:5432/orders?sslmode=require"},
		{Name: "good-json", Value: `{"conn_type": "mysql", "login": "app", "password": "hunter2", "port": "3306", "extra": {"a": 1.10}}`},
		{Name: "rds", Value: `{"username": "app", "password": "hunter2", "engine": "postgres", "host": "db", "port": 5432, "dbInstanceIdentifier": "x"}`},
		{Name: "malformed-uri", Value: "postgres://app:hunter2/@db:5432/orders", LeftOut: string(contract.SecretMalformed)},
		{Name: "malformed-json", Value: `{"login": "app", "password": "hunter2"`, LeftOut: string(contract.SecretMalformed)},
	}, badStates()...)
}

func userVariables() []corpus.Secret {
	return append([]corpus.Secret{
		{Name: "good", Value: " as it is\n"},
		{Name: "json", Value: `{"a": [1, 2]}`},
	}, badStates()...)
}

// badStates are secrets that have no text to read.
func badStates() []corpus.Secret {
	const text = "postgres://app:hunter2@db"
	return []corpus.Secret{
		{Name: "binary", Binary: "AAEC/w==", LeftOut: string(contract.SecretBinary)},
		{Name: "denied", Value: text, State: string(fakeaws.Denied), LeftOut: string(contract.SecretDenied)},
		{Name: "undecryptable", Value: text, State: string(fakeaws.Undecryptable), LeftOut: string(contract.SecretUndecryptable)},
		{Name: "being-deleted", Value: text, State: string(fakeaws.BeingDeleted), LeftOut: string(contract.SecretBeingDeleted)},
		{Name: "pending-only", Value: text, State: string(fakeaws.PendingOnly), LeftOut: string(contract.SecretMissing)},
	}
}
