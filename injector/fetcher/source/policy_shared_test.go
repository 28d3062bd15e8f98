package source_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// sharedAccount has its secrets in sharedRegion.
const sharedAccount = "444455556666"

// What each account has beside its options, some of which is never wanted.
var (
	ownSecrets    = []string{"airflow/connections/db", "airflow/connections/http", "airflow/variables/env", "team/ca"}
	sharedSecrets = []string{"core/connections/db", "core/connections/warehouse", "core/variables/region", "core/connections-old/db", "other/db"}
)

// sharedCase is a way into the shared account, and what policies it takes.
type sharedCase struct {
	change    func(s *sharedScene, own, shared *contract.Account)
	documents []source.DocumentKind
	sids      []string
}

var sharedCases = map[string]sharedCase{
	"a role": {
		change:    (*sharedScene).byRole,
		documents: []source.DocumentKind{source.PodPolicy, source.SharedRolePolicy, source.TrustPolicy},
		sids:      []string{callsSid, valuesSid, roleSid, callsSid, valuesSid, roleSid},
	},
	"a role with an external id, and a key": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byRole(own, shared)
			shared.Role.ExternalID = "team-a"
			s.encrypt()
		},
		documents: []source.DocumentKind{source.PodPolicy, source.SharedRolePolicy, source.TrustPolicy},
		sids:      []string{callsSid, valuesSid, roleSid, callsSid, valuesSid, keysSid, roleSid},
	},
	"a role for whoever the pod's account lets": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byRole(own, shared)
			s.place.Principal = ""
		},
		documents: []source.DocumentKind{source.PodPolicy, source.SharedRolePolicy, source.TrustPolicy},
		sids:      []string{callsSid, valuesSid, roleSid, callsSid, valuesSid, roleSid},
	},
	"two roles": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byRole(own, shared)
			own.Role = s.ownRole()
		},
		documents: []source.DocumentKind{source.PodPolicy, source.RolePolicy, source.SharedRolePolicy, source.TrustPolicy},
		sids:      []string{roleSid, callsSid, valuesSid, callsSid, valuesSid, roleSid},
	},
	"ids": {
		change:    (*sharedScene).byARN,
		documents: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy},
		sids:      []string{callsSid, valuesSid, keysSid, valuesSid, keysSid},
	},
	"ids for whoever the pod's account lets": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byARN(own, shared)
			s.place.Principal = ""
		},
		documents: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy},
		sids:      []string{callsSid, valuesSid, keysSid, valuesSid, keysSid},
	},
	"ids for one's own role": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byARN(own, shared)
			own.Role = s.ownRole()
			shared.Role = own.Role
		},
		documents: []source.DocumentKind{source.PodPolicy, source.RolePolicy, source.SecretPolicy, source.KeyPolicy},
		sids:      []string{roleSid, callsSid, valuesSid, keysSid, valuesSid, keysSid},
	},
	"ids for the role of a token": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byARN(own, shared)
			own.WebIdentity = &contract.WebIdentity{RoleARN: s.own.Role(fakeaws.Role{Name: "token"}), TokenFile: s.tokenFile}
			shared.WebIdentity = own.WebIdentity
			s.place = source.Place{SharedKMSKeys: s.place.SharedKMSKeys} // the role tells all
		},
		documents: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy},
		sids:      []string{callsSid, valuesSid, keysSid, valuesSid, keysSid},
	},
	"ids and no more, in batches": {
		change: func(s *sharedScene, own, shared *contract.Account) {
			s.byARN(own, shared)
			s.config.Read = contract.ReadBatch
			own.Connections.IDs, own.Variables.IDs = []string{"db", "http"}, []string{"env"}
		},
		documents: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy},
		sids:      []string{callsSid, valuesSid, keysSid, valuesSid, keysSid},
	},
}

// TestLeastPoliciesOfTwoAccounts is TestLeastPolicy for both ways into a shared account, whose own policies are held to be
// needed in the same way: of the role, of the secrets and of the key.
func TestLeastPoliciesOfTwoAccounts(t *testing.T) {
	for name, c := range sharedCases {
		t.Run(name, func(t *testing.T) {
			s := c.scene(t)
			documents := source.LeastPolicies(s.config, s.place)
			if kinds := kindsOf(documents); !slices.Equal(kinds, c.documents) {
				t.Errorf("the documents are %v, expected %v", kinds, c.documents)
			}
			if sids := sidsOf(documents); !slices.Equal(sids, c.sids) {
				t.Errorf("the statements are %v, expected %v", sids, c.sids)
			}
			if trouble := s.tryAll(t, documents); trouble != "" {
				t.Fatalf("with the least policies, %s: %s", policyText(t, documents), trouble)
			}
			for what, less := range withLess(documents) {
				if s.tryAll(t, less) == "" {
					t.Errorf("without %s all is well, so it is not needed: %s", what, policyText(t, documents))
				}
			}
		})
	}
}

