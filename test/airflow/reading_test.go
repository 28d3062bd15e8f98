package airflow

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// reading is a set of the keyword arguments that change what a value means.
type reading struct {
	name   string
	kwargs map[string]any
	// known says whether a version's Amazon provider has them all.
	known func(name string) bool
}

func readings() []reading {
	words := map[string][]string{
		"user": {"owner", "key"}, "login": {"actor"}, "password": {"secret"}, "host": {"Endpoint", "remote host"}, "port": {"db_port"},
		"schema": {"dbname", "dbname"}, "conn_type": {"kind"}, "extra": {"options", "more options"},
	}
	providerBefore9 := func(name string) bool { return name == "2.8.1" }
	return []reading{
		{"words", map[string]any{"extra_conn_words": words}, always},
		{"words, URL-encoded, full_url_mode", map[string]any{"extra_conn_words": words, "are_secret_values_urlencoded": true, "full_url_mode": false}, providerBefore9},
	}
}

// readValues are connections that such a set may make something else of.
func readValues() []string {
	return []string{
		`{"owner": "app", "secret": "hunter2", "Endpoint": "db", "db_port": "5432", "dbname": "shop", "kind": "mysql", "options": {"a": 1}}`,
		`{"kind": "postgres", "owner": "first", "login": "second"}`,
		`{"kind": "postgres", "login": "first", "owner": "second"}`,
		`{"kind": "postgres", "actor": "first", "owner": "second"}`,
		`{"kind": "postgres", "owner": null, "login": "second"}`,
		`{"kind": "postgres", "owner": "", "login": "second"}`,
		`{"kind": "postgres", "owner": "first", "owner": "last", "login": "x"}`,
		`{"kind": "postgres", "key": "both"}`,
		`{"kind": "postgres", "key": "both", "login": "app"}`,
		`{"kind": "postgres", "Owner": "app", "endpoint": "db", "remote host": "db2"}`,
		`{"conn_id": "postgres", "kind": "mysql", "more options": {"a": [1, "%41"]}}`,
		`{"kind": "postgresql", "options": "{\"a\": 1}", "extra": {"b": 2}}`,
		`{"user": "unknown-to-nobody", "username": "x", "owner": "y"}`,

		`{"conn_type": "postgres", "login": "a%2Bb+c%20d", "password": "p%40ss%2Fw%2525", "host": "db%2Eexample.com", "schema": "gr%C3%B6%C3%9Fe"}`,
		`{"conn_type": "google%2Dcloud%2Dplatform", "port": "%35432"}`,
		`{"conn_type": "postgres%71l", "port": " %35%5F432%0A"}`,
		`{"conn_type": "postgresq%6C", "port": ""}`,
		`{"conn_type": "mysql", "port": "%30"}`,
		`{"conn_type": "mysql", "port": "%61bc"}`,
		`{"conn_type": "mysql", "port": 3306, "login": "a%41"}`,
		`{"conn_type": "mysql", "port": null, "login": "a%41"}`,
		`{"conn_type": "mysql", "port": 3306.5, "login": "app"}`,
		`{"conn_type": "mysql", "host": ["%41"]}`,
		`{"conn_type": "mysql", "host": ["a"]}`,
		`{"conn_type": "mysql", "host": {"%41": 1}}`,
		`{"conn_type": "mysql", "schema": true}`,
		`{"conn_type": "mysql", "schema": 0}`,
		`{"conn_type": "mysql", "extra": {"a": "%41", "b": {"c": "%42"}}}`,
		`{"conn_type": "mysql", "extra": "%7B%22a%22%3A%20%22%2541%22%7D"}`,
		`{"conn_type": "mysql", "extra": "{\"a\": \"%41\"}"}`,
		`{"conn_type": "mysql", "extra": ""}`,
		`{"conn_type": "mysql", "extra": {}}`,
		`{"conn_type": "mysql", "size": 5, "login": "%61pp"}`,
		`{"conn_type": "mysql", "password": "%"}`,
		`{"conn_type": "mysql", "password": "%4"}`,
		`{"conn_type": "mysql", "password": "%%41%4g%zz%+1"}`,
		`{"conn_type": "mysql", "password": "%00%7F"}`,
		`{"conn_type": "mysql", "password": "%FF%C0%80%ED%A0%80%F4%90%80%80"}`,
		`{"conn_type": "mysql", "password": "%E2%82 %F0%9F%98 %F0%9F%98%80%F0%9F"}`,
		`{"conn_type": "mysql", "password": "%C3é%A9 ß%C3%9F %e2%82%aC"}`,
		`{"conn_type": "mysql", "login": "\u0661%34\ud83d%41"}`,
		"\n" + `{"conn_type": "mysql", "login": "%61pp"}` + "\n",
		`{"conn_type": "mysql", "login": "%61pp"`,
		`{}`,
		"postgres://app:p%2540ss@db/shop?owner=%2541",
		"%7B%22login%22%3A%20%22app%22%7D",
	}
}

// The keyword arguments that change what a value means are honoured as the backend of the version honours them.
func TestAirflowReadsWithTheSameKwargs(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, all := buildFetcher(ctx, t), readCorpus()
	store := newStore(t, all)
	for _, v := range chosenVersions(t) {
		for _, r := range readings() {
			if r.known(v.Name) {
				t.Run(v.Name+"/"+r.name, func(t *testing.T) { r.run(ctx, t, v, program, store, all) })
			}
		}
	}
}

func readCorpus() corpus.Corpus {
	var all corpus.Corpus
	for i, text := range readValues() {
		all.Connections = append(all.Connections, corpus.Secret{Name: fmt.Sprintf("value-%d", i), Value: text})
	}
	return all
}

// run looks all up both ways. A value that is wrongly in the file is seen as well: it hides the others.
func (r reading) run(ctx context.Context, t *testing.T, v version, program string, store worker.Store, all corpus.Corpus) {
	t.Helper()
	python := v.install(ctx, t)
	store.Kwargs = r.kwargs
	steps := []step{{Connections: names(all.Connections), Variables: []string{}}}
	native := v.read(ctx, t, python, nativeEnviron(t, store), job{Backend: "SecretsManagerBackend", Steps: steps})
	pod, folder := inject(t, store), filepath.Join(t.TempDir(), "airflow")
	if err := pod.Fetch(ctx, program, folder); err != nil {
		t.Fatal(err)
	}
	files := v.read(ctx, t, python, pod.Environ(folder), job{Backend: "LocalFilesystemBackend", Steps: steps})
	report := readReport(t, folder)
	compare(t, v, native, files, newDifferences(all, report))
	if leftOut := len(report.LeftOut); leftOut > len(all.Connections)/3 {
		t.Errorf("%d of %d values are left out, expected a third at most: the others prove more", leftOut, len(all.Connections))
	}
}
