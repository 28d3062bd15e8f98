package airflow

import (
	"net/http/httptest"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const (
	region            = "eu-central-1"
	connectionsPrefix = "airflow/connections"
	variablesPrefix   = "airflow/variables//" // separators at the end are dropped
)

// neighbours are secrets that are near the prefixes and below none.
func neighbours() []string {
	return []string{"airflow/connections", "airflow/connections-old/neighbour", "airflow/connection/neighbour", "neighbour", "airflow/variables-old/neighbour"}
}

// newStore puts the corpus into a fake AWS.
func newStore(t *testing.T, all corpus.Corpus) worker.Store {
	t.Helper()
	store, _ := storeOf(t, all)
	return store
}

// storeOf is newStore with the account that the secrets are in.
func storeOf(t *testing.T, all corpus.Corpus) (worker.Store, *fakeaws.Account) {
	t.Helper()
	aws := fakeaws.New()
	account := aws.Account("111122223333")
	put := func(prefix string, secrets []corpus.Secret) {
		for _, s := range secrets {
			account.Put(region, fakeaws.Secret{Name: prefix + s.Name, String: s.Text(), Binary: s.Bytes(), State: fakeaws.State(s.State)})
		}
	}
	put("airflow/connections/", all.Connections)
	put("airflow/variables/", all.Variables)
	for _, name := range neighbours() {
		account.Put(region, fakeaws.Secret{Name: name, String: "postgres://neighbour"})
	}
	server := httptest.NewServer(aws)
	t.Cleanup(server.Close)
	return worker.Store{
		URL: server.URL, Region: region, Keys: account.Keys("AKIAIOSFODNN7EXAMPLE"),
		ConnectionsPrefix: connectionsPrefix, VariablesPrefix: variablesPrefix,
	}, account
}

// nativeEnviron is what a pod has that uses SecretsManagerBackend.
func nativeEnviron(t *testing.T, store worker.Store) []string {
	t.Helper()
	environ, err := store.NativeEnviron()
	if err != nil {
		t.Fatal(err)
	}
	return environ
}
