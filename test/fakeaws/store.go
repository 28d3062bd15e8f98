package fakeaws

import (
	"cmp"
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
	Partition string                   `yaml:"partition"`
	Keys      []storeKey               `yaml:"keys"`
	Roles     []storeRole              `yaml:"roles"`
	KMSKeys   []storeKMSKey            `yaml:"kmsKeys"`
	Deny      []string                 `yaml:"deny"`
	Regions   map[string][]storeSecret `yaml:"regions"`
}

// storeKey is an access key: its id, or a mapping with the policies of its user.
type storeKey struct {
	ID       string           `yaml:"id"`
	Policies []policyDocument `yaml:"policies"` // nil: everything is allowed
}

// UnmarshalYAML reads either form.
func (k *storeKey) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&k.ID) == nil {
		return nil
	}
	type plain storeKey
	return unmarshal((*plain)(k))
}

type storeRole struct {
	Name            string           `yaml:"name"`
	TrustedAccounts []string         `yaml:"trustedAccounts"`
	ExternalID      string           `yaml:"externalID"`
	TrustPolicy     *policyDocument  `yaml:"trustPolicy"`
	Subject         string           `yaml:"subject"`
	Audience        string           `yaml:"audience"`
	Policies        []policyDocument `yaml:"policies"` // nil: everything is allowed
}

type storeKMSKey struct {
	ID     string          `yaml:"id"`
	Region string          `yaml:"region"`
	Policy *policyDocument `yaml:"policy"`
}

type storeSecret struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description"`
	Tags        map[string]string `yaml:"tags"`
	String      *string           `yaml:"string"`
	Binary      *string           `yaml:"binary"` // base64
	State       State             `yaml:"state"`
	KMSKey      string            `yaml:"kmsKey"`
	ReadableBy  []string          `yaml:"readableBy"`
	Policy      *policyDocument   `yaml:"resourcePolicy"`
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
		account, err := s.newAccount(cmp.Or(f.Accounts[id].Partition, "aws"), id)
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
	for i, key := range f.Keys {
		wrong.add(fmt.Sprintf("%s.keys[%d]", place, i), key.put(a))
	}
	for i, role := range f.Roles {
		wrong.add(fmt.Sprintf("%s.roles[%d]", place, i), role.put(a))
	}
	for i, key := range f.KMSKeys {
		wrong.add(fmt.Sprintf("%s.kmsKeys[%d]", place, i), key.put(a))
	}
	for _, region := range slices.Sorted(maps.Keys(f.Regions)) {
		for i, stored := range f.Regions[region] {
			wrong.add(fmt.Sprintf("%s.regions.%s[%d]", place, region, i), stored.put(a, region))
		}
	}
}

func (f storeKey) put(a *Account) error {
	if f.ID == "" {
		return errors.New("id is missing")
	}
	policy, err := identityPolicy(f.Policies)
	a.keys(f.ID, policy)
	return err
}

func (f storeRole) put(a *Account) error {
	policy, err := identityPolicy(f.Policies)
	if err != nil {
		return err
	}
	trust, err := ownPolicy(trustPolicy, f.TrustPolicy)
	if err != nil {
		return err
	}
	_, err = a.declare(Role{
		Name: f.Name, TrustedAccounts: f.TrustedAccounts, ExternalID: f.ExternalID, Subject: f.Subject, Audience: f.Audience,
	}, policy, trust)
	return err
}

func (f storeKMSKey) put(a *Account) error {
	policy, err := ownPolicy(resourceBased, f.Policy)
	if err != nil {
		return err
	}
	_, err = a.kmsKey(f.Region, f.ID, policy)
	return err
}

// identityPolicy is what the documents of a user or a role say: everything where they are not even an empty list.
func identityPolicy(documents []policyDocument) (policy, error) {
	if documents == nil {
		return administrator(), nil
	}
	return checkPolicies(identityBased, documents...)
}

// ownPolicy is what a resource's document says, if it has one.
func ownPolicy(kind policyKind, document *policyDocument) (policy, error) {
	if document == nil {
		return nil, nil
	}
	return checkPolicies(kind, *document)
}

func (f storeSecret) put(a *Account, region string) error {
	if a.vault(region).secrets[f.Name] != nil {
		return fmt.Errorf("secret %q is there already", f.Name)
	}
	secret, err := f.secret()
	if err != nil {
		return err
	}
	policy, err := ownPolicy(resourceBased, f.Policy)
	if err != nil {
		return fmt.Errorf("secret %q: %w", f.Name, err)
	}
	_, err = a.put(region, secret, policy)
	return err
}

func (f storeSecret) secret() (Secret, error) {
	out := Secret{Name: f.Name, Description: f.Description, Tags: f.Tags, State: f.State, KMSKey: f.KMSKey, ReadableBy: f.ReadableBy}
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
