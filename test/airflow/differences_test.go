package airflow

import (
	"cmp"
	"encoding/json"
	"net/url"
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
	// share is how many of a hundred generated values may differ in a version, where it is another number than mostShare.
	share float64
}

// subject is the secret that a difference is about.
type subject struct {
	text    string // its value
	feature string // the parts that it was generated from, if it was
	leftOut string // why the fetcher left it out, empty if it did not
}

// Since 3.2 a task's backend makes connections of the class airflow.sdk.Connection, but LocalFilesystemBackend goes on
// making those of airflow.models, whose constructor and setters do more. No file can change that; all other processes
// and versions know one class only.
func ofTwoClasses(name string) bool { return name >= "3.2" }

func airflow2(name string) bool { return strings.HasPrefix(name, "2.") }

func always(string) bool { return true }

var falsePassword = regexp.MustCompile(`"(password|pass|key)"\s*:\s*(""|0|false|\{\}|\[\])|:@`)

// typeOfNoLetter fits what starts like a URI whose type starts with no letter.
var typeOfNoLetter = regexp.MustCompile(`^[\x00-\x20]*[-+.0-9][-+.0-9A-Za-z]*:`)

// halfPairAndDash fits what a Connection of airflow.models warns of with a text that cannot be encoded.
var halfPairAndDash = regexp.MustCompile(`"\\ud[89a-f][0-9a-f]{2}[-_]`)

// hasJSONInQuery tells whether a value of the URI's query is JSON as Python reads it.
func hasJSONInQuery(uri string) bool {
	uri, _, _ = strings.Cut(uri, "#")
	_, query, _ := strings.Cut(uri, "?")
	for pair := range strings.SplitSeq(query, "&") {
		_, value, _ := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(strings.TrimSpace(value))
		if err == nil && (json.Valid([]byte(decoded)) || slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, decoded)) {
			return true
		}
	}
	return false
}

func hasLongInteger(s string) bool {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	return slices.ContainsFunc(strings.FieldsFunc(s, notDigit), func(digits string) bool { return len(digits) > 4300 })
}

// allowedOfFiles are all that may differ with files.
func allowedOfFiles() []allowed {
	return append(allowedOfBoth(), []allowed{{
		what:    "in a task, a value of a URI's query that is JSON arrives as what it stands for, not as a string",
		why:     "airflow.models.Connection reads the query's values as JSON since 3.1, airflow.sdk.Connection does not; only a JSON secret arrives the same everywhere",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			isURI := !strings.HasPrefix(strings.TrimSpace(s.text), "{")
			return d.Chain == "task" && isURI && hasJSONInQuery(s.text) && slices.Contains([]string{"extra", "extra_dejson", "get_uri()"}, d.field)
		},
	}, {
		what:    "in a task, an empty password is none, and one that is 0, false, {} or [] hides the connection no more",
		why:     "airflow.models.Connection stores no password that Python takes for false; airflow.sdk.Connection does, and fails where it is no string",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			return d.Chain == "task" && falsePassword.MatchString(s.text) &&
				(d.field == "password" && d.files == "None" || d.field == "get_uri()" || d.field == presence && d.files == there)
		},
	}, {
		what:    "in a task, a connection whose id has other characters than Airflow allows, or more than 250, has no conn_id",
		why:     "airflow.models.Connection drops such an id of its own, airflow.sdk.Connection keeps it; the look-up finds both",
		version: ofTwoClasses,
		fits: func(d difference, _ subject) bool {
			return d.Chain == "task" && d.field == "conn_id" && d.files == "None" && (strings.ContainsAny(d.ID, "@=+") || len(d.ID) > 250)
		},
	}, {
		what:    "in a task, a connection whose type has a dash and half of a surrogate pair is not found",
		why:     "airflow.models.Connection warns of the underscore that the dash has become, and fails to write the warning; airflow.sdk.Connection does not warn",
		version: ofTwoClasses,
		fits: func(d difference, s subject) bool {
			return d.Chain == "task" && d.field == presence && d.native == there && halfPairAndDash.MatchString(s.text)
		},
	}}...)
}

