package airflow

import (
	"bytes"
	"maps"
	"slices"

	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// File gives the whole of a file that LocalFilesystemBackend reads: a JSON object from each Airflow id to its token,
// as Connection or Variable gave it, ids in order, all in ASCII. Without entries it is {}: Airflow refuses a file of
// zero bytes.
func File(entries map[string]secret.Value) []byte {
	if len(entries) == 0 {
		return []byte("{}\n")
	}
	var file bytes.Buffer
	separator := "{\n  "
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		file.WriteString(separator)
		file.WriteString(quote([]rune(id)))
		file.WriteString(": ")
		file.WriteString(entries[id].Unwrap())
		separator = ",\n  "
	}
	file.WriteString("\n}\n")
	return file.Bytes()
}
