package source_test

import (
	"slices"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const sharedRegion = "eu-west-1"

// withShared adds a second account behind the pod's own: here the same one in another region.
func (w *world) withShared() {
	shared := w.config.Accounts[0]
	shared.Name, shared.Region = "shared", sharedRegion
	w.config.Accounts = append(w.config.Accounts, shared)
}

func TestTheFirstAccountThatHasAnIDWins(t *testing.T) {
	const name = "airflow/connections/db"
	tests := map[string]struct {
		own, shared *fakeaws.Secret // nil: there is none
		from        string          // account whose secret is delivered; empty: none
		leftOut     []string
		collisions  int
	}{
		"only own":                          {own: &fakeaws.Secret{String: "own"}, from: "own"},
		"only shared":                       {shared: &fakeaws.Secret{String: "shared"}, from: "shared"},
		"both":                              {own: &fakeaws.Secret{String: "own"}, shared: &fakeaws.Secret{String: "shared"}, from: "own", collisions: 1},
		"malformed own":                     {own: &fakeaws.Secret{String: "{"}, shared: &fakeaws.Secret{String: "shared"}, from: "own", collisions: 1},
		"denied own hides":                  {own: &fakeaws.Secret{State: fakeaws.Denied}, shared: &fakeaws.Secret{String: "shared"}, leftOut: []string{"connections/db: denied"}, collisions: 1},
		"binary own does not":               {own: &fakeaws.Secret{Binary: []byte{1}}, shared: &fakeaws.Secret{String: "shared"}, from: "shared", leftOut: []string{"connections/db: binary"}},
		"undecryptable own does not":        {own: &fakeaws.Secret{State: fakeaws.Undecryptable}, shared: &fakeaws.Secret{String: "shared"}, from: "shared", leftOut: []string{"connections/db: undecryptable"}},
		"own without a version does not":    {own: &fakeaws.Secret{State: fakeaws.PendingOnly}, shared: &fakeaws.Secret{String: "shared"}, from: "shared", leftOut: []string{"connections/db: missing"}},
		"a shared one that nobody misses":   {own: &fakeaws.Secret{String: "own"}, shared: &fakeaws.Secret{State: fakeaws.Undecryptable}, from: "own"},
		"binary in both":                    {own: &fakeaws.Secret{Binary: []byte{1}}, shared: &fakeaws.Secret{Binary: []byte{1}}, leftOut: []string{"connections/db: binary", "connections/db: binary"}},
		"neither, and other secrets before": {},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t)
			w.withShared()
			w.put("airflow/connections/another")
			w.own.Put(sharedRegion, fakeaws.Secret{Name: "airflow/variables/another", String: "x"})
			for place, secret := range map[string]*fakeaws.Secret{region: test.own, sharedRegion: test.shared} {
				if secret != nil {
					secret.Name = name
					w.own.Put(place, *secret)
				}
			}
			found := w.mustGather(t)
			from := ""
			for _, s := range found.Secrets {
				if s.ID == "db" {
					from += s.Account
				}
			}
			_, leftOut := ids(found)
			if from != test.from || !slices.Equal(leftOut, test.leftOut) || len(found.Collisions) != test.collisions {
				t.Errorf("delivered from %q, left out %q, collisions %v; expected %q, %q and %d", from, leftOut, found.Collisions, test.from, test.leftOut, test.collisions)
			}
			if len(found.Secrets) < 2 {
				t.Errorf("only %d secrets were read, expected the others as well", len(found.Secrets))
			}
		})
	}
}

// An id that is asked for here and given by another account is not missed.
func TestWhatIsAskedForMayComeFromAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.withShared()
	for i := range w.config.Accounts {
		w.config.Accounts[i].Variables = nil
		w.config.Accounts[i].Connections = &contract.Names{Prefix: "airflow/connections", IDs: []string{"a", "b", "c"}}
	}
	w.own.Put(region, fakeaws.Secret{Name: "airflow/connections/a", String: "own"})
	w.own.Put(sharedRegion, fakeaws.Secret{Name: "airflow/connections/b", String: "shared"})
	found := w.mustGather(t)
	if read, _ := ids(found); !slices.Equal(read, []string{"connections/a", "connections/b"}) {
		t.Errorf("read %q, expected a and b", read)
	}
	missed := map[string]int{}
	for _, l := range found.LeftOut {
		if l.Asked {
			missed[l.ID]++
		}
	}
	if missed["a"]+missed["b"] != 0 || missed["c"] != 2 {
		t.Errorf("left out %+v, expected only c to be asked for in vain", found.LeftOut)
	}
}

func TestOneAccountDeniedFailsTheRun(t *testing.T) {
	w := newWorld(t)
	w.withShared()
	w.config.Accounts[1].Region = ""
	w.put("airflow/connections/db")
	_, err := w.gather(t)
	expectError(t, err, contract.NoRegion)
}
