package source

import (
	"encoding/json"
	"reflect"
	"slices"
)

// Policy is a policy of IAM, which encoding/json writes as IAM takes it.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement allows actions on resources.
type Statement struct {
	Sid    string
	Effect string
	// Principal is to whom, in the policies of roles, secrets and keys.
	Principal *Principal `json:",omitempty"`
	Action    []string
	Resource  []string                       `json:",omitempty"` // none in a role's trust policy
	Condition map[string]map[string][]string `json:",omitempty"` // operator → condition key → values
}

// Principal names identities by their ARNs.
type Principal struct{ AWS []string }

// MaxPolicySize is the size of the largest managed policy that IAM takes (IAM user guide, "IAM and AWS STS quotas").
const MaxPolicySize = 6144

// Size counts characters as IAM does: white space outside of texts is none.
func (p Policy) Size() int {
	text, err := json.Marshal(p)
	if err != nil {
		return 0 // there is nothing in a policy that JSON does not have
	}
	return len(text)
}

func newPolicy(statements ...Statement) Policy {
	return Policy{Version: "2012-10-17", Statement: statements}
}

// allow adds a statement to the policy of an identity, which is made on first use. What another account has brought for the
// same reason becomes larger, unless its condition is another.
func allow(all []Document, identity Document, s Statement) []Document {
	s.Effect = "Allow"
	at := slices.IndexFunc(all, func(d Document) bool { return d.Kind == identity.Kind && slices.Equal(d.Of, identity.Of) })
	if at < 0 {
		identity.Policy = newPolicy(s)
		return append(all, identity)
	}
	policy := &all[at].Policy
	for i := range policy.Statement {
		switch known := &policy.Statement[i]; {
		case known.Sid != s.Sid:
		case reflect.DeepEqual(known.Condition, s.Condition):
			known.Action = outermost(slices.Concat(known.Action, s.Action))
			known.Resource = outermost(slices.Concat(known.Resource, s.Resource))
			return all
		default:
			s.Sid += "More" // each Sid may be there once
		}
	}
	policy.Statement = append(policy.Statement, s)
	return all
}

// attach adds the policy that each of those resources needs, if there are any. Resources with the same one share a document.
func attach(all []Document, kind DocumentKind, of []string, s Statement) []Document {
	s.Effect = "Allow"
	d := Document{Kind: kind, Of: of, Policy: newPolicy(s)}
	if len(of) == 0 {
		return all
	}
	for i := range all {
		if all[i].Kind == kind && reflect.DeepEqual(all[i].Policy, d.Policy) {
			all[i].Of = outermost(slices.Concat(all[i].Of, of))
			return all
		}
	}
	return append(all, d)
}
