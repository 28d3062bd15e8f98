package airflow

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflow"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// envTrial is what every version is held to with delivery by environment variables.
type envTrial struct {
	parts       []envPart
	looked      map[string]bool // kind and id of what is looked up
	differences *differences
}

// envPart is as many of the secrets as one process can have in its environment.
type envPart struct {
	corpus.Corpus
	pod    worker.Pod
	folder string // the other one lies beside it
}

// mostPart is the most bytes of the values in a part. Escapes may make them longer, and Linux takes 2 MiB.
const mostPart = 400 << 10

// prepareEnv fills the folders of each part, as our init container does.
func prepareEnv(ctx context.Context, t *testing.T, program string, all corpus.Corpus) envTrial {
	t.Helper()
	one := withoutTwins(all)
	tr := envTrial{looked: map[string]bool{}}
	var leftOut []contract.LeftOut
	for _, secrets := range partsOf(one) {
		store := newStore(t, secrets)
		store.Deliver = contract.DeliverEnv
		part := envPart{Corpus: secrets, pod: inject(t, store)}
		part.folder = fetch(ctx, t, program, part.pod)
		report := readReport(t, part.folder)
		checkEnvReport(t, secrets, part.folder, report)
		leftOut = append(leftOut, report.LeftOut...)
		tr.parts = append(tr.parts, part)
	}
	for _, s := range everything(one, corpus.Corpus{}) {
		for kind, ids := range map[contract.Kind][]string{contract.Connections: s.Connections, contract.Variables: s.Variables} {
			for _, id := range ids {
				tr.looked[string(kind)+" "+id] = true
			}
		}
	}
	tr.differences = differencesThrough("variables", allowedOfVariables(), one, leftOut)
	return tr
}

// native are the native look-ups of what is looked up here.
func (tr envTrial) native(all []found) []found {
	return slices.DeleteFunc(slices.Clone(all), func(f found) bool { return !tr.looked[f.Kind+" "+f.ID] })
}

// read looks everything up in the variables, in processes that start as a container does.
func (tr envTrial) read(ctx context.Context, t *testing.T, v version, python string) []found {
	t.Helper()
	started := time.Now()
	var all []found
	for _, part := range tr.parts {
		under := version{v.Under(part.pod.Under(part.folder)...)}
		steps := everything(part.Corpus, corpus.Corpus{})[:1]
		all = append(all, under.read(ctx, t, python, part.pod.Environ(part.folder), job{Backend: "EnvironmentVariablesBackend", Steps: steps})...)
	}
	t.Logf("Airflow %s: %v for the look-ups in variables, in %d processes", v.Name, time.Since(started).Round(time.Second), len(tr.parts))
	return all
}

// withoutTwins leaves out what differs in case alone from something before it: no environment has both.
func withoutTwins(all corpus.Corpus) corpus.Corpus {
	once := func(secrets []corpus.Secret, nameOf func(string) string) (kept []corpus.Secret) {
		seen := map[string]bool{}
		for _, s := range secrets {
			if name := nameOf(s.Name); !seen[name] {
				seen[name] = true
				kept = append(kept, s)
			}
		}
		return kept
	}
	return corpus.Corpus{Connections: once(all.Connections, airflow.ConnectionName), Variables: once(all.Variables, airflow.VariableName)}
}

// partsOf cuts the secrets into parts.
func partsOf(all corpus.Corpus) (parts []corpus.Corpus) {
	size := mostPart
	room := func(s corpus.Secret) *corpus.Corpus {
		if size += len(s.Text()); size > mostPart {
			parts, size = append(parts, corpus.Corpus{}), len(s.Text())
		}
		return &parts[len(parts)-1]
	}
	for _, s := range all.Connections {
		part := room(s)
		part.Connections = append(part.Connections, s)
	}
	for _, s := range all.Variables {
		part := room(s)
		part.Variables = append(part.Variables, s)
	}
	return parts
}

// checkEnvReport wants every secret to be delivered or left out, and every one that is delivered to be a variable.
func checkEnvReport(t *testing.T, all corpus.Corpus, folder string, report contract.Report) {
	t.Helper()
	text, err := os.ReadFile(envFileBeside(folder))
	if err != nil {
		t.Fatal(err)
	}
	f, err := envfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, v := range f.Set {
		set[v.Name] = true
	}
	told := map[string]bool{}
	for _, d := range report.Connections {
		told["connections "+d.ID] = set[airflow.ConnectionName(d.ID)]
	}
	for _, d := range report.Variables {
		told["variables "+d.ID] = set[airflow.VariableName(d.ID)]
	}
	for _, l := range report.LeftOut {
		told[string(l.Kind)+" "+l.ID] = true
	}
	for kind, secrets := range map[string][]corpus.Secret{"connections": all.Connections, "variables": all.Variables} {
		for _, s := range secrets {
			if s.LeftOut != corpus.Unlisted && !told[kind+" "+s.Name] {
				t.Errorf("%s %s is neither a variable nor left out", kind, s.Name)
			}
		}
	}
}

// envFileBeside is the file with the variables, in the folder that lies beside another one as in a pod.
func envFileBeside(folder string) string {
	return filepath.Join(folder+strings.TrimPrefix(contract.ExecDirectory, contract.Directory), contract.EnvFile)
}

// allowedOfVariables are all that may differ with variables.
func allowedOfVariables() []allowed {
	return append(allowedOfBoth(), []allowed{{
		what:    "what no environment variable can hold is left out",
		why:     "a NUL ends a variable and an = its name, and Linux takes 128 KiB of each",
		version: always,
		share:   4, // a NUL is one of the parts that values are generated from, and none of most secrets
		fits: func(d difference, s subject) bool {
			return d.field == presence && d.native == there && strings.HasPrefix(s.leftOut, contract.SecretUnfit.Sentence()) && (strings.Contains(s.text, "\x00") || strings.Contains(d.ID, "="))
		},
	}, {
		what:    "in a task, a password that is 0, false, {} or [] hides the connection no more",
		why:     "airflow.sdk.Connection fails where a password is no string; it is taken for none, as airflow.models.Connection does",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			return d.Chain == "task" && falsePassword.MatchString(s.text) && d.field == presence && d.files == there
		},
	}}...)
}
