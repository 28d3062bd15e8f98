package fakeaws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Load makes a server from a store: a YAML document whose format is in README.md. It is strict: an unknown key is an
// error that names it, and so is a state, an effect or an operation that there is not.
func Load(r io.Reader) (*Server, error) {
	var store storeFile
	decoder := yaml.NewDecoder(r)
	decoder.KnownFields(true)
	if err := decoder.Decode(&store); err != nil && !errors.Is(err, io.EOF) {
		return nil, plainYAML(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the store goes on after its first YAML document, expected one document")
	}
	if len(store.Accounts) == 0 {
		return nil, errors.New(`accounts is empty, expected at least one, such as "111122223333"`)
	}
	s := New()
	return s, store.fill(s)
}

type storeFile struct {
	Accounts map[string]storeAccount `yaml:"accounts"`
	Troubles []storeTrouble          `yaml:"troubles"`
	Quotas   map[string]int          `yaml:"quotas"`
	Paging   storePaging             `yaml:"paging"`
}

type storeAccount struct {
	Keys    []string                 `yaml:"keys"`
	Roles   []storeRole              `yaml:"roles"`
	Deny    []string                 `yaml:"deny"`
	Regions map[string][]storeSecret `yaml:"regions"`
}

type storeRole struct {
	Name            string   `yaml:"name"`
	TrustedAccounts []string `yaml:"trustedAccounts"`
	ExternalID      string   `yaml:"externalID"`
	Subject         string   `yaml:"subject"`
	Audience        string   `yaml:"audience"`
}

type storeSecret struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description"`
	Tags        map[string]string `yaml:"tags"`
	String      *string           `yaml:"string"`
	Binary      *string           `yaml:"binary"` // base64
	State       State             `yaml:"state"`
	ReadableBy  []string          `yaml:"readableBy"`
}

type storeTrouble struct {
	Operation string        `yaml:"operation"`
	Account   string        `yaml:"account"`
	Secret    string        `yaml:"secret"`
	Calls     int           `yaml:"calls"`
	Latency   time.Duration `yaml:"latency"`
	Effect    Effect        `yaml:"effect"`
}

type storePaging struct {
	Size  int `yaml:"size"`
	Empty int `yaml:"empty"`
}

// mistakes are what is wrong with a store, each with its place in it. All are told at once.
type mistakes []error

func (m *mistakes) add(place string, err error) {
	if err != nil {
		*m = append(*m, fmt.Errorf("%s: %w", place, err))
	}
}

// fill puts the store into a new server.
func (f storeFile) fill(s *Server) error {
	var wrong mistakes
	for _, id := range slices.Sorted(maps.Keys(f.Accounts)) {
		place := "accounts." + id
		account, err := s.account(id)
		if err != nil {
			wrong.add(place, err)
			continue
		}
		f.Accounts[id].fill(account, place, &wrong)
	}
	for i, t := range f.Troubles {
		ordered := &trouble{Trouble: Trouble(t)}
		wrong.add(fmt.Sprintf("troubles[%d]", i), ordered.check())
		s.troubles = append(s.troubles, ordered)
	}
	for _, operation := range slices.Sorted(maps.Keys(f.Quotas)) {
		wrong.add("quotas", checkOperation(operation))
		s.quotas[operation] = f.Quotas[operation]
	}
	s.paging = Paging(f.Paging)
	return errors.Join(wrong...)
}

func (f storeAccount) fill(a *Account, place string, wrong *mistakes) {
	for _, operation := range f.Deny {
		wrong.add(place+".deny", checkOperation(operation))
		a.denied[operation] = true
	}
	for _, id := range f.Keys {
		a.Keys(id)
	}
	for i, role := range f.Roles {
		if role.Name == "" {
			wrong.add(fmt.Sprintf("%s.roles[%d]", place, i), errors.New("name is missing"))
		}
		a.Role(Role(role))
	}
	for _, region := range slices.Sorted(maps.Keys(f.Regions)) {
		for i, stored := range f.Regions[region] {
			wrong.add(fmt.Sprintf("%s.regions.%s[%d]", place, region, i), stored.put(a, region))
		}
	}
}

func (f storeSecret) put(a *Account, region string) error {
	if a.vault(region).secrets[f.Name] != nil {
		return fmt.Errorf("secret %q is there already", f.Name)
	}
	secret, err := f.secret()
	if err != nil {
		return err
	}
	_, err = a.put(region, secret)
	return err
}

func (f storeSecret) secret() (Secret, error) {
	out := Secret{Name: f.Name, Description: f.Description, Tags: f.Tags, State: f.State, ReadableBy: f.ReadableBy}
	switch {
	case (f.String == nil) == (f.Binary == nil):
		return out, fmt.Errorf("secret %q has both string and binary, or neither; expected one of them", f.Name)
	case f.String != nil:
		out.String = *f.String
		return out, nil
	}
	binary, err := base64.StdEncoding.DecodeString(*f.Binary)
	if err != nil {
		return out, fmt.Errorf("secret %q: reading binary: %w, expected base64", f.Name, err)
	}
	out.Binary = binary
	return out, nil
}

// plainYAML says in the words of the store what the decoder says in those of Go types.
func plainYAML(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	var out []error
	for _, text := range wrong.Errors {
		out = append(out, errors.New(unknownField.ReplaceAllString(text, `unknown key "$1"`)))
	}
	return errors.Join(out...)
}

var unknownField = regexp.MustCompile(`field (.+) not found in type \S+`)
