package source

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Grant is what one identity must be allowed, and no more.
type Grant struct {
	// Role is the ARN of a role that the pod's identity assumes. Empty: that identity itself.
	Role   string
	Policy Policy
}

// Place is what a configuration leaves open, as far as it is known where the secrets are. An empty region or account
// stands as * in ARNs.
type Place struct {
	Region  string // of an account that names none
	Account string // id of twelve digits, where no role tells it
	// KMSKeys are the ARNs of the customer-managed keys that encrypt secrets.
	KMSKeys []string
}

// LeastPolicies are the policies under which Gather reads all that the configuration wants: the pod's identity first, then
// each role that it assumes. An identity that needs nothing is not among them.
func LeastPolicies(c contract.Config, place Place) []Grant {
	var grants []Grant
	for _, a := range c.Accounts {
		needed := place.of(a).reading(c, a)
		if len(needed) == 0 {
			continue
		}
		reader := ""
		if a.Role != nil {
			reader = a.Role.ARN
			grants = allow(grants, "", Statement{Sid: "AirflowSecretsRole", Action: []string{"sts:AssumeRole"}, Resource: []string{reader}})
		}
		for _, s := range needed {
			grants = allow(grants, reader, s)
		}
	}
	return grants
}

// reading is what the account's secrets take: see discover.go and read.go. Each statement is needed.
func (w where) reading(c contract.Config, a contract.Account) []Statement {
	resources := w.secrets(c, a)
	if len(resources) == 0 {
		return nil
	}
	var statements []Statement
	if actions := callsOnAll(c.Read, kinds(a)); len(actions) > 0 {
		statements = append(statements, Statement{Sid: "AirflowSecretsCalls", Action: actions, Resource: []string{"*"}})
	}
	statements = append(statements, Statement{Sid: "AirflowSecretsValues", Action: []string{"secretsmanager:GetSecretValue"}, Resource: resources})
	if len(w.keys) > 0 {
		statements = append(statements, Statement{Sid: "AirflowSecretsKeys", Action: []string{"kms:Decrypt"}, Resource: w.keys, Condition: w.viaSecretsManager(a)})
	}
	return statements
}

// callsOnAll are the actions that cannot be narrowed: AWS refuses statements for them that name anything but *. What is
// asked for by id takes none, unless the mode is batch; files never do.
func callsOnAll(mode contract.Read, wanted []contract.Names) []string {
	var actions []string
	discovers := slices.ContainsFunc(wanted, func(n contract.Names) bool { return len(n.IDs) == 0 })
	if discovers {
		actions = append(actions, "secretsmanager:ListSecrets")
	}
	if mode == contract.ReadBatch && len(wanted) > 0 || mode == contract.ReadAuto && discovers {
		actions = append(actions, "secretsmanager:BatchGetSecretValue")
	}
	return actions
}

// secrets are the ARNs of all that is wanted, as a policy names them.
func (w where) secrets(c contract.Config, a contract.Account) []string {
	var arns []string
	for _, n := range kinds(a) {
		prefix := n.SecretPrefix(a.Separator)
		if len(n.IDs) == 0 {
			arns = append(arns, w.secret(prefix)+"*")
		}
		for _, id := range n.IDs {
			arns = append(arns, w.named(c, prefix+id)...)
		}
	}
	for _, f := range a.Files {
		switch {
		case !strings.HasPrefix(f.Secret, "arn:"):
			arns = append(arns, w.named(c, f.Secret)...)
		case completeARN.MatchString(f.Secret):
			arns = append(arns, f.Secret)
		default:
			arns = append(arns, f.Secret+anySuffix)
		}
	}
	return outermost(arns)
}

// anySuffix stands for the hyphen and the six characters that AWS puts behind a secret's name in its ARN.
const anySuffix = "-??????"

