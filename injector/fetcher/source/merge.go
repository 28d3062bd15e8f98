package source

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// merge settles which account each id comes from: the first that has it, in the order of the configuration.
//
// To have it is to have the secret, whatever is in it. So one that Airflow cannot use, or that this pod may not read,
// still hides the one behind it: another account's database under the same name is worse than none. One that holds
// nothing to read (missing, binary, being deleted, undecryptable) does not. SharedSecretsManagerBackend decides the same
// way: it goes on to the shared account where its own look-up returned None, and not where it raised.
func merge(accounts []given) Found {
	type key struct {
		kind contract.Kind
		id   string
	}
	var found Found
	var looked []string
	holders := map[key]outcome{}
	for _, a := range accounts {
		if a.account.Name != "" {
			found.Accounts = append(found.Accounts, a.account)
		}
		if a.looked != "" {
			looked = append(looked, a.looked)
		}
		found.addWarnings(a.warnings)
		for _, o := range a.secrets {
			k := key{o.Kind, o.ID}
			holder, held := holders[k]
			switch {
			case held && o.failure == nil:
				found.Collisions = append(found.Collisions, contract.Collision{Kind: o.Kind, ID: o.ID, Used: holder.ARN, Hidden: o.ARN})
			case held: // nobody misses what could not be read and is not wanted
			case o.failure == nil:
				holders[k] = o
				found.Secrets = append(found.Secrets, o.Secret)
			default:
				if o.failure.Code == contract.SecretDenied {
					holders[k] = o
				}
				found.LeftOut = append(found.LeftOut, leftOut(o))
			}
		}
	}
	for i := range found.LeftOut {
		l := &found.LeftOut[i]
		holder, held := holders[key{l.Kind, l.ID}]
		l.Asked = l.Asked && !(held && holder.failure == nil)
	}
	found.Looked = strings.Join(looked, "; ")
	found.sort()
	return found
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
