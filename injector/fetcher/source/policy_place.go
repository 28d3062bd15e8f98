package source

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// This file says what the policies are about: which secrets and keys, and who asks for them.

// where is the place of one account's secrets.
type where struct {
	partition, region, account string
	keys                       []string // customer-managed ones, as far as they are told
	byARN                      bool
	pod, reader                identity // reader is the role that the pod assumes for this account, or the pod itself
}

// identity is a user or a role of IAM.
type identity struct {
	account string // empty where it is not known
	arn     string // as a policy names it
}

func (p Place) of(a contract.Account) where {
	w := where{keys: outermost(p.KMSKeys), byARN: a.ByARN()}
	if a.Name == contract.SharedAccount {
		w.keys = outermost(p.SharedKMSKeys)
	}
	pod, role := p.Principal, ""
	if a.WebIdentity != nil {
		pod = a.WebIdentity.RoleARN
	}
	if a.Role != nil {
		role = a.Role.ARN
	}
	region := cmp.Or(a.Region, p.Region)
	if w.partition = partitionOf(region); region == "" {
		w.partition = cmp.Or(partitionIn(role), partitionIn(pod), "aws")
	}
	w.pod = identityIn(pod, w.partition, p.Account)
	if w.reader = w.pod; role != "" {
		w.reader = identityIn(role, w.partition, p.Account)
	}
	w.region, w.account = cmp.Or(region, "*"), cmp.Or(w.reader.account, "*")
	if w.byARN {
		w.account = a.ID
	}
	return w
}

// identityIn is the one with that ARN, or any of an account.
func identityIn(arn, partition, account string) identity {
	if arn == "" {
		return identity{account: account, arn: "arn:" + partition + ":iam::" + cmp.Or(account, UnknownAccount) + ":root"}
	}
	return identity{account: contract.AccountOf(arn), arn: arn}
}

// partitionIn is the part of AWS that an ARN is of; empty where there is none.
func partitionIn(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return parts[1]
}

// secrets are the ARNs of all that is wanted of one of the accounts, as a policy names them.
func (w where) secrets(c contract.Config, at int) []string {
	var arns []string
	a := c.Accounts[at]
	for _, k := range a.Kinds() {
		prefix := k.SecretPrefix(a.Separator)
		if k.Discovers() {
			arns = append(arns, w.secret(prefix)+"*")
		}
		for _, id := range k.IDs {
			mayMiss := c.OnMissing == contract.Warn && k.Kind != contract.Options // Airflow does not start without an option
			mayLack := !w.byARN && (mayMiss || isElsewhere(c, at, k.Kind, id))
			arns = append(arns, w.named(prefix+id, mayLack)...)
		}
	}
	for _, f := range a.Files {
		switch {
		case !strings.HasPrefix(f.Secret, "arn:"):
			arns = append(arns, w.named(f.Secret, c.OnMissing == contract.Warn)...)
		case completeARN.MatchString(f.Secret):
			arns = append(arns, f.Secret)
		default:
			arns = append(arns, f.Secret+anySuffix)
		}
	}
	return outermost(arns)
}

// isElsewhere says whether another account is asked for the same thing, so that this one may lack it.
func isElsewhere(c contract.Config, at int, kind contract.Kind, id string) bool {
	for i, a := range c.Accounts {
		for _, k := range a.Kinds() {
			if i != at && k.Kind == kind && (k.Discovers() || slices.Contains(k.IDs, id)) {
				return true
			}
		}
	}
	return false
}

// anySuffix stands for the hyphen and the six characters that AWS puts behind a secret's name in its ARN.
const anySuffix = "-??????"

// named is one secret by its name. AWS asks for permission before it looks, so of one that is not there it says so only to
// whom the bare name is allowed, and to others that it is denied. Another account's it denies in any case: there is no
// secret whose policy would allow it.
func (w where) named(name string, mayLack bool) []string {
	arns := []string{w.secret(name) + anySuffix}
	if mayLack {
		arns = append(arns, w.secret(name))
	}
	return arns
}

// secret is the ARN of a secret without what follows its name.
func (w where) secret(name string) string {
	return "arn:" + w.partition + ":secretsmanager:" + w.region + ":" + w.account + ":secret:" + literal.Replace(name)
}

// literal makes a name stand for itself in a pattern (IAM user guide, "Policy variables", special characters). A prefix
// may have any character, though the names of secrets have none of these.
var literal = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// regionsOf are those in the ARNs of secrets, where * is any.
func regionsOf(arns []string) []string {
	var regions []string
	for _, arn := range arns {
		if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
			regions = append(regions, parts[3])
		}
	}
	return regions
}

// foreign are those secrets or keys that are of another account than whoever reads.
func (w where) foreign(arns []string) []string {
	var foreign []string
	for _, arn := range arns {
		if w.isForeign(arn) {
			foreign = append(foreign, arn)
		}
	}
	return foreign
}

func (w where) isForeign(arn string) bool {
	owner := contract.AccountOf(arn)
	if w.reader.account == "" {
		return w.byARN // or else nothing is known of either
	}
	return owner != "" && owner != w.reader.account
}

// keysOf are the keys that encrypt the secrets. Those that another account reads have one, whether it is told or not: with
// the account's default key, nobody else can read them.
func (w where) keysOf(secrets []string) []string {
	foreign := w.foreign(secrets)
	if len(foreign) == 0 || w.byARN && len(w.keys) > 0 || slices.ContainsFunc(w.keys, w.isForeign) {
		return w.keys
	}
	parts := strings.SplitN(foreign[0], ":", 6)
	return append(slices.Clone(w.keys), strings.Join([]string{"arn", parts[1], "kms", parts[3], parts[4], "key/" + UnknownKey}, ":"))
}

// outermost drops what another one covers, and what is there twice. The order stays.
func outermost(arns []string) []string {
	var kept []string
	for _, arn := range arns {
		covered := slices.ContainsFunc(arns, func(other string) bool {
			start, isPattern := strings.CutSuffix(other, "*")
			return isPattern && other != arn && strings.HasPrefix(arn, start)
		})
		if !covered && !slices.Contains(kept, arn) {
			kept = append(kept, arn)
		}
	}
	return kept
}
