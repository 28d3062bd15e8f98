package main

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

func TestEvaluate(t *testing.T) {
	const ms = time.Millisecond
	there := func(i int) *connection {
		c := newConnection(i)
		return &c
	}
	other := newConnection(0)
	other.Password = "another"
	otherExtra := newConnection(0)
	otherExtra.Extra = map[string]string{"sslmode": "disable"}
	good := []lookUp{
		{Process: 0, ID: id(0), Processor: 9 * ms, Connection: there(0)}, {Process: 0, ID: id(1), Processor: 2 * ms, Connection: there(1)}, {Process: 0, ID: "x", Processor: 1 * ms},
		{Process: 1, ID: id(0), Processor: 8 * ms, Connection: there(0)}, {Process: 1, ID: id(1), Processor: 3 * ms, Connection: there(1)}, {Process: 1, ID: "x", Processor: 1 * ms},
	}
	tests := map[string]struct {
		calls bool
		found []lookUp
		took  []time.Duration // by AWS
		want  figures
		err   string // a part of it
	}{
		"no calls": {found: good, want: figures{
			first: []time.Duration{9 * ms, 8 * ms}, next: []time.Duration{2 * ms, 3 * ms}, missing: []time.Duration{1 * ms, 1 * ms},
		}},
		"a call each": {calls: true, found: good, took: []time.Duration{10 * ms, 20 * ms, 30 * ms, 40 * ms, 50 * ms, 60 * ms}, want: figures{
			first: []time.Duration{19 * ms, 48 * ms}, next: []time.Duration{22 * ms, 53 * ms}, missing: []time.Duration{31 * ms, 61 * ms},
			firstAWS: []time.Duration{10 * ms, 40 * ms}, nextAWS: []time.Duration{20 * ms, 50 * ms}, missingAWS: []time.Duration{30 * ms, 60 * ms},
		}},
		"nothing looked up":              {err: "expected some look-ups"},
		"AWS not asked":                  {calls: true, found: good, took: []time.Duration{ms}, err: "6 look-ups made 1 calls to AWS"},
		"another password":               {found: []lookUp{{ID: id(0), Connection: &other}}, err: "looking up team_warehouse_0000 gave {Type:postgres"},
		"another extra":                  {found: []lookUp{{ID: id(0), Connection: &otherExtra}}, err: "sslmode:disable"},
		"not there though it should be":  {found: []lookUp{{ID: id(0)}}, err: "gave nothing"},
		"there though it should not be":  {found: []lookUp{{ID: "x", Connection: there(0)}}, err: "expected nothing"},
		"the id of a store that is more": {found: []lookUp{{ID: id(2), Connection: there(2)}}, err: "expected nothing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := evaluate(way{calls: test.calls}, 2, test.found, test.took)
			switch {
			case test.err == "" && (err != nil || !reflect.DeepEqual(got, test.want)):
				t.Errorf("got %+v, %v\nexpected %+v", got, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("error is %v, expected %q in it", err, test.err)
			}
			if err != nil && strings.Contains(err.Error(), other.Password+" ") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestTable(t *testing.T) {
	each := func(first, next, missing time.Duration) []figures {
		f := figures{first: []time.Duration{first, 1, 2 * first}, next: []time.Duration{next}, missing: []time.Duration{missing}}
		f.firstAWS, f.nextAWS, f.missingAWS = f.next, f.next, f.next
		return []figures{f}
	}
	var out bytes.Buffer
	printTable(&out, &scene{
		release: worker.Releases()[0], stores: []*store{{size: 10}}, ways: []way{{name: "files"}, {name: "SecretsManagerBackend"}},
		measured: []measurement{
			{imports: 2 * time.Second, sizes: each(12*time.Second, 3*time.Millisecond, 70*time.Microsecond)},
			{imports: time.Second, sizes: each(400*time.Millisecond, 24*time.Millisecond, 20*time.Millisecond)},
		},
	})
	const want = `
Airflow 2.8.1, imports: files 2.00 s, SecretsManagerBackend 1.00 s

connections  by                         first  ratio      next  ratio      miss  ratio
10           files                       12 s     30   3.00 ms   0.12  0.070 ms  <0.01
             SecretsManagerBackend     400 ms   1.00     24 ms   1.00     20 ms   1.00
               of it AWS                24 ms            24 ms            24 ms
`
	if out.String() != want {
		t.Errorf("the table is%s\nexpected%s", &out, want)
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"-connections=ten":    "expected numbers",
		"-connections=10,0":   "expected numbers",
		"-processes=0":        "expected 1 or more",
		"-look-ups=0":         "expected 1 or more",
		"-parallel=0":         "expected 1 or more",
		"-airflow=2.8.1,1.10": `no release "1.10"`,
	} {
		if _, err := parse([]string{args}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, expected %q in it", args, err, want)
		}
	}
}
