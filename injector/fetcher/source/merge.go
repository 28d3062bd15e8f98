package source

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// merging settles which account each id comes from: the first that has it, in the order of the configuration.
//
// To have it is to have the secret, whatever is in it. So one that Airflow cannot use, or that this pod may not read,
// still hides the one behind it: another account's database under the same name is worse than none. One that holds
// nothing to read (missing, binary, being deleted, undecryptable) does not. SharedSecretsManagerBackend decides the same
// way: it goes on to the shared account where its own look-up returned None, and not where it raised.
type merging struct {
	all     Found
	looked  []string
	holders map[thing]outcome // the first of each thing that hides the others
	wanted  map[thing]bool    // by its id, from an account whose own is hidden
}

// add takes what the next account gave. It fails where not one of its secrets may be read, unless nobody misses them: the
// accounts before it have them all.
func (m *merging) add(a given) error {
	missed := slices.ContainsFunc(a.secrets, func(o outcome) bool { _, held := m.holders[o.thing()]; return !held })
	if a.denied != nil && missed {
		return a.denied
	}
	if a.account.Name != "" {
		m.all.Accounts = append(m.all.Accounts, a.account)
	}
	if a.looked != "" {
		m.looked = append(m.looked, a.looked)
	}
	m.all.addWarnings(a.warnings)
	for _, o := range a.secrets {
		m.addOutcome(o)
	}
	return nil
}

func (m *merging) addOutcome(o outcome) {
	holder, held := m.holders[o.thing()]
	if held {
		m.wanted[o.thing()] = m.wanted[o.thing()] || o.Asked
		if o.failure == nil { // nobody misses what could not be read and is not wanted
			m.all.Collisions = append(m.all.Collisions, contract.Collision{Kind: o.Kind, ID: o.ID, Used: holder.ARN, Hidden: o.ARN})
		}
		return
	}
	if o.failure == nil || o.failure.Code == contract.SecretDenied {
		m.holders[o.thing()] = o
	}
	if o.failure == nil {
		m.all.Secrets = append(m.all.Secrets, o.Secret)
	} else {
		m.all.LeftOut = append(m.all.LeftOut, leftOut(o))
	}
}

// unsettled are the secrets, and what they are read for, that no account so far hides.
func (m *merging) unsettled(asked []entry) []entry {
	var open []entry
	for _, e := range asked {
		e.uses = slices.DeleteFunc(slices.Clone(e.uses), func(u use) bool {
			_, held := m.holders[thing{u.kind, u.id}]
			if held {
				m.wanted[thing{u.kind, u.id}] = true
			}
			return held
		})
		if len(e.uses) > 0 {
			open = append(open, e)
		}
	}
	return open
}

// found is the end of it. What is left out is asked for if any account was asked for it by its id, and none has given it.
func (m *merging) found() Found {
	var missed []LeftOut
	for _, l := range m.all.LeftOut {
		k := thing{l.Kind, l.ID}
		holder, held := m.holders[k]
		given := held && holder.failure == nil
		if given && l.Asked && l.Code == contract.SecretMissing {
			continue // what was asked of each account, and one has given, nobody misses
		}
		l.Asked = (l.Asked || m.wanted[k]) && !given
		missed = append(missed, l)
	}
	m.all.LeftOut = missed
	m.all.Looked = strings.Join(m.looked, "; ")
	m.all.sort()
	return m.all
}

func leftOut(o outcome) LeftOut {
	return LeftOut{contract.LeftOut{Kind: o.Kind, ID: o.ID, Code: o.failure.Code, Sentence: o.failure.Error()}, o.Asked}
}

// addWarnings adds those that no other account has given already.
func (f *Found) addWarnings(warnings []string) {
	for _, warning := range warnings {
		if !slices.Contains(f.Warnings, warning) {
			f.Warnings = append(f.Warnings, warning)
		}
	}
}

func (f *Found) sort() {
	slices.SortStableFunc(f.Secrets, func(a, b Secret) int { return compare(a.Kind, a.ID, b.Kind, b.ID) })
	slices.SortStableFunc(f.LeftOut, func(a, b LeftOut) int { return compare(a.Kind, a.ID, b.Kind, b.ID) })
	slices.SortStableFunc(f.Collisions, func(a, b contract.Collision) int { return compare(a.Kind, a.ID, b.Kind, b.ID) })
}

func compare(aKind contract.Kind, aID string, bKind contract.Kind, bID string) int {
	return cmp.Or(cmp.Compare(aKind, bKind), cmp.Compare(aID, bID))
}
