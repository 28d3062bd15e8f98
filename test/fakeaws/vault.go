package fakeaws

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// vault holds the secrets of one account in one region.
type vault struct {
	account *Account
	region  string
	secrets map[string]*stored // name → secret
	created []*stored          // oldest first
	removed map[string]int     // name → how many secrets of that name have been removed
}

// stored is a secret with its versions.
type stored struct {
	owner       *Account
	name, arn   string
	description string
	kmsKeyID    string // empty: the default key
	tags        []tag
	state       State
	readableBy  []string
	policy      policy     // its resource-based one
	versions    []*version // oldest first
	createdAt   time.Time
	changedAt   time.Time
	accessedAt  time.Time // zero: never
	deletedAt   time.Time // zero: not scheduled for deletion
}

// version is one value of a secret.
type version struct {
	id        string
	text      string
	binary    []byte // nil unless the value is binary
	stages    []string
	createdAt time.Time
}

// The stages, by which AWS tells the versions of a secret apart.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
	pending  = "AWSPENDING"
)

// create adds a secret without versions. There must be none of that name.
func (v *vault) create(name string, now time.Time) *stored {
	s := &stored{owner: v.account, name: name, arn: v.arn(name), createdAt: now, changedAt: now}
	v.secrets[name] = s
	v.created = append(v.created, s)
	return s
}

// arn is that of the next secret of that name.
func (v *vault) arn(name string) string {
	return fmt.Sprintf("%s%s-%s", v.arnPrefix(), name, digest(fmt.Sprintf("%s#%d", name, v.removed[name]), 6))
}

func (v *vault) arnPrefix() string {
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:", v.account.partition, v.region, v.account.id)
}

func (v *vault) remove(name string) {
	secret, ok := v.secrets[name]
	if !ok {
		return
	}
	delete(v.secrets, name)
	v.created = slices.DeleteFunc(v.created, func(s *stored) bool { return s == secret })
	v.removed[name]++
}

// find looks a secret up by name, ARN or partial ARN. It is nil if there is none.
//
// A partial ARN lacks the hyphen and the six characters at the end. AWS takes every ARN that ends in such for a complete
// one, so nothing is found by the partial ARN of a secret called x-abcdef (user guide, "Finding a secret from a partial
// ARN").
func (v *vault) find(id string) *stored {
	name, isARN := strings.CutPrefix(id, v.arnPrefix())
	if !isARN || !arnSuffix.MatchString(name) {
		return v.secrets[name]
	}
	secret := v.secrets[arnSuffix.ReplaceAllString(name, "")]
	if secret == nil || secret.arn != id {
		return nil
	}
	return secret
}

var arnSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// replace gives the secret a new version, and all else that Put was told.
func (s *stored) replace(secret Secret, now time.Time) {
	s.description, s.tags = secret.Description, nil
	for _, key := range slices.Sorted(maps.Keys(secret.Tags)) {
		s.tags = append(s.tags, tag{Key: key, Value: secret.Tags[key]})
	}
	s.state, s.kmsKeyID, s.readableBy = secret.State, secret.KMSKey, slices.Clone(secret.ReadableBy)
	s.deletedAt = time.Time{}
	stage := current
	switch secret.State {
	case BeingDeleted:
		s.deletedAt = now
	case PendingOnly:
		stage, s.versions = pending, nil
	}
	s.add(&version{
		id:     digestUUID(fmt.Sprintf("%s#%d#%s", s.arn, len(s.versions), stage)),
		text:   secret.String,
		binary: slices.Clone(secret.Binary),
	}, []string{stage}, now)
}

// add appends a version and moves the stages to it. The version that loses AWSCURRENT becomes AWSPREVIOUS.
func (s *stored) add(v *version, stages []string, now time.Time) {
	old := s.version("", current)
	for _, stage := range stages {
		s.unlabel(stage)
	}
	if old != nil && slices.Contains(stages, current) {
		s.unlabel(previous)
		old.stages = append(old.stages, previous)
	}
	v.stages, v.createdAt, s.changedAt = slices.Clone(stages), now, now
	s.versions = append(s.versions, v)
}

func (s *stored) unlabel(stage string) {
	for _, v := range s.versions {
		v.stages = slices.DeleteFunc(v.stages, func(have string) bool { return have == stage })
	}
}

// version is the one with that id and that stage, an empty one of which fits every version. It is nil if there is none.
func (s *stored) version(id, stage string) *version {
	for _, v := range s.versions {
		if (id == "" || v.id == id) && (stage == "" || slices.Contains(v.stages, stage)) {
			return v
		}
	}
	return nil
}

func (v *version) sameValue(w *version) bool {
	return v.text == w.text && bytes.Equal(v.binary, w.binary)
}

// stages is version id → stages, of those versions that have any.
func (s *stored) stages() map[string][]string {
	out := map[string][]string{}
	for _, v := range s.versions {
		if len(v.stages) > 0 {
			out[v.id] = slices.Clone(v.stages)
		}
	}
	return out
}

// checkName holds a name against the API model's NameType and the characters that CreateSecret documents.
func checkName(name string) error {
	if err := checkLength("name", len(name), 1, 512); err != nil {
		return err
	}
	if !legalName.MatchString(name) {
		return clientError("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

var legalName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]*$`)