// named is one secret by its name. AWS asks for permission before it looks, so of one that is not there it says so only to
// whom the bare name is allowed, and to others that it is denied.
func (w where) named(c contract.Config, name string) []string {
	arns := []string{w.secret(name) + anySuffix}
	if c.OnMissing == contract.Warn {
		arns = append(arns, w.secret(name))
	}
	return arns
}

// kinds are those that are wanted.
func kinds(a contract.Account) []contract.Names {
	var all []contract.Names
	for _, n := range []*contract.Names{a.Connections, a.Variables} {
		if n != nil {
			all = append(all, *n)
		}
	}
	return all
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

// where is the place of one account's secrets.
type where struct {
	partition, region, account string
	keys                       []string
}

func (p Place) of(a contract.Account) where {
	var assumed arnParts // of the last role on the way: whose account the secrets are in
	switch {
	case a.Role != nil:
		assumed = splitARN(a.Role.ARN)
	case a.WebIdentity != nil:
		assumed = splitARN(a.WebIdentity.RoleARN)
	}
	region := cmp.Or(a.Region, p.Region)
	w := where{region: cmp.Or(region, "*"), account: cmp.Or(assumed.account, p.Account, "*"), keys: outermost(p.KMSKeys)}
	if w.partition = partitionOf(region); region == "" {
		w.partition = cmp.Or(assumed.partition, "aws")
	}
	return w
}

// secret is the ARN of a secret without what follows its name.
func (w where) secret(name string) string {
	return "arn:" + w.partition + ":secretsmanager:" + w.region + ":" + w.account + ":secret:" + literal.Replace(name)
}

// literal makes a name stand for itself in a pattern (IAM user guide, "Policy variables", special characters). A prefix
// may have any character, though the names of secrets have none of these.
var literal = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// viaSecretsManager is the condition that the keys are used for nothing else (KMS developer guide, kms:ViaService).
func (w where) viaSecretsManager(a contract.Account) map[string]map[string][]string {
	regions := []string{w.region}
	for _, f := range a.Files {
		if region := regionIn(f.Secret); region != "" && !slices.Contains(regions, region) {
			regions = append(regions, region)
		}
	}
	operator, domain := "StringEquals", ".amazonaws.com"
	if w.region == "*" {
		operator = "StringLike"
	}
	if w.partition == "aws-cn" {
		domain = ".amazonaws.com.cn"
	}
	for i := range regions {
		regions[i] = "secretsmanager." + regions[i] + domain
	}
	return map[string]map[string][]string{operator: {"kms:ViaService": regions}}
}

// arnParts are the parts of an ARN that say which part of AWS it is in; empty where there are none.
type arnParts struct{ partition, account string }

func splitARN(arn string) arnParts {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return arnParts{}
	}
	return arnParts{partition: parts[1], account: parts[4]}
}

// Policy is a policy of IAM, which encoding/json writes as IAM takes it.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement allows actions on resources.
type Statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"` // operator → condition key → values
}

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

// allow adds a statement to the grant of an identity, which is made on first use. What another account has brought for the
// same reason becomes larger, unless its condition is another.
func allow(grants []Grant, role string, s Statement) []Grant {
	s.Effect = "Allow"
	at := slices.IndexFunc(grants, func(g Grant) bool { return g.Role == role })
	if at < 0 {
		at, grants = len(grants), append(grants, Grant{Role: role, Policy: Policy{Version: "2012-10-17"}})
	}
	policy := &grants[at].Policy
	for i := range policy.Statement {
		switch known := &policy.Statement[i]; {
		case known.Sid != s.Sid:
		case reflect.DeepEqual(known.Condition, s.Condition):
			known.Action = outermost(slices.Concat(known.Action, s.Action))
			known.Resource = outermost(slices.Concat(known.Resource, s.Resource))
			return grants
		default:
			s.Sid += "More" // each Sid may be there once
		}
	}
	policy.Statement = append(policy.Statement, s)
	return grants
}
