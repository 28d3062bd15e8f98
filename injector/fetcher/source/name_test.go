package source

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

func TestSessionNames(t *testing.T) {
	tests := map[string]struct {
		namespace, pod, dag, task string
		name                      string
	}{
		"a worker":             {"airflow", "worker-0", "", "", "airflow,worker-0"},
		"a task":               {"airflow", "etl-load-3xk9q1p7", "etl", "load", "airflow,etl-load-3xk9q1p7,etl,load"},
		"dots and underscores": {"airflow", "p.q-1", "my.dag_v2", "group.task", "airflow,p.q-1,my.dag_v2,group.task"},
		"letters beyond ASCII": {"airflow", "p-1", "données", "日本", "airflow,p-1,donn_es,__"},
		"no text at all":       {"airflow", "p-1", "a\xff b", "a/b,c:d", "airflow,p-1,a__b,a_b_c_d"},
		"a DAG and no task":    {"airflow", "p-1", "dag", "", "airflow,p-1,dag"},
		"a task and no DAG":    {"airflow", "p-1", "", "task", "airflow,p-1,,task"},
		"no namespace":         {"", "worker-0", "", "", "airflow-secrets,worker-0"},
		"nothing":              {"", "", "", "", "airflow-secrets,unknown-pod"},
		"one letter":           {"a", "b", "", "", "a,b"},
		"just fits":            {"airflow", strings.Repeat("p", 56), "", "", "airflow," + strings.Repeat("p", 56)},
		"a long pod keeps its end": {"airflow", "release-name-airflow-scheduler-with-a-very-long-name-6d5f9c7b8-x2x9z", "", "",
			"airflow,-airflow-scheduler-with-a-very-long-name-6d5f9c7b8-x2x9z"},
		"all long": {strings.Repeat("n", 63), strings.Repeat("p", 240) + "-x2x9z", strings.Repeat("d", 250), strings.Repeat("t", 250),
			"nnnnnnnnnnnnnnn,ppppppppp-x2x9z,ddddddddddddddd,tttttttttttttttt"},
		"only the long ones are cut": {"airflow", "customer-orders-daily-load-orders-into-warehouse-k3v9x2m1", "customer-orders-daily", "load-orders-into-warehouse",
			"airflow,warehouse-k3v9x2m1,customer-orders-da,load-orders-into-w"},
	}
	for title, test := range tests {
		if got := nameSession(test.namespace, test.pod, test.dag, test.task); got != test.name {
			t.Errorf("%s: the name is %q (%d), expected %q (%d)", title, got, len(got), test.name, len(test.name))
		}
	}
}

// Whatever the parts: the name is legal, has all parts in their places, and none of them is cut while a longer one is not.
func TestEverySessionNameIsLegal(t *testing.T) {
	legal := regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		parts := make([]string, 4)
		for i := range parts {
			runes := make([]rune, random.IntN([]int{1, 3, 20, 300}[random.IntN(4)]))
			for j := range runes {
				runes[j] = []rune("abcXYZ019-_.+=@,/: \n\u00e9\u65e5\U0001f600")[random.IntN(23)]
			}
			parts[i] = string(runes)
		}
		name := nameSession(parts[0], parts[1], parts[2], parts[3])
		if !legal.MatchString(name) {
			t.Fatalf("%q become %q, which is no legal name", parts, name)
		}
		shown := strings.Split(name, ",")
		shortest, longest := 64, 0
		for i, part := range shown {
			wanted := len([]rune(parts[i]))
			if wanted == 0 {
				continue
			}
			if len(part) < wanted {
				shortest = min(shortest, len(part))
			}
			longest = max(longest, len(part))
		}
		if len(shown) < 2 || shortest < longest-1 {
			t.Fatalf("%q become %q, in which a part is cut and a longer one is not", parts, name)
		}
	}
}

func TestTheSessionIsNamedByTheHostWhereThePodIsNotKnown(t *testing.T) {
	for _, name := range []string{contract.NamespaceEnv, contract.PodEnv, contract.DAGEnv, contract.TaskEnv} {
		t.Setenv(name, "")
	}
	if got := sessionName(); !strings.HasPrefix(got, "airflow-secrets,") || strings.HasSuffix(got, "unknown-pod") {
		t.Errorf("the name is %q, expected one with the host's", got)
	}
	t.Setenv(contract.PodEnv, "pod")
	t.Setenv(contract.TaskEnv, "task")
	t.Setenv(contract.DAGEnv, "dag")
	t.Setenv(contract.NamespaceEnv, "namespace")
	if got := sessionName(); got != "namespace,pod,dag,task" {
		t.Errorf("the name is %q, expected namespace,pod,dag,task", got)
	}
}
