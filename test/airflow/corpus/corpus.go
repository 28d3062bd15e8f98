// Package corpus holds the values of secrets that tell right from almost right, and what each must become. The unit
// tests of package airflow and the differential check against the real Airflow read the same ones.
package corpus

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed corpus.yaml
var text []byte

// Corpus is all the values, in the order of corpus.yaml.
type Corpus struct {
	Connections []Secret
	Variables   []Secret
}

// Secret is one secret, and what is expected of it. Exactly one of Token, LeftOut and Unchanged says what.
type Secret struct {
	// Name is the Airflow id: what stands in the secret's name after the prefix and the separator.
	Name string
	// Value is the text, Parts a longer one in pieces, Binary a secret of bytes in base64.
	Value  string
	Parts  []Part
	Binary string
	// State is one of fakeaws.States, or empty.
	State string
	// Token is what must stand for the value in the file.
	Token string
	// LeftOut is the contract.Code of a value that must not be in the file, or Unlisted; Because is a part of what is said
	// of it.
	LeftOut string `yaml:"leftOut"`
	Because string
	// Unchanged: what must stand in the file is the JSON string of the value as it is.
	Unchanged bool `yaml:"-"`
	// Feature is the tuple of the parts that a generated value is made of, empty of a value of corpus.yaml. Of a generated
	// value nothing is expected: what the real Airflow says is right.
	Feature string `yaml:"-"`

	labels []string // the parts of a generated value
}

// Unlisted is the LeftOut of a secret that nobody asks for, so that nobody reports it.
const Unlisted = "unlisted"

// Part is a piece of a value, repeated.
type Part struct {
	Text  string
	Times int
}

// Text is the value of a secret that is not binary.
func (s Secret) Text() string {
	var b strings.Builder
	b.WriteString(s.Value)
	for _, p := range s.Parts {
		b.WriteString(strings.Repeat(p.Text, max(p.Times, 1)))
	}
	return b.String()
}

// Bytes is the value of a binary secret, nil of any other.
func (s Secret) Bytes() []byte {
	if s.Binary == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(s.Binary)
	if err != nil {
		panic(fmt.Sprintf("corpus.yaml: binary of %s: %v", s.Name, err))
	}
	return b
}

// Read reads corpus.yaml, strictly.
func Read() (Corpus, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var c Corpus
	if err := decoder.Decode(&c); err != nil {
		return Corpus{}, fmt.Errorf("reading corpus.yaml: %w", err)
	}
	return c, errors.Join(check("connections", c.Connections), check("variables", c.Variables))
}

// check fills in Unchanged and refuses a name that is given twice and an entry that expects two things.
func check(kind string, secrets []Secret) error {
	seen := map[string]bool{}
	for i := range secrets {
		s := &secrets[i]
		if s.Name == "" || seen[s.Name] {
			return fmt.Errorf("corpus.yaml: %s[%d] has the name %q, expected one of its own", kind, i, s.Name)
		}
		if s.Token != "" && s.LeftOut != "" {
			return fmt.Errorf("corpus.yaml: %s %s has a token and is left out, expected one of both", kind, s.Name)
		}
		seen[s.Name] = true
		s.Unchanged = s.Token == "" && s.LeftOut == ""
	}
	return nil
}
