package source

import (
	"cmp"
	"slices"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Document is a policy that a run needs, and no more than it needs.
type Document struct {
	Kind DocumentKind
	// Of are the ARNs of what the policy belongs to: a role, secrets as policies name them, or keys. None is the identity that
	// the pod itself has.
	Of     []string
	Policy Policy
}

// DocumentKind says what a document is.
type DocumentKind string

// The kinds of documents.
const (
	PodPolicy        DocumentKind = "pod"         // of the identity that the pod has
	RolePolicy       DocumentKind = "role"        // of the role that it assumes
	SharedRolePolicy DocumentKind = "shared-role" // of the role that it assumes in the shared account
	TrustPolicy      DocumentKind = "trust"       // of the same role: who may assume it
	SecretPolicy     DocumentKind = "secret"      // the resource policy of secrets that another account reads
	KeyPolicy        DocumentKind = "key"         // to be added to the policy of keys that another account uses
)

// DocumentKinds lists them in the order in which documents are given.
func DocumentKinds() []DocumentKind {
	return []DocumentKind{PodPolicy, RolePolicy, SharedRolePolicy, TrustPolicy, SecretPolicy, KeyPolicy}
}

// Place is what a configuration leaves open, as far as it is known where the secrets are and who asks for them.
type Place struct {
	// Region is that of an account that names none. An empty one stands as * in ARNs.
	Region string
	// Account is the id of the pod's own account, twelve digits, where no role tells it. An empty one stands as * in ARNs.
	Account string
	// Principal is the ARN of the user or role that the pod is, where the configuration does not name it. Without one, a policy
	// that has to name the pod names all of its account, whose identities' own policies then decide.
	Principal string
	// KMSKeys are the ARNs of the customer-managed keys that encrypt secrets, and SharedKMSKeys those of the shared account's.
	KMSKeys, SharedKMSKeys []string
}

// What stands in a document for what must be told and is not known. AWS finds nothing by either.
const (
	UnknownAccount = "ACCOUNT-ID" // of the pod
	UnknownKey     = "KEY-ID"     // of the key without which no other account can read a secret
)

// LeastPolicies are the policies under which Gather reads all that the configuration wants, in the order of DocumentKinds.
//
// Within an account, the identity's policy is enough. Another account has to agree: by the trust policy of a role there, or,
// for what is read by ARN, by the policy of the secret and by that of its key (Secrets Manager user guide, "Access AWS
// Secrets Manager secrets from a different account").
func LeastPolicies(c contract.Config, place Place) []Document {
	var all []Document
	for i, a := range c.Accounts {
		w := place.of(a)
		wanted := w.secrets(c, i)
		if len(wanted) == 0 {
			continue
		}
		reader := Document{Kind: PodPolicy}
		if a.Role != nil {
			all = allow(all, reader, Statement{Sid: sidRole, Action: []string{"sts:AssumeRole"}, Resource: []string{a.Role.ARN}})
			reader = Document{Kind: roleKind(a), Of: []string{a.Role.ARN}}
		}
		if reader.Kind == SharedRolePolicy {
			all = attach(all, TrustPolicy, reader.Of, w.trusting(*a.Role))
		}
		keys := w.keysOf(wanted)
		for _, s := range w.reading(c.Read, a, wanted, keys) {
			all = allow(all, reader, s)
		}
		all = attach(all, SecretPolicy, w.foreign(wanted), w.sharing())
		all = attach(all, KeyPolicy, w.foreign(keys), w.sharingKeys(wanted))
	}
	slices.SortStableFunc(all, func(a, b Document) int {
		return cmp.Compare(slices.Index(DocumentKinds(), a.Kind), slices.Index(DocumentKinds(), b.Kind))
	})
	return all
}

// roleKind tells a role of the shared account from the pod's own, which may ask for the shared account's secrets, too.
func roleKind(a contract.Account) DocumentKind {
	if a.Name == contract.SharedAccount && !a.ByARN() {
		return SharedRolePolicy
	}
	return RolePolicy
}

// The names of the statements, in whichever policy they stand.
const (
	sidRole   = "AirflowSecretsRole"
	sidCalls  = "AirflowSecretsCalls"
	sidValues = "AirflowSecretsValues"
	sidKeys   = "AirflowSecretsKeys"
)

// reading is what the account's secrets take: see discover.go and read.go. Each statement is needed.
func (w where) reading(mode contract.Read, a contract.Account, secrets, keys []string) []Statement {
	var statements []Statement
	if actions := callsOnAll(mode, a); len(actions) > 0 {
		statements = append(statements, Statement{Sid: sidCalls, Action: actions, Resource: []string{"*"}})
	}
	statements = append(statements, Statement{Sid: sidValues, Action: []string{"secretsmanager:GetSecretValue"}, Resource: secrets})
	if len(keys) > 0 {
		statements = append(statements, Statement{Sid: sidKeys, Action: []string{"kms:Decrypt"}, Resource: keys,
			Condition: w.viaSecretsManager(append([]string{w.region}, regionsOf(secrets)...))})
	}
	return statements
}

// callsOnAll are the actions that cannot be narrowed: AWS refuses statements for them that name anything but *. What is
// asked for by id takes none, unless the mode is batch; files and another account's secrets never do.
func callsOnAll(mode contract.Read, a contract.Account) []string {
	if a.ByARN() {
		return nil
	}
	var actions []string
	discovers := slices.ContainsFunc(a.Kinds(), contract.KindOfNames.Discovers)
	if discovers {
		actions = append(actions, "secretsmanager:ListSecrets")
	}
	if mode == contract.ReadBatch && len(a.Kinds()) > 0 || mode == contract.ReadAuto && discovers {
		actions = append(actions, "secretsmanager:BatchGetSecretValue")
	}
	return actions
}

// trusting lets the pod assume the role.
func (w where) trusting(r contract.Role) Statement {
	s := Statement{Sid: sidRole, Principal: &Principal{AWS: []string{w.pod.arn}}, Action: []string{"sts:AssumeRole"}}
	if r.ExternalID != "" {
		s.Condition = map[string]map[string][]string{"StringEquals": {"sts:ExternalId": {r.ExternalID}}}
	}
	return s
}

// sharing lets whoever reads have the secret that the policy is of, and sharingKeys use the key, for nothing but secrets.
func (w where) sharing() Statement {
	return Statement{Sid: sidValues, Principal: &Principal{AWS: []string{w.reader.arn}}, Action: []string{"secretsmanager:GetSecretValue"}, Resource: []string{"*"}}
}

func (w where) sharingKeys(secrets []string) Statement {
	if foreign := w.foreign(secrets); len(foreign) > 0 {
		secrets = foreign
	}
	return Statement{Sid: sidKeys, Principal: &Principal{AWS: []string{w.reader.arn}}, Action: []string{"kms:Decrypt"}, Resource: []string{"*"},
		Condition: w.viaSecretsManager(regionsOf(secrets))}
}

// viaSecretsManager is the condition that keys are used for nothing but secrets of those regions (KMS developer guide,
// kms:ViaService).
func (w where) viaSecretsManager(regions []string) map[string]map[string][]string {
	operator, domain := "StringEquals", ".amazonaws.com"
	if slices.Contains(regions, "*") {
		operator = "StringLike"
	}
	if w.partition == "aws-cn" {
		domain = ".amazonaws.com.cn"
	}
	var services []string
	for _, region := range regions {
		if service := "secretsmanager." + region + domain; !slices.Contains(services, service) {
			services = append(services, service)
		}
	}
	return map[string]map[string][]string{operator: {"kms:ViaService": services}}
}
