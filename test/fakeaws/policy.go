package fakeaws

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file reads IAM policies, and refuses what evaluate.go could not answer for: a statement that is silently passed
// over would let a test prove nothing.

// policy is what one or several policy documents say, ready to be asked.
type policy []statement

// policyDocument is a document as it is written (IAM user guide, "IAM JSON policy element reference").
type policyDocument struct {
	Version   string               `yaml:"Version"`
	ID        string               `yaml:"Id"`
	Statement oneOrMany[statement] `yaml:"Statement"`
}

type statement struct {
	Sid         string            `yaml:"Sid"`
	Effect      string            `yaml:"Effect"` // Allow or Deny
	Principal   *principals       `yaml:"Principal"`
	Action      oneOrMany[string] `yaml:"Action"`
	NotAction   oneOrMany[string] `yaml:"NotAction"`
	Resource    oneOrMany[string] `yaml:"Resource"`
	NotResource oneOrMany[string] `yaml:"NotResource"`
	// Condition is operator → condition key → values.
	Condition map[string]map[string]oneOrMany[string] `yaml:"Condition"`

	conditions []condition // what Condition says
}

// oneOrMany is a list that may be written without brackets where it has one element.
type oneOrMany[T any] []T

// UnmarshalYAML reads either form. It is the older of the decoder's two interfaces, in which the inner values are decoded
// as strictly as the outer ones.
func (m *oneOrMany[T]) UnmarshalYAML(unmarshal func(any) error) error {
	var written any
	if err := unmarshal(&written); err != nil {
		return err
	}
	if _, isList := written.([]any); isList {
		return unmarshal((*[]T)(m))
	}
	*m = make([]T, 1)
	return unmarshal(&(*m)[0])
}

// principals are whom a statement of a resource's policy is about: "*", or accounts and the ARNs of users, roles and
// sessions under the key AWS.
type principals struct {
	AWS oneOrMany[string] `yaml:"AWS"`
}

// UnmarshalYAML reads either form.
func (p *principals) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(new(string)) == nil {
		return unmarshal(&p.AWS)
	}
	type plain principals
	return unmarshal((*plain)(p))
}

// policyKind is what a policy is attached to, which decides on the elements that it has.
type policyKind struct {
	name                    string // as AWS's messages have it
	hasPrincipal, hasTarget bool   // whether statements say who is concerned, and which resource
}

var (
	identityBased = policyKind{name: "identity-based policy", hasTarget: true}
	resourceBased = policyKind{name: "resource-based policy", hasPrincipal: true, hasTarget: true}
	trustPolicy   = policyKind{name: "role trust policy", hasPrincipal: true}
)

// parsePolicies reads documents of one kind, as JSON.
func parsePolicies(kind policyKind, texts ...string) (policy, error) {
	var documents []policyDocument
	for i, text := range texts {
		document, err := parsePolicyDocument(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s %d of %d: %w", kind.name, i+1, len(texts), err)
		}
		documents = append(documents, document)
	}
	return checkPolicies(kind, documents...)
}

// parseOwnPolicy reads the one document that a resource may have; the policy is nil where it has none.
func parseOwnPolicy(kind policyKind, text string) (policy, error) {
	if text == "" {
		return nil, nil
	}
	return parsePolicies(kind, text)
}

// parsePolicyDocument reads JSON, and nothing else, by the decoder of the store: it knows unknown, repeated and
// miswritten elements, which encoding/json passes over.
func parsePolicyDocument(text string) (policyDocument, error) {
	var out policyDocument
	if err := json.Unmarshal([]byte(text), new(any)); err != nil {
		return out, fmt.Errorf("expected a JSON object: %w", err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&out); err != nil {
		return out, plainYAML(err)
	}
	return out, nil
}

// checkPolicies holds documents against the grammar (IAM user guide, "Grammar of the IAM JSON policy language").
func checkPolicies(kind policyKind, documents ...policyDocument) (policy, error) {
	out := policy{}
	for i, document := range documents {
		if err := document.check(kind); err != nil {
			return nil, fmt.Errorf("%s %d of %d: %w", kind.name, i+1, len(documents), err)
		}
		out = append(out, document.Statement...)
	}
	return out, nil
}

func (d policyDocument) check(kind policyKind) error {
	if d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return fmt.Errorf("the Version is %q, expected 2012-10-17", d.Version)
	}
	if d.Statement == nil {
		return errors.New("there is no Statement, expected a list, which may be empty")
	}
	var wrong []error
	sids := map[string]bool{}
	for i := range d.Statement {
		s := &d.Statement[i]
		if s.Sid != "" && sids[s.Sid] {
			wrong = append(wrong, fmt.Errorf("the Sid %q is there twice, expected each once", s.Sid))
		}
		sids[s.Sid] = true
		if err := s.check(kind); err != nil {
			wrong = append(wrong, fmt.Errorf("statement %d: %w", i+1, err))
		}
	}
	return errors.Join(wrong...)
}

