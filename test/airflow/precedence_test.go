package airflow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// precedence is what the real plugin answers for a connection, by what is the matter with the own secret (rows) and with the
// shared one (columns): the value of one of them, none, or it raises. Airflow logs that it raises and goes on to its next
// place, as it does where there is none; so our files have none in both cases, and the same value in all others.
//
// Of a variable or an option any text is a good one: it is as if what is malformed were present.
const precedence = `
own \ shared   present absent malformed binary denied key-denied undecryptable being-deleted
present        own     own    own       own    own    own        own           own
absent         shared  raises raises    none   raises raises     raises        raises
malformed      raises  raises raises    raises raises raises     raises        raises
binary         shared  raises raises    none   raises raises     raises        raises
denied         raises  raises raises    raises raises raises     raises        raises
key-denied     raises  raises raises    raises raises raises     raises        raises
undecryptable  shared  raises raises    none   raises raises     raises        raises
being-deleted  shared  raises raises    none   raises raises     raises        raises
`

// pair is an id, and what is the matter with its secret in both accounts.
type pair struct {
	own, shared string
	answer      string // of the table
}

func (p pair) id() string { return p.own + "_" + p.shared }

func pairs() []pair {
	lines := strings.Split(strings.TrimSpace(precedence), "\n")
	shared := strings.Fields(lines[0])[3:]
	var all []pair
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		for i, answer := range fields[1:] {
			all = append(all, pair{fields[0], shared[i], answer})
		}
	}
	return all
}

func pairOf(id string) (p pair, ok bool) {
	i := slices.IndexFunc(pairs(), func(p pair) bool { return p.id() == id })
	if i < 0 {
		return pair{}, false
	}
	return pairs()[i], true
}

// answerOf is the table's for a kind.
func (p pair) answerOf(kind string) string {
	text := func(state string) string {
		if kind != string(contract.Connections) && state == "malformed" {
			return "present"
		}
		return state
	}
	like, _ := pairOf(pair{own: text(p.own), shared: text(p.shared)}.id())
	return like.answer
}

// falls says whether a look-up goes on to the shared account.
func (p pair) falls() bool {
	return slices.Contains([]string{"absent", "binary", "undecryptable", "being-deleted"}, p.own)
}

// secretIn makes a secret of a state; nil is none. The other key is one that nobody may use who reads secrets here.
func secretIn(state, account, otherKey string) *fakeaws.Secret {
	s := &fakeaws.Secret{String: "postgres://" + account}
	switch state {
	case "absent":
		return nil
	case "malformed":
		s.String = `{"host": "` + account + `"`
	case "binary":
		s.Binary = []byte("\x00\xff")
	case "key-denied":
		s.KMSKey = otherKey
	case "present":
	default:
		s.State = fakeaws.State(state)
	}
	return s
}

// putPairs stores the secrets of the table.
func (w *sharedWorld) putPairs(t *testing.T) (arns map[string]map[string]string) {
	t.Helper()
	const key = "arn:aws:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	arns = map[string]map[string]string{contract.OwnAccount: {}, contract.SharedAccount: {}}
	for _, p := range pairs() {
		if s := secretIn(p.own, contract.OwnAccount, fmt.Sprintf(key, region, "111122223333")); s != nil {
			s.Name = w.ownPrefix + p.id()
			arns[contract.OwnAccount][p.id()] = w.account.Put(region, *s)
		}
		if s := secretIn(p.shared, contract.SharedAccount, fmt.Sprintf(key, region, "222222222222")); s != nil {
			s.Name = w.sharedPrefix + p.id()
			arns[contract.SharedAccount][p.id()] = w.putShared(t, *s)
		}
	}
	return arns
}

// The table is what the real plugin answers, and what Airflow gets of our files, by each way into the shared account.
func TestPrecedence(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, w := buildFetcher(ctx, t), readPage(t).sharedWorld(t)
	arns := w.putPairs(t)
	ids := idsOf(pairs(), func(pair) bool { return true })
	native := w.readNatively(ctx, t, []step{{Connections: ids, Variables: ids, Config: ids}})
	checkAnswers(t, native, func(kind string, p pair) string { return p.answerOf(kind) })

	t.Run("by a role", func(t *testing.T) {
		report := w.checkOurs(ctx, t, program, byRole, nil, native, ids)
		checkCollisions(t, report, arns)
	})
	t.Run("by ids", func(t *testing.T) {
		w.checkRefusedIDs(ctx, t, program)
		delivered := idsOf(pairs(), func(p pair) bool { return !p.failsByID() })
		report := w.checkOurs(ctx, t, program, byIDs, byTheirIDs(delivered), native, delivered)
		if len(report.Collisions) > 0 {
			t.Errorf("the report has %d collisions, expected none: nobody asks by ARN for what the own account has", len(report.Collisions))
		}
	})
}

