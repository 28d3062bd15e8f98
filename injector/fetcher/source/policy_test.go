package source_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// policyCase is a configuration and the secrets that it must give.
type policyCase struct {
	partition, region string // aws and eu-central-1 where empty
	change            func(own *contract.Account, c *contract.Config)
	want              []string // kind/id
	missing           []string // kind/id: asked for and not there
	role              bool     // the pod assumes a role
	kms               bool     // the secrets are encrypted with a key
	// sids are those of the pod's policy, then of the role's.
	sids []string
}

// secretsOfPolicies are in the account, in the region of the case: some that are wanted and some that never are.
var secretsOfPolicies = []string{
	"airflow/connections/aws_default", "airflow/connections/db", "airflow/connections/http", "airflow/connections/warehouse",
	"airflow/variables/env", "airflow/variables/region", "airflow/variables/tenant", "airflow/connections-old/db", "team/ca", "team/keystore",
}

var discovered = []string{
	"connections/aws_default", "connections/db", "connections/http", "connections/warehouse", "variables/env", "variables/region", "variables/tenant",
}

const (
	callsSid, valuesSid, keysSid, roleSid = "AirflowSecretsCalls", "AirflowSecretsValues", "AirflowSecretsKeys", "AirflowSecretsRole"
)

var policyCases = map[string]policyCase{
	"all below two prefixes": {want: discovered, sids: []string{callsSid, valuesSid}},
	"a pattern": {
		change: func(own *contract.Account, _ *contract.Config) {
			own.Connections.Pattern, own.Variables = "AWS_|db$|h", nil
		},
		want: []string{"connections/aws_default", "connections/db", "connections/http"}, sids: []string{callsSid, valuesSid},
	},
	"ids of one kind, all of the other": {
		change: func(own *contract.Account, _ *contract.Config) { own.Connections.IDs = []string{"db", "http"} },
		want:   []string{"connections/db", "connections/http", "variables/env", "variables/region", "variables/tenant"}, sids: []string{callsSid, valuesSid},
	},
	"ids alone": {
		change: func(own *contract.Account, _ *contract.Config) {
			own.Connections.IDs, own.Variables.IDs = []string{"db", "http", "warehouse"}, []string{"env"}
		},
		want: []string{"connections/db", "connections/http", "connections/warehouse", "variables/env"}, sids: []string{valuesSid},
	},
	"ids alone, in batches": {
		change: func(own *contract.Account, c *contract.Config) {
			c.Read, own.Variables, own.Connections.IDs = contract.ReadBatch, nil, []string{"db", "http"}
		},
		want: []string{"connections/db", "connections/http"}, sids: []string{callsSid, valuesSid},
	},
	"ids of which one may be missing": {
		change: func(own *contract.Account, c *contract.Config) {
			c.OnMissing, own.Variables, own.Connections.IDs = contract.Warn, nil, []string{"db", "gone"}
		},
		want: []string{"connections/db"}, missing: []string{"connections/gone"}, sids: []string{valuesSid},
	},
	"options": {
		change: func(own *contract.Account, c *contract.Config) {
			own.Config, c.OnMissing = &contract.Names{Prefix: "team", IDs: []string{"ca"}}, contract.Warn
		},
		want: append([]string{"config/ca"}, discovered...), sids: []string{callsSid, valuesSid},
	},
	"options alone, in batches": {
		change: func(own *contract.Account, c *contract.Config) {
			c.Read, own.Connections, own.Variables, own.Config = contract.ReadBatch, nil, nil, &contract.Names{Prefix: "team", IDs: []string{"ca", "keystore"}}
		},
		want: []string{"config/ca", "config/keystore"}, sids: []string{callsSid, valuesSid},
	},
	"files by name, whole and partial ARN": {
		change: func(own *contract.Account, c *contract.Config) {
			own.Connections, own.Variables = nil, nil
			own.Files = []contract.File{{Path: "ca", Secret: "team/ca"}, {Path: "keystore", Secret: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/keystore"}}
		},
		want: []string{"files/ca", "files/keystore"}, sids: []string{valuesSid},
	},
	"files alone, in batches": {
		change: func(own *contract.Account, c *contract.Config) {
			c.Read, own.Connections, own.Variables = contract.ReadBatch, nil, nil
			own.Files = []contract.File{{Path: "ca", Secret: "team/ca"}}
		},
		want: []string{"files/ca"}, sids: []string{valuesSid},
	},
	"one by one": {
		change: func(_ *contract.Account, c *contract.Config) { c.Read = contract.ReadSingle },
		want:   discovered, sids: []string{callsSid, valuesSid},
	},
	"in batches": {
		change: func(_ *contract.Account, c *contract.Config) { c.Read = contract.ReadBatch },
		want:   discovered, sids: []string{callsSid, valuesSid},
	},
	"one prefix for both kinds": {
		change: func(own *contract.Account, _ *contract.Config) {
			own.Connections.Prefix, own.Variables.Prefix, own.Variables.IDs = "airflow", "airflow/variables", []string{"env"}
		},
		want: []string{"connections/connections-old/db", "connections/connections/aws_default", "connections/connections/db", "connections/connections/http", "connections/connections/warehouse",
			"connections/variables/env", "connections/variables/region", "connections/variables/tenant", "variables/env"},
		sids: []string{callsSid, valuesSid},
	},
	"a role":              {role: true, want: discovered, sids: []string{roleSid, callsSid, valuesSid}},
	"a key":               {kms: true, want: discovered, sids: []string{callsSid, valuesSid, keysSid}},
	"a role and a key":    {role: true, kms: true, want: discovered, sids: []string{roleSid, callsSid, valuesSid, keysSid}},
	"China, with a key":   {partition: "aws-cn", region: "cn-north-1", kms: true, want: discovered, sids: []string{callsSid, valuesSid, keysSid}},
	"GovCloud, by a role": {partition: "aws-us-gov", region: "us-gov-west-1", role: true, want: discovered, sids: []string{roleSid, callsSid, valuesSid}},
	"region of the pod's environment": {
		change: func(own *contract.Account, _ *contract.Config) { own.Region = "" },
		want:   discovered, sids: []string{callsSid, valuesSid},
	},
}

// TestLeastPolicy holds the policies against an AWS that enforces them: with exactly them everything is delivered and
// nothing complained of, and without any one statement, action or resource of them not.
func TestLeastPolicy(t *testing.T) {
	for name, c := range policyCases {
		t.Run(name, func(t *testing.T) {
			scene := c.scene(t)
			documents := source.LeastPolicies(scene.config, scene.place)
			if sids := sidsOf(documents); !slices.Equal(sids, c.sids) {
				t.Errorf("the statements are %v, expected %v", sids, c.sids)
			}
			if trouble := scene.tryAll(t, documents); trouble != "" {
				t.Fatalf("with the least policy, %s: %s", policyText(t, documents), trouble)
			}
			for what, less := range withLess(documents) {
				if scene.tryAll(t, less) == "" {
					t.Errorf("without %s all is well, so it is not needed: %s", what, policyText(t, documents))
				}
			}
		})
	}
}

// policyScene is a fake AWS with the secrets of a case, where only the policies are open.
type policyScene struct {
	policyCase
	*world
	account *fakeaws.Account
	place   source.Place
}

func (c policyCase) scene(t *testing.T) policyScene {
	w := newWorld(t)
	s := policyScene{policyCase: c, world: w, account: w.own, place: source.Place{Account: account, Region: region}}
	own := &w.config.Accounts[0]
	if c.region != "" {
		own.Region, s.place = c.region, source.Place{Account: "222233334444"}
		s.account = w.AccountIn(c.partition, s.place.Account)
	}
	place := s.place.Region
	if own.Region != "" {
		place = own.Region
	}
	var key string
	if c.kms {
		key = s.account.KMSKey(place, fakeaws.KMSKey{ID: "11112222-3333-4444-5555-666677778888"})
		s.place.KMSKeys = []string{key}
	}
	for _, name := range secretsOfPolicies {
		s.account.Put(place, fakeaws.Secret{Name: name, String: "value", KMSKey: key})
	}
	if c.change != nil {
		c.change(own, &w.config)
	}
	if own.Region == "" {
		t.Setenv("AWS_REGION", region)
	}
	if c.role {
		own.STSEndpointURL = own.EndpointURL
		own.Role = &contract.Role{ARN: s.account.Role(fakeaws.Role{Name: "airflow"})}
		s.place.Account = "" // the role tells it
	}
	return s
}

// tryAll tries it, and where a secret may be missing, again with that one there and the others missing.
func (s policyScene) tryAll(t *testing.T, documents []source.Document) string {
	t.Helper()
	if trouble := s.try(t, documents); trouble != "" || s.missing == nil {
		return trouble
	}
	swap := func(there, gone []string) {
		for _, id := range there {
			s.account.Put(region, fakeaws.Secret{Name: "airflow/" + id, String: "value"})
		}
		for _, id := range gone {
			s.account.Remove(region, "airflow/"+id)
		}
	}
	swap(s.missing, s.want)
	defer swap(s.want, s.missing)
	s.want, s.missing = s.missing, s.want
	return s.try(t, documents)
}

// try gathers with those policies and no other permission, and says what is wrong with what comes of it.
func (s policyScene) try(t *testing.T, documents []source.Document) string {
	t.Helper()
	pod, role := []string{}, []string{}
	for _, d := range documents {
		text := policyText(t, []source.Document{d})
		if d.Kind == source.PodPolicy {
			pod = append(pod, text)
		} else {
			role = append(role, text)
		}
	}
	keys := s.account.KeysWith("AKIAIOSFODNN7EXAMPLE", pod...)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
	if s.role {
		s.account.Role(fakeaws.Role{Name: "airflow", Policies: role})
	}
	found, err := s.gather(t)
	if err != nil {
		return err.Error()
	}
	var missing, other []string
	for _, l := range found.LeftOut {
		if l.Code == contract.SecretMissing {
			missing = append(missing, string(l.Kind)+"/"+l.ID)
		} else {
			other = append(other, fmt.Sprintf("%s/%s: %s", l.Kind, l.ID, l.Sentence))
		}
	}
	read, _ := ids(found)
	switch {
	case !slices.Equal(read, s.want):
		return fmt.Sprintf("read %v, expected %v", read, s.want)
	case !slices.Equal(missing, s.missing) || len(other) > 0:
		return fmt.Sprintf("missing are %v, expected %v, and left out %v", missing, s.missing, other)
	case len(found.Warnings) > 0:
		return strings.Join(found.Warnings, "; ")
	}
	return ""
}

// withLess is what is left away → the documents without it: each statement, each action and each resource in its turn.
func withLess(documents []source.Document) map[string][]source.Document {
	all := map[string][]source.Document{}
	for d, document := range documents {
		for i, s := range document.Policy.Statement {
			change := func(with ...source.Statement) []source.Document {
				less := slices.Clone(documents)
				less[d].Policy.Statement = slices.Replace(slices.Clone(document.Policy.Statement), i, i+1, with...)
				return less
			}
			all[fmt.Sprintf("%s of %s", s.Sid, document.Kind)] = change()
			for a, action := range s.Action {
				if len(s.Action) > 1 {
					fewer := s
					fewer.Action = slices.Delete(slices.Clone(s.Action), a, a+1)
					all[fmt.Sprintf("%s of %s", action, document.Kind)] = change(fewer)
				}
			}
			for r, resource := range s.Resource {
				if len(s.Resource) > 1 {
					fewer := s
					fewer.Resource = slices.Delete(slices.Clone(s.Resource), r, r+1)
					all[fmt.Sprintf("%s of %s", resource, document.Kind)] = change(fewer)
				}
			}
		}
	}
	return all
}

func sidsOf(documents []source.Document) []string {
	var sids []string
	for _, d := range documents {
		for _, s := range d.Policy.Statement {
			sids = append(sids, s.Sid)
		}
	}
	return sids
}

// policyText is the first policy's document; there is none without statements.
func policyText(t *testing.T, documents []source.Document) string {
	t.Helper()
	var texts []string
	for _, d := range documents {
		if d.Policy.Statement == nil {
			d.Policy.Statement = []source.Statement{}
		}
		text, err := json.Marshal(d.Policy)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return strings.Join(texts, "\n")
}

// TestPolicyWords holds what no fake AWS would miss: what is not known, and names that are patterns.
func TestPolicyWords(t *testing.T) {
	names := func(prefix string, ids ...string) *contract.Names { return &contract.Names{Prefix: prefix, IDs: ids} }
	for name, c := range map[string]struct {
		account contract.Account
		place   source.Place
		want    []string // parts of the documents
	}{
		"nothing is known": {contract.Account{Connections: names("a"), Separator: "/"}, source.Place{}, []string{`"arn:aws:secretsmanager:*:*:secret:a/*"`}},
		"an unknown region with a key": {contract.Account{Connections: names("a"), Separator: "/"}, source.Place{KMSKeys: []string{"KEY"}},
			[]string{`{"StringLike":{"kms:ViaService":["secretsmanager.*.amazonaws.com"]}}`}},
		"an unknown region with a role": {contract.Account{Connections: names("a"), Separator: "/", Role: &contract.Role{ARN: "arn:aws-cn:iam::111122223333:role/r"}}, source.Place{},
			[]string{`"Action":["sts:AssumeRole"],"Resource":["arn:aws-cn:iam::111122223333:role/r"]`, `"arn:aws-cn:secretsmanager:*:111122223333:secret:a/*"`}},
		"a role by a token": {contract.Account{Connections: names("a"), Separator: "/", WebIdentity: &contract.WebIdentity{RoleARN: "arn:aws:iam::111122223333:role/r"}}, source.Place{},
			[]string{`"arn:aws:secretsmanager:*:111122223333:secret:a/*"`}},
		"a prefix with stars": {contract.Account{Connections: names("a*?$"), Separator: "/"}, source.Place{}, []string{`secret:a${*}${?}${$}/*"`}},
		"ids without a prefix": {contract.Account{Connections: names("", "db"), Separator: "/", Region: "eu-west-1"}, source.Place{Account: "111122223333"},
			[]string{`"Resource":["arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-??????"]`}},
		"a file elsewhere": {contract.Account{Files: []contract.File{{Path: "a", Secret: "arn:aws:secretsmanager:us-east-1:444455556666:secret:a-AbCdEf"}}, Region: "eu-west-1"},
			source.Place{KMSKeys: []string{"KEY"}},
			[]string{`"Resource":["arn:aws:secretsmanager:us-east-1:444455556666:secret:a-AbCdEf"]`, `["secretsmanager.eu-west-1.amazonaws.com","secretsmanager.us-east-1.amazonaws.com"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			text := policyText(t, source.LeastPolicies(contract.Config{Read: contract.ReadAuto, Accounts: []contract.Account{c.account}}, c.place))
			for _, part := range c.want {
				if !strings.Contains(text, part) {
					t.Errorf("the policies are %s, expected %s in them", text, part)
				}
			}
			if strings.Contains(text, "GetCallerIdentity") || strings.Contains(text, "AssumeRoleWithWebIdentity") {
				t.Errorf("the policies allow what needs no permission: %s", text)
			}
		})
	}
}

// TestPoliciesOfSeveralAccounts checks that an identity gets one policy, with each statement once.
func TestPoliciesOfSeveralAccounts(t *testing.T) {
	config := contract.Config{Read: contract.ReadAuto, Accounts: []contract.Account{
		{Region: "eu-west-1", Separator: "/", Connections: &contract.Names{Prefix: "own"}},
		{Region: "eu-central-1", Separator: "/", Connections: &contract.Names{Prefix: "core"}},
		{Region: "eu-west-1", Separator: "/", Connections: &contract.Names{Prefix: "core"}, Role: &contract.Role{ARN: "arn:aws:iam::444455556666:role/shared"}},
		{Region: "eu-west-1"},
	}}
	documents := source.LeastPolicies(config, source.Place{Account: "111122223333", KMSKeys: []string{"KEY"}})
	if len(documents) != 2 || documents[0].Kind != source.PodPolicy || !slices.Equal(documents[1].Of, []string{"arn:aws:iam::444455556666:role/shared"}) {
		t.Fatalf("the documents are %+v, expected the pod's and the role's", documents)
	}
	want := []string{callsSid, valuesSid, keysSid, keysSid + "More", roleSid, callsSid, valuesSid, keysSid}
	if sids := sidsOf(documents); !slices.Equal(sids, want) {
		t.Errorf("the statements are %v, expected %v", sids, want)
	}
	if values := documents[0].Policy.Statement[1].Resource; len(values) != 2 {
		t.Errorf("the pod may read %v, expected the secrets of two accounts", values)
	}
	if documents := source.LeastPolicies(contract.Config{Accounts: config.Accounts[3:]}, source.Place{}); len(documents) > 0 {
		t.Errorf("nothing is wanted, and %+v is allowed", documents)
	}
}

// TestPolicySize counts as IAM does: without the white space between the words of a document.
func TestPolicySize(t *testing.T) {
	documents := source.LeastPolicies(contract.Config{Accounts: []contract.Account{{Region: "eu-west-1", Separator: "/", Connections: &contract.Names{Prefix: "a", IDs: []string{"b"}}}}}, source.Place{})
	const want = `{"Version":"2012-10-17","Statement":[{"Sid":"AirflowSecretsValues","Effect":"Allow","Action":["secretsmanager:GetSecretValue"],"Resource":["arn:aws:secretsmanager:eu-west-1:*:secret:a/b-??????"]}]}`
	if text := policyText(t, documents); text != want || documents[0].Policy.Size() != len(want) {
		t.Errorf("the policy is %s with %d characters, expected %s with %d", text, documents[0].Policy.Size(), want, len(want))
	}
}