func kindsOf(documents []source.Document) []source.DocumentKind {
	var kinds []source.DocumentKind
	for _, d := range documents {
		kinds = append(kinds, d.Kind)
	}
	return kinds
}

// sharedScene is a fake AWS with two accounts, where only the policies are open.
type sharedScene struct {
	*world
	shared    *fakeaws.Account
	place     source.Place
	tokenFile string
	keyID     string // of the key of the shared secrets; empty for the account's default one
}

func (c sharedCase) scene(t *testing.T) *sharedScene {
	w := newWorld(t)
	s := &sharedScene{world: w, shared: w.Account(sharedAccount), tokenFile: filepath.Join(t.TempDir(), "token")}
	if err := os.WriteFile(s.tokenFile, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.place = source.Place{Account: account, Principal: "arn:aws:iam::" + account + ":user/AKIAIOSFODNN7EXAMPLE"}
	w.config.Options = []contract.Option{{Section: "celery", Key: "broker_url", ID: "broker"}, {Section: "core", Key: "fernet_key", ID: "fernet"}}
	options := []string{"broker", "fernet"}
	own := w.config.Accounts[0]
	own.Config = &contract.Names{Prefix: "airflow/config", IDs: options}
	shared := own
	shared.Name, shared.ID, shared.Region = contract.SharedAccount, sharedAccount, sharedRegion
	shared.Connections, shared.Variables = &contract.Names{Prefix: "core/connections"}, &contract.Names{Prefix: "core/variables"}
	shared.Config = &contract.Names{Prefix: "core/config", IDs: options}
	w.config.Accounts = []contract.Account{own, shared}
	c.change(s, &w.config.Accounts[0], &w.config.Accounts[1])
	return s
}

func (s *sharedScene) byRole(_, shared *contract.Account) {
	shared.Role = &contract.Role{ARN: s.shared.Role(fakeaws.Role{Name: "airflow"})}
}

func (s *sharedScene) byARN(_, shared *contract.Account) {
	shared.Connections.IDs, shared.Variables.IDs = []string{"warehouse"}, []string{"region"}
	s.encrypt()
}

func (s *sharedScene) ownRole() *contract.Role {
	return &contract.Role{ARN: s.own.Role(fakeaws.Role{Name: "airflow"})}
}

func (s *sharedScene) encrypt() {
	s.keyID = "11112222-3333-4444-5555-666677778888"
	s.place.SharedKMSKeys = []string{s.shared.KMSKey(sharedRegion, fakeaws.KMSKey{ID: s.keyID})}
}

// tryAll tries it with either option in either account, for the other one has to say that it has none.
func (s *sharedScene) tryAll(t *testing.T, documents []source.Document) string {
	t.Helper()
	if trouble := s.try(t, documents, "broker", "fernet"); trouble != "" {
		return trouble
	}
	return s.try(t, documents, "fernet", "broker")
}

// try gathers with those policies and no other permission, and says what is wrong with what comes of it. So is a call that
// is denied, though nobody may miss what it was for: in CloudTrail, somebody will see it at every pod's start.
func (s *sharedScene) try(t *testing.T, documents []source.Document, ownOption, sharedOption string) string {
	t.Helper()
	s.attach(t, documents)
	s.fill(t, documents, ownOption, sharedOption)
	s.Forget()
	found, err := s.gather(t)
	if err != nil {
		return err.Error()
	}
	for _, r := range s.Requests() {
		if strings.HasPrefix(r.Outcome, "AccessDenied") {
			return "denied was " + r.Operation + " of " + strings.Join(r.SecretIDs, ", ")
		}
	}
	byAccount := map[string][]string{}
	for _, secret := range found.Secrets {
		byAccount[secret.Account] = append(byAccount[secret.Account], string(secret.Kind)+"/"+secret.ID)
	}
	own := []string{"config/" + ownOption, "connections/db", "connections/http", "variables/env"}
	shared := []string{"config/" + sharedOption, "connections/warehouse", "variables/region"}
	switch {
	case !slices.Equal(byAccount[contract.OwnAccount], own):
		return fmt.Sprintf("read %v of one's own account, expected %v", byAccount[contract.OwnAccount], own)
	case !slices.Equal(byAccount[contract.SharedAccount], shared):
		return fmt.Sprintf("read %v of the shared account, expected %v", byAccount[contract.SharedAccount], shared)
	}
	return ""
}

// attach gives each identity its policies, and the shared role its trust.
func (s *sharedScene) attach(t *testing.T, documents []source.Document) {
	t.Helper()
	of := func(kind source.DocumentKind) []string { return documentsOf(t, documents, kind) }
	s.own.KeysWith("AKIAIOSFODNN7EXAMPLE", of(source.PodPolicy)...)
	s.own.Role(fakeaws.Role{Name: "token", Policies: of(source.PodPolicy)})
	s.own.Role(fakeaws.Role{Name: "airflow", Policies: of(source.RolePolicy)})
	if trust := of(source.TrustPolicy); len(trust) > 0 {
		s.shared.Role(fakeaws.Role{Name: "airflow", TrustPolicy: trust[0], Policies: of(source.SharedRolePolicy)})
	}
}

// fill puts the secrets there anew, with the policies that they and their key have.
func (s *sharedScene) fill(t *testing.T, documents []source.Document, ownOption, sharedOption string) {
	t.Helper()
	key := ""
	if s.keyID != "" {
		key = s.place.SharedKMSKeys[0]
		s.shared.KMSKey(sharedRegion, fakeaws.KMSKey{ID: s.keyID, Policy: policyOn(t, documents, source.KeyPolicy, key)})
	}
	s.own.Remove(region, "airflow/config/"+sharedOption)
	s.shared.Remove(sharedRegion, "core/config/"+ownOption)
	for _, name := range append(slices.Clone(ownSecrets), "airflow/config/"+ownOption) {
		s.own.Put(region, fakeaws.Secret{Name: name, String: "value"})
	}
	for _, name := range append(slices.Clone(sharedSecrets), "core/config/"+sharedOption) {
		secret := fakeaws.Secret{Name: name, String: "value", KMSKey: key}
		secret.ResourcePolicy = policyOn(t, documents, source.SecretPolicy, s.shared.Put(sharedRegion, secret))
		s.shared.Put(sharedRegion, secret)
	}
}

// documentsOf are the texts of one kind, and never nil: no policy at all lets the fake's roles do everything.
func documentsOf(t *testing.T, documents []source.Document, kind source.DocumentKind) []string {
	t.Helper()
	texts := []string{}
	for _, d := range documents {
		if d.Kind == kind {
			texts = append(texts, policyText(t, []source.Document{d}))
		}
	}
	return texts
}

// policyOn is the document of what has that ARN; empty if none is for it.
func policyOn(t *testing.T, documents []source.Document, kind source.DocumentKind, arn string) string {
	t.Helper()
	for _, d := range documents {
		for _, of := range d.Of {
			if is, err := path.Match(of, arn); d.Kind == kind && is && err == nil {
				return policyText(t, []source.Document{d})
			}
		}
	}
	return ""
}

// TestPoliciesOfTheUnknown holds what stands for what is not known, and when another account has to agree at all.
func TestPoliciesOfTheUnknown(t *testing.T) {
	shared := func(region string) contract.Account {
		return contract.Account{Name: contract.SharedAccount, ID: sharedAccount, Region: region, Separator: "/", Connections: &contract.Names{Prefix: "core", IDs: []string{"db"}}}
	}
	const elsewhere = "arn:aws:secretsmanager:us-east-1:777788889999:secret:team/ca"
	file := contract.Account{Name: contract.OwnAccount, Region: "eu-west-1", Files: []contract.File{{Path: "a", Secret: elsewhere}, {Path: "b", Secret: "team/b"}}}
	two := shared("us-east-1")
	two.ID = "777788889999"
	for name, c := range map[string]struct {
		accounts []contract.Account
		place    source.Place
		kinds    []source.DocumentKind
		of       []string // of the last document
		secrets  []string // of the second one; nil is any
		want     []string // parts of the documents
	}{
		"nothing is known": {
			accounts: []contract.Account{shared("")},
			kinds:    []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy}, of: []string{"arn:aws:kms:*:444455556666:key/KEY-ID"},
			want: []string{`"Statement":[{"Sid":"AirflowSecretsValues","Effect":"Allow","Action"`, `"Resource":["arn:aws:secretsmanager:*:444455556666:secret:core/db-??????"]`, `"Resource":["arn:aws:kms:*:444455556666:key/KEY-ID"]`,
				`"Principal":{"AWS":["arn:aws:iam::ACCOUNT-ID:root"]},"Action":["secretsmanager:GetSecretValue"]`},
		},
		"China": {
			accounts: []contract.Account{shared("cn-north-1")}, place: source.Place{Account: account},
			kinds: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy}, of: []string{"arn:aws-cn:kms:cn-north-1:444455556666:key/KEY-ID"},
			want: []string{`"arn:aws-cn:iam::111122223333:root"`, `{"StringEquals":{"kms:ViaService":["secretsmanager.cn-north-1.amazonaws.com.cn"]}}`},
		},
		"the pod is of the shared account": {
			accounts: []contract.Account{shared("")}, place: source.Place{Principal: "arn:aws:iam::444455556666:role/pod"},
			kinds: []source.DocumentKind{source.PodPolicy},
		},
		"the key is of the pod's account": {
			accounts: []contract.Account{shared("")}, place: source.Place{Account: account, SharedKMSKeys: []string{"arn:aws:kms:eu-west-1:111122223333:key/1"}},
			kinds: []source.DocumentKind{source.PodPolicy, source.SecretPolicy}, of: []string{"arn:aws:secretsmanager:*:444455556666:secret:core/db-??????"},
			want: []string{`"Resource":["arn:aws:kms:eu-west-1:111122223333:key/1"]`},
		},
		"one's own key is of another account": {
			accounts: []contract.Account{{Name: contract.OwnAccount, Connections: &contract.Names{Prefix: "own"}}},
			place:    source.Place{Account: account, KMSKeys: []string{"arn:aws:kms:eu-west-1:777788889999:key/1", "arn:aws:kms:eu-west-1:111122223333:key/2"}},
			kinds:    []source.DocumentKind{source.PodPolicy, source.KeyPolicy}, of: []string{"arn:aws:kms:eu-west-1:777788889999:key/1"},
		},
		"a file of another account": {
			accounts: []contract.Account{file}, place: source.Place{Account: account},
			kinds: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy}, of: []string{"arn:aws:kms:us-east-1:777788889999:key/KEY-ID"},
			secrets: []string{elsewhere + "-??????"},
			want:    []string{`"Action":["kms:Decrypt"],"Resource":["*"],"Condition":{"StringEquals":{"kms:ViaService":["secretsmanager.us-east-1.amazonaws.com"]}}`},
		},
		"a file of the account that is shared, too": {
			accounts: []contract.Account{file, two}, place: source.Place{Account: account, SharedKMSKeys: []string{"arn:aws:kms:us-east-1:777788889999:key/1"}, KMSKeys: []string{"arn:aws:kms:us-east-1:777788889999:key/1"}},
			kinds: []source.DocumentKind{source.PodPolicy, source.SecretPolicy, source.KeyPolicy}, of: []string{"arn:aws:kms:us-east-1:777788889999:key/1"},
			secrets: []string{elsewhere + "-??????", "arn:aws:secretsmanager:us-east-1:777788889999:secret:core/db-??????"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			documents := source.LeastPolicies(contract.Config{Read: contract.ReadBatch, Accounts: c.accounts}, c.place)
			if kinds := kindsOf(documents); !slices.Equal(kinds, c.kinds) {
				t.Fatalf("the documents are %v, expected %v", kinds, c.kinds)
			}
			if of := documents[len(documents)-1].Of; !slices.Equal(of, c.of) {
				t.Errorf("the last document is of %v, expected %v", of, c.of)
			}
			if c.secrets != nil && !slices.Equal(documents[1].Of, c.secrets) {
				t.Errorf("the resource policy is of %v, expected %v", documents[1].Of, c.secrets)
			}
			text := policyText(t, documents)
			for _, part := range c.want {
				if !strings.Contains(text, part) {
					t.Errorf("the policies are %s, expected %s in them", text, part)
				}
			}
		})
	}
}