func (s *statement) check(kind policyKind) error {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return fmt.Errorf("the Effect is %q, expected Allow or Deny", s.Effect)
	}
	if !kind.hasPrincipal && !legalSid.MatchString(s.Sid) {
		return fmt.Errorf("the Sid is %q, expected letters and digits only", s.Sid)
	}
	if kind.hasPrincipal != (s.Principal != nil) {
		return fmt.Errorf("it has a Principal: %v, expected: %v in a %s", s.Principal != nil, kind.hasPrincipal, kind.name)
	}
	if err := s.Principal.check(); err != nil {
		return err
	}
	if err := checkPatterns("Action", s.Action, s.NotAction, actionPattern); err != nil {
		return err
	}
	switch {
	case kind.hasTarget:
		if err := checkPatterns("Resource", s.Resource, s.NotResource, resourcePattern); err != nil {
			return err
		}
	case s.Resource != nil || s.NotResource != nil:
		return fmt.Errorf("it has a Resource, expected none in a %s, which is about its role", kind.name)
	}
	var err error
	s.conditions, err = parseConditions(s.Condition)
	return err
}

func (p *principals) check() error {
	if p == nil {
		return nil
	}
	if len(p.AWS) == 0 {
		return errors.New("the Principal is empty, expected * or AWS")
	}
	for _, one := range p.AWS {
		if !principalPattern.MatchString(one) {
			return fmt.Errorf("the Principal is %q, expected *, an account's id, or the ARN of an account's root, a user, a role or a session", one)
		}
	}
	return nil
}

// checkPatterns holds the patterns of an element, or of the element with Not before it, against what is legal there.
func checkPatterns(element string, is, not []string, legal *regexp.Regexp) error {
	if (len(is) > 0) == (len(not) > 0) {
		return fmt.Errorf("it has both %[1]s and Not%[1]s, or neither, expected one of them", element)
	}
	for _, pattern := range slices.Concat(is, not) {
		if !legal.MatchString(pattern) || strings.Contains(pattern, "${") {
			return fmt.Errorf("the %s is %q, expected * or %s, without policy variables", element, pattern, legalPatterns[element])
		}
	}
	return nil
}

var (
	legalSid         = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	actionPattern    = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$`)
	resourcePattern  = regexp.MustCompile(`^(\*|arn:[^:]+:[^:]+:.+)$`)
	principalPattern = regexp.MustCompile(`^(\*|[0-9]{12}|arn:[a-z-]+:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role)/[^*?]+))$`)
	// legalPatterns is element → what is legal there, in words.
	legalPatterns = map[string]string{"Action": "one such as secretsmanager:GetSecretValue", "Resource": "an ARN"}
)

// parseConditions reads the conditions of a statement, all of which must hold.
func parseConditions(written map[string]map[string]oneOrMany[string]) ([]condition, error) {
	var out []condition
	for _, name := range slices.Sorted(maps.Keys(written)) {
		operator, ifExists, err := parseOperator(name)
		if err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(written[name])) {
			c := condition{operator: operator, ifExists: ifExists, key: strings.ToLower(key), values: written[name][key]}
			if err := checkConditionKey(key); err != nil {
				return nil, err
			}
			if err := checkConditionValues(name, c.values); err != nil {
				return nil, fmt.Errorf("the condition key %s: %w", key, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func checkConditionValues(operator string, values []string) error {
	if len(values) == 0 {
		return errors.New("there is no value, expected at least one")
	}
	for _, value := range values {
		switch {
		case strings.Contains(value, "${"):
			return fmt.Errorf("the value is %q, expected one without policy variables", value)
		case strings.HasPrefix(operator, "Arn") && strings.Count(value, ":") < arnParts-1:
			return fmt.Errorf("the value is %q, expected the %d parts of an ARN", value, arnParts)
		}
	}
	return nil
}
