package airflow

import (
	"flag"
	"fmt"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
)

var values = flag.String("values", "slice", "generated values to look up beside those of corpus.yaml: slice, or all")

// chosenCorpus is corpus.yaml and the generated values that the flag -values names.
func chosenCorpus(t *testing.T) corpus.Corpus {
	t.Helper()
	written, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	generated := corpus.Generate()
	switch *values {
	case "all":
		if features, _ := generated.Features(); features < 2000 {
			t.Fatalf("the generated values have %d features, expected 2000 or more", features)
		}
	case "slice":
		generated = generated.Slice(corpus.Sliced)
	default:
		t.Fatalf("-values is %q, expected slice or all", *values)
	}
	features, parts := generated.Features()
	t.Logf("%d values written by hand, %d generated from the seed %d: %d features of %d parts",
		written.Len(), generated.Len(), corpus.Seed, features, parts)
	return written.With(generated)
}

// mostConnections is how many connections the fetcher's own file must have at least.
const mostConnections = 1000

// plainOnes are connections as most are, to fill the file up, should half of the generated ones be left out.
func plainOnes(all corpus.Corpus) corpus.Corpus {
	missing := 2 * mostConnections
	for _, s := range all.Connections {
		switch {
		case s.Feature != "":
			missing--
		case s.LeftOut == "":
			missing -= 2
		}
	}
	var plain corpus.Corpus
	for i := range max(missing/2, 0) {
		plain.Connections = append(plain.Connections, corpus.Secret{
			Name: fmt.Sprintf("plain-%d", i), Value: fmt.Sprintf("postgres://jürgen:hunter2@db-%d.example.com:5432/größe", i),
		})
	}
	return plain
}
