package airflow

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

const (
	region            = "eu-central-1"
	connectionsPrefix = "airflow/connections"
	variablesPrefix   = "airflow/variables//" // separators at the end are dropped
)

// store is the fake AWS and what one needs to read from it.
type store struct {
	url  string
	keys fakeaws.Keys
}

// neighbours are secrets that are near the prefixes and below none.
func neighbours() []string {
	return []string{"airflow/connections", "airflow/connections-old/neighbour", "airflow/connection/neighbour", "neighbour", "airflow/variables-old/neighbour"}
}

// newStore puts the corpus into a fake AWS.
func newStore(t *testing.T, all corpus.Corpus) store {
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
	return store{url: server.URL, keys: account.Keys("AKIAIOSFODNN7EXAMPLE")}
}

// nativeEnviron is what a pod has that uses SecretsManagerBackend.
func (s store) nativeEnviron(t *testing.T) []string {
	t.Helper()
	kwargs, err := json.Marshal(map[string]string{"connections_prefix": connectionsPrefix, "variables_prefix": variablesPrefix})
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"AWS_ENDPOINT_URL=" + s.url, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=" + s.keys.ID, "AWS_SECRET_ACCESS_KEY=" + s.keys.Secret,
	}
	for _, v := range contract.BackendEnv() {
		environ = append(environ, v.Backend+"=airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend", v.Kwargs+"="+string(kwargs))
	}
	return environ
}