// allowedOfBoth are those with either delivery. What a file must not have is no variable either, so that a change from one
// to the other changes nothing else.
func allowedOfBoth() []allowed {
	return []allowed{{
		what:    "an extra that is no JSON object is left out",
		why:     "Airflow 3 raises for it while LocalFilesystemBackend builds the file, which would hide every other connection; Airflow 2 warns, and drops it where JSON is needed",
		version: func(name string) bool { return airflow2(name) || ofTwoClasses(name) },
		fits: func(d difference, s subject) bool {
			return (airflow2(d.version) || d.Chain == "task") && d.field == presence && strings.Contains(s.leftOut, "extra") && !strings.Contains(s.leftOut, "urlencoded")
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
		what:    "a URI that only some versions of Python can take apart is left out",
		why:     "the file must be read by every Python that Airflow runs on, and one entry that it refuses would hide every other connection; here it is Python 3.11.7, which looks at the first square brackets alone and takes nothing for a type that starts with no letter",
		version: always,
		fits: func(d difference, s subject) bool {
			brackets := strings.Contains(s.leftOut, "square brackets") && strings.Contains(s.text, "[")
			port := strings.Contains(s.leftOut, "the URI's port") && typeOfNoLetter.MatchString(s.text)
			return d.field == presence && d.native == there && (brackets || port)
		},
	}}
}

// differences counts which of the allowed differences are met.
type differences struct {
	through  string // what we deliver
	rows     []allowed
	subjects map[string]subject // kind and id → what a look-up is about

	mu   sync.Mutex
	hits []map[difference]bool // of each row
	// compared are the values that were: version → kind and id.
	compared map[string]map[string]bool
}

func newDifferences(all corpus.Corpus, report contract.Report) *differences {
	return differencesThrough("files", allowedOfFiles(), all, report.LeftOut)
}

func differencesThrough(through string, rows []allowed, all corpus.Corpus, leftOut []contract.LeftOut) *differences {
	ds := &differences{through: through, rows: rows, subjects: map[string]subject{}, compared: map[string]map[string]bool{}}
	for kind, secrets := range map[contract.Kind][]corpus.Secret{contract.Connections: all.Connections, contract.Variables: all.Variables} {
		for _, s := range secrets {
			ds.subjects[string(kind)+" "+s.Name] = subject{text: s.Text(), feature: s.Feature}
		}
	}
	for _, l := range leftOut {
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

// count tells that a value was looked up in a version both ways. What only fills a file up does not count.
func (ds *differences) count(version string, l lookUp) {
	if _, counts := ds.subjects[l.Kind+" "+l.ID]; !counts {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.compared[version] == nil {
		ds.compared[version] = map[string]bool{}
	}
	ds.compared[version][l.Kind+" "+l.ID] = true
}

const (
	mostRows = 9
	// mostShare is how many of a hundred values may differ for one reason in one version, unless its row says otherwise.
	mostShare = 1.0
)

// conclude prints how often each row was met, and fails for one that could have been and was not. Where all values were
// generated, it fails as well for one that too many of the values compared in a version differ by: the values of
// corpus.yaml are about differences, and alone say nothing of how often one is met.
func (ds *differences) conclude(t *testing.T, ran []version) {
	t.Helper()
	if len(ds.rows) > mostRows {
		t.Errorf("there are %d allowed differences, expected %d at most", len(ds.rows), mostRows)
	}
	for i, row := range ds.rows {
		t.Logf("%3d differences allowed through the %s: %s", len(ds.hits[i]), ds.through, row.what)
		for _, v := range ran {
			if !row.version(v.Name) {
				continue
			}
			differing, compared := ds.differing(i, v.Name), len(ds.compared[v.Name])
			share := 100 * float64(differing) / float64(compared)
			t.Logf("    Airflow %s: %d of %d values, %.2f %%", v.Name, differing, compared, share)
			if differing == 0 {
				t.Errorf("Airflow %s: nothing fits the allowed difference %q any more: remove it, or narrow its versions", v.Name, row.what)
			}
			if most := cmp.Or(row.share, mostShare); *values == "all" && share > most {
				t.Errorf("Airflow %s: %.2f %% of the values fit the allowed difference %q, expected %.0f %% at most", v.Name, share, row.what, most)
			}
		}
	}
}

// differing counts the values that differ in a version by a row.
func (ds *differences) differing(row int, version string) int {
	ids := map[string]bool{}
	for d := range ds.hits[row] {
		if d.version == version {
			ids[d.Kind+" "+d.ID] = true
		}
	}
	return len(ids)
}
