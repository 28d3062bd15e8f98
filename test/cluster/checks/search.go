package checks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// search looks through texts by the place each is from. The canary in any form is an error that names the place.
func search(places map[string][]byte) error {
	var found []error
	for _, place := range slices.Sorted(maps.Keys(places)) {
		for _, form := range forms(e2e.Canary) {
			if at := bytes.Index(places[place], []byte(form)); at >= 0 {
				found = append(found, fmt.Errorf("%s shows the canary as %q, in %q", place, form, around(places[place], at)))
			}
		}
	}
	return errors.Join(found...)
}

// searchWithDecoy is search among places, if there are any, in which the decoy has been planted: one that does not find
// that in its every form would not find the canary either.
func searchWithDecoy(places map[string][]byte) error {
	if len(places) == 0 {
		return nil
	}
	for _, form := range forms(decoy) {
		if !slices.ContainsFunc(slices.Collect(maps.Values(places)), func(text []byte) bool { return bytes.Contains(text, []byte(form)) }) {
			return fmt.Errorf("the search among %d places does not find the decoy as %q: it would not find the canary either", len(places), form)
		}
	}
	return search(places)
}

// around is enough of a text to see where one is in it.
func around(text []byte, at int) []byte {
	return text[max(0, at-200):min(len(text), at+100)]
}

// forms are the ways in which a text can be written down: as it is, in hexadecimal, and in base64 wherever in a longer text
// it begins. What canary and decoy are made of is the same in JSON, in YAML and in a URL.
func forms(text string) []string {
	all := []string{text, hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text)))}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("_", shift) + text))
		all = append(all, encoded[4:len(encoded)-4]) // without what depends on the text before and after
	}
	return all
}
