package source

import (
	"fmt"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/contract/pattern"
)

// rule is one kind of Airflow's things that an account is asked for.
type rule struct {
	kind contract.Kind
	// prefix of the names of its secrets, separator included; the rest of a name is the id.
	prefix string
	// ids to read. Where it discovers instead, all below the prefix that match the pattern are read; a nil one matches any.
	ids       []string
	discovers bool
	pattern   *pattern.Pattern
}

// rulesOf lists the kinds that are not turned off.
func rulesOf(a contract.Account) ([]rule, error) {
	var rules []rule
	for _, k := range a.Kinds() {
		r := rule{kind: k.Kind, prefix: k.SecretPrefix(a.Separator), ids: k.IDs, discovers: k.Discovers()}
		if k.Pattern != "" && r.discovers {
			var err error
			if r.pattern, err = pattern.Compile(k.Pattern); err != nil {
				return nil, &contract.Error{Code: contract.InvalidConfig, Detail: fmt.Sprintf("the pattern of the %s: expected", k.Kind), Err: err}
			}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// finds gives the id of a secret that was listed, if it is wanted.
func (r rule) finds(name string) (id string, wanted bool) {
	id, below := strings.CutPrefix(name, r.prefix)
	return id, below && r.discovers && (r.pattern == nil || r.pattern.Matches(id))
}

// String says where the things are looked for.
func (r rule) String() string {
	text := string(r.kind) + " under " + r.prefix
	if r.prefix == "" {
		text = string(r.kind) + " without a prefix"
	}
	switch {
	case !r.discovers:
		text += fmt.Sprintf(" (%d by id)", len(r.ids))
	case r.pattern != nil:
		text += " (ids that match " + r.pattern.String() + ")"
	}
	return text
}

// entry is one secret to read, and all that it is read for.
type entry struct {
	// id is what AWS is asked for. One that was listed is asked for by its ARN: a name that ends in a hyphen and six
	// characters can be mistaken for an ARN's end.
	id     string
	name   string // without the account; for people
	region string // empty: the session's
	key    string // ARN of the KMS key, where a listing told of one
	uses   []use  // at least one; either all of them are asked for or none
}

// use is one thing that a secret is read for.
type use struct {
	kind  contract.Kind
	id    string
	asked bool // by its id, or as a file
	// member of the JSON object in the secret, wanted alone. Empty: the whole.
	member string
}

func (e entry) asked() bool { return e.uses[0].asked }

// entries are collected so that each secret is there once, whatever it is read for, in the order in which they came.
type entries struct {
	list []entry
	at   map[string]int // id → index in list
}

// add wants a secret for one thing more.
func (es *entries) add(e entry, u use) {
	if es.at == nil {
		es.at = map[string]int{}
	}
	i, known := es.at[e.id]
	if !known {
		i = len(es.list)
		es.at[e.id] = i
		es.list = append(es.list, e)
	}
	es.list[i].uses = append(es.list[i].uses, u)
}
