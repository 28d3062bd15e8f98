package airflow

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflow"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

// everything looks all of the corpus up, and what must not be found. What only fills the file up is looked up in the
// quickest way.
func everything(all, plain corpus.Corpus) []step {
	return []step{
		{Connections: append(names(all.Connections), "neighbour", ""), Variables: append(names(all.Variables), "neighbour")},
		{Connections: names(plain.Connections), Variables: names(plain.Variables), Chains: []string{"backend"}},
	}
}

func names(secrets []corpus.Secret) []string {
	names := []string{}
	for _, s := range secrets {
		names = append(names, s.Name)
	}
	return names
}

// perFile is how many secrets a file of a step has at most: LocalFilesystemBackend builds the whole file at every
// look-up.
const perFile = 10

// cut makes the steps of the folder that the fetcher has filled. In the first the folder is mounted as it is: one file of
// all connections. After that come files of a few entries each, their tokens those that the fetcher wrote: every secret once alone, where one that
// was left out leaves an empty file, and once with others, good ones among them.
func cut(t *testing.T, all corpus.Corpus, folder string) []step {
	t.Helper()
	connections, variables := readTokens(t, folder, contract.ConnectionsFile), readTokens(t, folder, contract.VariablesFile)
	work := t.TempDir()
	steps := []step{{Folder: folder, Whole: true, Connections: []string{"good-uri"}, Variables: []string{"good-variable"}}}
	add := func(connectionIDs, variableIDs []string) {
		s := step{Folder: filepath.Join(work, fmt.Sprint(len(steps))), Connections: connectionIDs, Variables: variableIDs}
		writeTokens(t, s.Folder, contract.ConnectionsFile, connections, connectionIDs)
		writeTokens(t, s.Folder, contract.VariablesFile, variables, variableIDs)
		steps = append(steps, s)
	}
	add([]string{"neighbour", ""}, []string{"neighbour"})
	for _, id := range names(all.Connections) {
		add([]string{id}, []string{})
	}
	for _, id := range names(all.Variables) {
		add([]string{}, []string{id})
	}
	for chunk := range slices.Chunk(names(all.Connections)[2:], perFile-2) {
		add(append(slices.Clone(chunk), "good-uri", "good-json"), []string{})
	}
	for chunk := range slices.Chunk(names(all.Variables)[1:], perFile-1) {
		add([]string{}, append(slices.Clone(chunk), "good-variable"))
	}
	return steps
}

// readTokens takes a file of the fetcher apart: id → token. Every entry has a line of its own.
func readTokens(t *testing.T, folder, name string) map[string]secret.Value {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]secret.Value{}
	for line := range strings.Lines(string(text)) {
		key, token, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found {
			continue // a brace
		}
		var id string
		if err := json.Unmarshal([]byte(key), &id); err != nil {
			t.Fatalf("reading %s: the key of a line: %v", name, err)
		}
		tokens[id] = secret.New(strings.TrimSuffix(token, ","))
	}
	return tokens
}

// writeTokens writes a file of those of the ids that have a token.
func writeTokens(t *testing.T, folder, name string, tokens map[string]secret.Value, ids []string) {
	t.Helper()
	entries := map[string]secret.Value{}
	for _, id := range ids {
		if token, ok := tokens[id]; ok {
			entries[id] = token
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), airflow.File(entries), 0o600); err != nil {
		t.Fatal(err)
	}
}
