package airflow

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// allowed is a class of differences that we know of and accept.
type allowed struct {
	what string
	why  string
	// version says in which versions of Airflow it is met. One that is not met any more fails the test.
	version func(name string) bool
	// fits says whether a difference in such a version is of this class.
	fits func(difference, subject) bool
}

// subject is the secret that a difference is about.
type subject struct {
	text    string // its value
	leftOut string // why the fetcher left it out, empty if it did not
}

// Since 3.2 a task's backend makes connections of the class airflow.sdk.Connection, but LocalFilesystemBackend goes on
// making those of airflow.models, whose constructor and setters do more. No file can change that; all other processes
// and versions know one class only.
func ofTwoClasses(name string) bool { return name >= "3.2" }

func airflow2(name string) bool { return strings.HasPrefix(name, "2.") }

func always(string) bool { return true }

var emptyPassword = regexp.MustCompile(`"(password|pass|key)": *(""|0|false)|:@`)

func hasLongInteger(s string) bool {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	return slices.ContainsFunc(strings.FieldsFunc(s, notDigit), func(digits string) bool { return len(digits) > 4300 })
}

// allowedDifferences are all that may differ.
func allowedDifferences() []allowed {
	return []allowed{{
		what:    "an extra that is no JSON object is left out",
		why:     "Airflow 3 raises for it while LocalFilesystemBackend builds the file, which would hide every other connection; Airflow 2 warns, and drops it where JSON is needed",
		version: func(name string) bool { return airflow2(name) || ofTwoClasses(name) },
		fits: func(d difference, s subject) bool {
			return (airflow2(d.version) || d.Chain == "task") && d.field == presence && strings.Contains(s.leftOut, "extra")
		},
	}, {
		what:    "a value with more than 100 arrays and objects in each other is left out",
		why:     "Python gives up on the whole file at a depth that depends on the code that asks for it",
		version: always,
		fits: func(d difference, s subject) bool {
			return d.field == presence && strings.Contains(s.leftOut, "no more than 100 arrays") && strings.Count(s.text, "[")+strings.Count(s.text, "{") > 100
		},
	}, {
		what:    "a URI with an integer of more than 4300 digits in its query is left out",
		why:     "Airflow 3.1 on reads the values of a query as JSON and raises there while it builds the file",
		version: func(name string) bool { return name < "3.1" || ofTwoClasses(name) },
		fits: func(d difference, s subject) bool {
			return (d.version < "3.1" || d.Chain == "task") && d.field == presence && strings.Contains(s.leftOut, "4300 digits") && hasLongInteger(s.text)
		},
	}, {
		what:    "in a task, a value of a URI's query that is JSON arrives as what it stands for, not as a string",
		why:     "airflow.models.Connection reads the query's values as JSON since 3.1, airflow.sdk.Connection does not; only a JSON secret arrives the same everywhere",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			isURI := !strings.HasPrefix(strings.TrimSpace(s.text), "{")
			return d.Chain == "task" && isURI && strings.Contains(s.text, "?") && slices.Contains([]string{"extra", "extra_dejson", "get_uri()"}, d.field)
		},
	}, {
		what:    "in a task, an empty password is none",
		why:     "airflow.models.Connection does not store an empty password, airflow.sdk.Connection does",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			return d.Chain == "task" && emptyPassword.MatchString(s.text) &&
				(d.field == "password" && d.files == "None" || d.field == "get_uri()" || d.field == presence && d.files == there)
		},
	}, {
		what:    "in a task, a connection whose id has other characters than Airflow allows has no conn_id",
		why:     "airflow.models.Connection drops such an id of its own, airflow.sdk.Connection keeps it; the look-up finds both",
		version: ofTwoClasses,
		fits: func(d difference, _ subject) bool {
			return d.Chain == "task" && d.field == "conn_id" && d.files == "None" && strings.ContainsAny(d.ID, "@=+")
		},
	}}
}

// differences counts which of the allowed differences are met.
type differences struct {
	rows     []allowed
	subjects map[string]subject // kind and id → what a look-up is about

	mu   sync.Mutex
	hits []map[difference]bool // of each row
}

func newDifferences(all corpus.Corpus, report contract.Report) *differences {
	ds := &differences{rows: allowedDifferences(), subjects: map[string]subject{}}
	for kind, secrets := range map[contract.Kind][]corpus.Secret{contract.Connections: all.Connections, contract.Variables: all.Variables} {
		for _, s := range secrets {
			ds.subjects[string(kind)+" "+s.Name] = subject{text: s.Text()}
		}
	}
	for _, l := range report.LeftOut {
		about := ds.subjects[string(l.Kind)+" "+l.ID]
		about.leftOut = l.Sentence
		ds.subjects[string(l.Kind)+" "+l.ID] = about
	}
	for range ds.rows {
		ds.hits = append(ds.hits, map[difference]bool{})
	}
	return ds
}

// allow counts the difference for the first row that it fits, and says whether there is one.
func (ds *differences) allow(d difference) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for i, row := range ds.rows {
		if row.version(d.version) && row.fits(d, ds.subjects[d.Kind+" "+d.ID]) {
			ds.hits[i][d] = true
			return true
		}
	}
	return false
}

// conclude prints how often each row was met, and fails for one that could have been and was not.
func (ds *differences) conclude(t *testing.T, ran []version) {
	t.Helper()
	for i, row := range ds.rows {
		t.Logf("%3d differences allowed: %s", len(ds.hits[i]), row.what)
		for _, v := range ran {
			met := func(d difference) bool { return d.version == v.name }
			if row.version(v.name) && !slices.ContainsFunc(slices.Collect(maps.Keys(ds.hits[i])), met) {
				t.Errorf("Airflow %s: nothing fits the allowed difference %q any more: remove it, or narrow its versions", v.name, row.what)
			}
		}
	}
}