// checkOurs holds what Airflow gets of our files, for those ids, against the table and against what it got natively. Options
// are in files where they are asked for alone: TestOptions.
func (w *sharedWorld) checkOurs(ctx context.Context, t *testing.T, program, way string, annotations map[string]string, native []found, ids []string) contract.Report {
	t.Helper()
	w.enter(t, way)
	pod := w.inject(t, w.worker(t, way, annotations))
	folder := w.mustFetch(ctx, t, program, pod)
	if n := w.aws.Calls("ListSecrets"); (n == 0) != (way == byIDs) {
		t.Errorf("ListSecrets was called %d times", n)
	}
	report := readReport(t, folder)
	files := w.readFiles(ctx, t, pod, folder, "", []step{{Connections: ids, Variables: ids}})
	checkAnswers(t, files, ours)
	native = slices.DeleteFunc(slices.Clone(native), func(f found) bool { return f.Kind == string(contract.Options) || !slices.Contains(ids, f.ID) })
	compare(t, pluginRelease(t), native, files, newDifferences(corpusOf(ids), report))
	return report
}

// ours is what our files answer: where the plugin raises, they have none.
func ours(kind string, p pair) string {
	if answer := p.answerOf(kind); answer != "raises" {
		return answer
	}
	return "none"
}

func idsOf(all []pair, wanted func(pair) bool) (ids []string) {
	for _, p := range all {
		if wanted(p) {
			ids = append(ids, p.id())
		}
	}
	return ids
}

// corpusOf has secrets of those names, of which the table says all there is to say.
func corpusOf(ids []string) (all corpus.Corpus) {
	for _, id := range ids {
		s := corpus.Secret{Name: id}
		all.Connections, all.Variables = append(all.Connections, s), append(all.Variables, s)
	}
	return all
}

// byTheirIDs are the annotations of the way by ids, in which any id may be in either account, or in none.
func byTheirIDs(ids []string) map[string]string {
	annotations := map[string]string{"airflow-secrets/on-missing": "warn", "airflow-secrets/on-invalid": "warn"}
	for _, key := range []string{"connections", "variables", "shared-connections", "shared-variables"} {
		annotations["airflow-secrets/"+key] = strings.Join(ids, ",")
	}
	return annotations
}

// checkAnswers holds what a backend itself answers against the table.
func checkAnswers(t *testing.T, all []found, expected func(kind string, p pair) string) {
	t.Helper()
	compared := 0
	for _, f := range all {
		p, ok := pairOf(f.ID)
		if f.Chain != "backend" || !ok {
			continue
		}
		compared++
		if f.Outcome.answer() != expected(f.Kind, p) {
			t.Errorf("%s: own %s, shared %s: %s (%s), expected %s", f.Kind, p.own, p.shared, f.Outcome.answer(), f.Outcome.Absent, expected(f.Kind, p))
		}
	}
	t.Logf("%d answers as the table has them", compared)
	if compared < len(all)/2 {
		t.Errorf("%d of %d answers were held against the table, expected half of them or more", compared, len(all))
	}
}

// answer is the outcome in a word of the table.
func (o outcome) answer() string {
	value := o.Fields["value"] + o.Fields["host"]
	switch {
	case o.Fields == nil && o.Absent == "":
		return "none"
	case o.Fields == nil:
		return "raises"
	case strings.Contains(value, contract.OwnAccount):
		return contract.OwnAccount
	case strings.Contains(value, contract.SharedAccount):
		return contract.SharedAccount
	}
	return "another value"
}

// checkCollisions wants the report to name both ARNs of each id that hides a shared secret which could be read, and no other
// ones.
func checkCollisions(t *testing.T, report contract.Report, arns map[string]map[string]string) {
	t.Helper()
	expected := map[contract.Collision]bool{}
	for _, p := range pairs() {
		readable := p.shared == "present" || p.shared == "malformed"
		for _, kind := range []contract.Kind{contract.Connections, contract.Variables} {
			if readable && !p.falls() {
				expected[contract.Collision{Kind: kind, ID: p.id(), Used: arns[contract.OwnAccount][p.id()], Hidden: arns[contract.SharedAccount][p.id()]}] = true
			}
		}
	}
	for _, c := range report.Collisions {
		if !expected[c] {
			t.Errorf("the report has the collision %+v, expected none", c)
		}
		delete(expected, c)
	}
	for c := range expected {
		t.Errorf("the report has no collision %+v", c)
	}
}

// failsByID says whether a pod that names the id fails: AWS has the secret and does not give it, so nobody can tell what it
// would be. The plugin raises at the look-up, for an undecryptable own one only if there is none in the shared account. Of
// another account's secret that is not there AWS says that it is denied, since it has no policy that would allow it.
func (p pair) failsByID() bool {
	if !p.falls() {
		return p.own == "denied" || p.own == "key-denied"
	}
	lost := p.shared == "binary" || p.shared == "being-deleted"
	return slices.Contains([]string{"absent", "denied", "key-denied", "undecryptable"}, p.shared) || lost && p.own == "undecryptable"
}

// checkRefusedIDs names each of those ids alone.
func (w *sharedWorld) checkRefusedIDs(ctx context.Context, t *testing.T, program string) {
	t.Helper()
	w.enter(t, byIDs)
	refused := idsOf(pairs(), pair.failsByID)
	for _, id := range refused {
		_, said := w.fetch(ctx, t, program, w.inject(t, w.worker(t, byIDs, byTheirIDs([]string{id, "absent_present"}))))
		if !strings.HasPrefix(said, string(contract.IDsUnusable)+": ") || !strings.Contains(said, "connections "+id) {
			t.Errorf("of %s the fetcher said %q, expected that it is unusable", id, said)
		}
	}
	t.Logf("%d ids are refused where they are asked for by name", len(refused))
}
