package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file asks policies (IAM user guide, "Policy evaluation logic").

// question is what policies are asked: whether the caller may do that.
type question struct {
	caller   *principal
	action   string            // such as "secretsmanager:GetSecretValue"
	resource string            // its ARN, or "*" for an action that is not about single resources
	context  map[string]string // condition key, in lower case → its value in this call
}

// verdict is what a policy says to a question. Of several, the greatest stands.
type verdict int

const (
	// silent: no statement allows it, which denies it, unless another policy allows it.
	silent verdict = iota
	// delegated: a resource's policy allows it to the caller's account. The identity-based policies there decide.
	delegated
	// granted: allowed to this caller.
	granted
	// forbidden: denied by a statement, whatever another one says.
	forbidden
)

func (p policy) ask(q question) verdict {
	out := silent
	for _, s := range p {
		out = max(out, s.ask(q))
	}
	return out
}

func (s *statement) ask(q question) verdict {
	reach := s.Principal.reach(q.caller)
	switch {
	case reach == silent || !s.covers(q) || slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(q.context) }):
		return silent
	case s.Effect == "Deny":
		return forbidden
	}
	return reach
}

// covers says whether the statement is about the action and the resource. The case of an action does not matter, that of
// a resource does.
func (s *statement) covers(q question) bool {
	action := strings.ToLower(q.action)
	fitsAction := func(pattern string) bool { return glob(strings.ToLower(pattern), action) }
	fitsResource := func(pattern string) bool { return glob(pattern, q.resource) }
	if slices.ContainsFunc(s.NotAction, fitsAction) || slices.ContainsFunc(s.NotResource, fitsResource) {
		return false
	}
	return (s.Action == nil || slices.ContainsFunc(s.Action, fitsAction)) &&
		(s.Resource == nil || slices.ContainsFunc(s.Resource, fitsResource))
}

// reach is how directly the caller is meant: not at all, as one of an account, or as such. An identity-based policy, which
// has no Principal, is about whom it is attached to.
func (p *principals) reach(caller *principal) verdict {
	if p == nil {
		return granted
	}
	account := caller.account
	out := silent
	for _, one := range p.AWS {
		switch one {
		case "*", caller.arn, caller.identityARN():
			return granted
		case account.id, account.iamARN("root"):
			out = delegated
		}
	}
	return out
}

// condition is one key of a statement's Condition.
type condition struct {
	operator operator
	ifExists bool
	key      string // in lower case: the case of a key does not matter
	values   []string
}

// holds says whether any of the values fits; with a negated operator, whether none does. A key that the call does not
// have fits nothing (IAM user guide, "IAM JSON policy elements: Condition operators").
func (c condition) holds(context map[string]string) bool {
	have, ok := context[c.key]
	if !ok && c.ifExists {
		return true
	}
	fits := ok && slices.ContainsFunc(c.values, func(value string) bool { return c.operator.fits(value, have) })
	return fits != c.operator.negated
}

// operator compares a value of a condition, which may be a pattern, with what the call has.
type operator struct {
	fits    func(value, have string) bool
	negated bool
}

var operators = map[string]operator{
	"StringEquals":              {equal, false},
	"StringNotEquals":           {equal, true},
	"StringEqualsIgnoreCase":    {strings.EqualFold, false},
	"StringNotEqualsIgnoreCase": {strings.EqualFold, true},
	"StringLike":                {glob, false},
	"StringNotLike":             {glob, true},
	"ArnEquals":                 {globARN, false}, // is the same as ArnLike, wildcards and all
	"ArnLike":                   {globARN, false},
	"ArnNotEquals":              {globARN, true},
	"ArnNotLike":                {globARN, true},
	"Bool":                      {strings.EqualFold, false},
}

func parseOperator(name string) (o operator, ifExists bool, err error) {
	name, ifExists = strings.CutSuffix(name, "IfExists")
	o, ok := operators[name]
	if !ok {
		return o, ifExists, fmt.Errorf("the condition operator is %q, expected one of %q, which IfExists may follow",
			name, slices.Sorted(maps.Keys(operators)))
	}
	return o, ifExists, nil
}

// conditionKeys are the keys that authorize.go fills in where they apply. Behind a slash comes the key of a tag.
var conditionKeys = []string{
	"aws:PrincipalAccount", "aws:PrincipalArn", "aws:RequestedRegion", "aws:ResourceAccount", "aws:ResourceTag/",
	"aws:ViaAWSService", "kms:CallerAccount", "kms:EncryptionContext:SecretARN", "kms:EncryptionContext:SecretVersionId",
	"kms:ViaService", "secretsmanager:ResourceTag/", "secretsmanager:SecretId", "sts:ExternalId", "sts:RoleSessionName",
}

func checkConditionKey(key string) error {
	known := slices.ContainsFunc(conditionKeys, func(known string) bool {
		if tag, ok := strings.CutSuffix(known, "/"); ok {
			name, key, _ := strings.Cut(key, "/")
			return strings.EqualFold(name, tag) && key != ""
		}
		return strings.EqualFold(key, known)
	})
	if !known {
		return fmt.Errorf("the condition key is %q, expected one of %q", key, conditionKeys)
	}
	return nil
}

func equal(value, have string) bool { return value == have }

// arnParts is how many parts an ARN has: arn, partition, service, region, account and what is there, in which colons are
// nothing special.
const arnParts = 6

// globARN compares the parts of ARNs one by one: unlike in glob, an asterisk ends at a colon. The pattern has all parts.
func globARN(pattern, arn string) bool {
	patterns, parts := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	for i, part := range parts {
		if !glob(patterns[i], part) {
			return false
		}
	}
	return len(parts) == arnParts
}

// glob says whether a text fits a pattern, in which * is any text, the empty one too, and ? is any one character.
func glob(pattern, text string) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for rest := i; rest <= len(text); rest++ {
				if glob(pattern[i+1:], text[rest:]) {
					return true
				}
			}
			return false
		case i == len(text) || pattern[i] != '?' && pattern[i] != text[i]:
			return false
		}
	}
	return len(pattern) == len(text)
}
