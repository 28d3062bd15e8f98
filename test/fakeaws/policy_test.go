package fakeaws

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	reader = "arn:aws:iam::111122223333:user/reader"
	db     = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-AbC123"
)

func TestEvaluation(t *testing.T) {
	const read = `"Effect": "Allow", "Action": "secretsmanager:GetSecretValue"`
	const all = `"Effect": "Allow", "Action": "*", "Resource": "*"`
	on := func(resource string) string { return `{` + read + `, "Resource": "` + resource + `"}` }
	to := func(action string) string { return `{"Effect": "Allow", "Action": "` + action + `", "Resource": "*"}` }
	when := func(condition string) string { return `{` + all + `, "Condition": {` + condition + `}}` }
	for _, test := range []struct {
		name, statements string
		want             verdict
	}{
		{"no statement", ``, silent},
		{"everything", `{` + all + `}`, granted},

		{"resource", on(db), granted},
		{"resource, another name", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/d-AbC123"), silent},
		{"resource without the suffix", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db"), silent},
		{"resource, prefix", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/*"), granted},
		{"resource, six question marks", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-??????"), granted},
		{"resource, five question marks", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-?????"), silent},
		{"resource, seven question marks", on("arn:aws:secretsmanager:eu-central-1:111122223333:secret:airflow/connections/db-???????"), silent},
		{"resource, a star within", on("arn:aws:secretsmanager:*:111122223333:secret:*/db-*"), granted},
		{"resource, a star for nothing", on(db + "*"), granted},
		{"resource, stars that do not fit", on("arn:aws:secretsmanager:*:111122223333:secret:*/dc-*"), silent},
		{"resource in other case", on(strings.Replace(db, "airflow", "Airflow", 1)), silent},
		{"resource of another account", on(strings.Replace(db, "111122223333", "444455556666", 1)), silent},
		{"resource of another partition", on(strings.Replace(db, "arn:aws:", "arn:aws-cn:", 1)), silent},
		{"two resources", `{` + read + `, "Resource": ["arn:aws:s3:::bucket", "` + db + `"]}`, granted},
		{"not the resource", `{` + read + `, "NotResource": ["arn:aws:s3:::bucket", "` + db + `"]}`, silent},
		{"not another resource", `{` + read + `, "NotResource": "arn:aws:s3:::bucket"}`, granted},

		{"action", to("secretsmanager:GetSecretValue"), granted},
		{"another action", to("secretsmanager:GetSecret"), silent},
		{"action in other case", to("SECRETSMANAGER:getsecretvalue"), granted},
		{"action, star", to("secretsmanager:Get*"), granted},
		{"action, question mark", to("secretsmanager:GetSecretValu?"), granted},
		{"action of another service", to("ssm:*"), silent},
		{"two actions", `{"Effect": "Allow", "Action": ["ssm:*", "secretsmanager:*"], "Resource": "*"}`, granted},
		{"not the action", `{"Effect": "Allow", "NotAction": "secretsmanager:get*", "Resource": "*"}`, silent},
		{"not another action", `{"Effect": "Allow", "NotAction": ["ssm:*", "secretsmanager:List*"], "Resource": "*"}`, granted},

		{"denied first", `{"Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": "*"}, {` + all + `}`, forbidden},
		{"denied last", `{` + all + `}, {"Effect": "Deny", "Action": "*", "Resource": "` + db + `"}`, forbidden},
		{"denied elsewhere", `{` + all + `}, {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::*"}`, granted},
		{"denied all but", `{` + all + `}, {"Effect": "Deny", "NotAction": "secretsmanager:GetSecretValue", "Resource": "*"}`, granted},

		{"StringEquals", when(`"StringEquals": {"aws:PrincipalAccount": "111122223333"}`), granted},
		{"StringEquals with a number", when(`"StringEquals": {"aws:PrincipalAccount": 111122223333}`), granted},
		{"StringEquals, key in other case", when(`"StringEquals": {"AWS:principalaccount": "111122223333"}`), granted},
		{"StringEquals, value in other case", when(`"StringEquals": {"secretsmanager:ResourceTag/Team": "Data"}`), silent},
		{"StringEquals knows no star", when(`"StringEquals": {"aws:PrincipalAccount": "*"}`), silent},
		{"StringEquals, one of two", when(`"StringEquals": {"aws:PrincipalAccount": ["1", "111122223333"]}`), granted},
		{"StringEquals, both of two keys", when(`"StringEquals": {"aws:PrincipalAccount": "111122223333", "secretsmanager:ResourceTag/team": "ml"}`), silent},
		{"StringEquals, no such key in the call", when(`"StringEquals": {"sts:ExternalId": "x"}`), silent},
		{"StringEqualsIfExists, no such key in the call", when(`"StringEqualsIfExists": {"sts:ExternalId": "x"}`), granted},
		{"StringEqualsIfExists, another value", when(`"StringEqualsIfExists": {"aws:PrincipalAccount": "1"}`), silent},
		{"StringNotEquals", when(`"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}`), silent},
		{"StringNotEquals, neither of two", when(`"StringNotEquals": {"aws:PrincipalAccount": ["1", "2"]}`), granted},
		{"StringNotEquals, one of two", when(`"StringNotEquals": {"aws:PrincipalAccount": ["1", "111122223333"]}`), silent},
		{"StringNotEquals, no such key in the call", when(`"StringNotEquals": {"sts:ExternalId": "x"}`), granted},
		{"StringEqualsIgnoreCase", when(`"StringEqualsIgnoreCase": {"secretsmanager:ResourceTag/team": "DATA"}`), granted},
		{"StringLike", when(`"StringLike": {"secretsmanager:ResourceTag/team": "d?t*"}`), granted},
		{"StringNotLike", when(`"StringNotLike": {"secretsmanager:ResourceTag/team": "d?t*"}`), silent},
		{"ArnLike", when(`"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}`), granted},
		{"ArnLike, a star ends at a colon", when(`"ArnLike": {"kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:eu-central-1:*:airflow/*"}`), silent},
		{"StringLike, a star does not", when(`"StringLike": {"kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:eu-central-1:*:airflow/*"}`), granted},
		{"ArnEquals is ArnLike", when(`"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/*"}`), granted},
		{"ArnLike, not an ARN in the call", when(`"ArnLike": {"aws:PrincipalAccount": "*:*:*:*:*:*"}`), silent},
		{"ArnNotLike", when(`"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}`), granted},
		{"Bool", when(`"Bool": {"aws:ViaAWSService": false}`), granted},
		{"Bool, text", when(`"Bool": {"aws:ViaAWSService": "True"}`), silent},
		{"two operators", when(`"StringLike": {"aws:PrincipalArn": "*"}, "StringEquals": {"aws:PrincipalAccount": "1"}`), silent},
		{"Deny on a condition that does not hold", `{` + all + `}, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}}`, granted},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := parsePolicies(identityBased, `{"Version": "2012-10-17", "Statement": [`+test.statements+`]}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.ask(aboutDB()); got != test.want {
				t.Errorf("the verdict is %d, expected %d", got, test.want)
			}
		})
	}
}

// aboutDB is whether the user reader may read the secret db.
func aboutDB() question {
	account := &Account{id: "111122223333", partition: "aws"}
	return question{
		caller: &principal{account: account, arn: reader}, action: "secretsmanager:GetSecretValue", resource: db,
		context: map[string]string{
			"aws:principalaccount": "111122223333", "aws:principalarn": reader, "aws:viaawsservice": "false",
			"secretsmanager:resourcetag/team": "data", "kms:encryptioncontext:secretarn": db,
		},
	}
}

func TestPrincipals(t *testing.T) {
	account := &Account{id: "111122223333", partition: "aws"}
	user := &principal{account: account, arn: reader}
	session := &principal{account: account, role: "airflow", arn: "arn:aws:sts::111122223333:assumed-role/airflow/worker"}
	for _, test := range []struct {
		principal     string
		user, session verdict
	}{
		{`"*"`, granted, granted},
		{`{"AWS": "*"}`, granted, granted},
		{`{"AWS": "111122223333"}`, delegated, delegated},
		{`{"AWS": "arn:aws:iam::111122223333:root"}`, delegated, delegated},
		{`{"AWS": ["444455556666", "arn:aws:iam::444455556666:root"]}`, silent, silent},
		{`{"AWS": "arn:aws-cn:iam::111122223333:root"}`, silent, silent},
		{`{"AWS": "` + reader + `"}`, granted, silent},
		{`{"AWS": ["111122223333", "` + reader + `"]}`, granted, delegated},
		{`{"AWS": "arn:aws:iam::111122223333:role/airflow"}`, silent, granted},
		{`{"AWS": "arn:aws:sts::111122223333:assumed-role/airflow/worker"}`, silent, granted},
		{`{"AWS": "arn:aws:sts::111122223333:assumed-role/airflow/scheduler"}`, silent, silent},
	} {
		t.Run(test.principal, func(t *testing.T) {
			p, err := parsePolicies(resourceBased, `{"Statement": {"Effect": "Allow", "Principal": `+test.principal+`, "Action": "*", "Resource": "*"}}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.ask(question{caller: user, action: "a:B", resource: db}); got != test.user {
				t.Errorf("to the user it says %d, expected %d", got, test.user)
			}
			if got := p.ask(question{caller: session, action: "a:B", resource: db}); got != test.session {
				t.Errorf("to the session it says %d, expected %d", got, test.session)
			}
		})
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	const all = `"Effect": "Allow", "Action": "*", "Resource": "*"`
	statement := func(text string) string { return `{"Version": "2012-10-17", "Statement": [{` + text + `}]}` }
	for _, test := range []struct {
		name, policy string
		kind         policyKind
		want         string // in the error
	}{
		{"empty", ``, identityBased, "expected a JSON object"},
		{"no object", `[]`, identityBased, "cannot unmarshal"},
		{"YAML", "Version: 2012-10-17\nStatement: []", identityBased, "expected a JSON object"},
		{"a comma too many", `{"Statement": [],}`, identityBased, "expected a JSON object"},
		{"no statement", `{"Version": "2012-10-17"}`, identityBased, "there is no Statement"},
		{"version", `{"Version": "2012-10-18", "Statement": []}`, identityBased, `"2012-10-18"`},
		{"unknown element", `{"Statements": []}`, identityBased, `unknown key "Statements"`},
		{"unknown element of a statement", statement(all + `, "Conditions": {}`), identityBased, `unknown key "Conditions"`},
		{"element in other case", statement(`"effect": "Allow", "Action": "*", "Resource": "*"`), identityBased, `unknown key "effect"`},
		{"element twice", statement(all + `, "Action": "a:B"`), identityBased, "already"},
		{"unknown element of a single statement", `{"Statement": {` + all + `, "Effects": "Allow"}}`, identityBased, `unknown key "Effects"`},
		{"effect", statement(`"Effect": "allow", "Action": "*", "Resource": "*"`), identityBased, `"allow"`},
		{"no action", statement(`"Effect": "Allow", "Resource": "*"`), identityBased, "Action and NotAction, or neither"},
		{"empty action", statement(`"Effect": "Allow", "Action": [], "Resource": "*"`), identityBased, "Action and NotAction, or neither"},
		{"both actions", statement(all + `, "NotAction": "a:B"`), identityBased, "Action and NotAction"},
		{"action without a service", statement(`"Effect": "Allow", "Action": "GetSecretValue", "Resource": "*"`), identityBased, `"GetSecretValue"`},
		{"no resource", statement(`"Effect": "Allow", "Action": "*"`), identityBased, "Resource and NotResource"},
		{"resource that is no ARN", statement(`"Effect": "Allow", "Action": "*", "Resource": "airflow/*"`), identityBased, `"airflow/*"`},
		{"policy variable", statement(`"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:username}"`), identityBased, "without policy variables"},
		{"policy variable in a condition", statement(all + `, "Condition": {"StringLike": {"aws:PrincipalArn": "${aws:username}"}}`), identityBased, "without policy variables"},
		{"operator", statement(all + `, "Condition": {"StringMatches": {"aws:PrincipalArn": "x"}}`), identityBased, `"StringMatches"`},
		{"operator in other case", statement(all + `, "Condition": {"stringlike": {"aws:PrincipalArn": "x"}}`), identityBased, `"stringlike"`},
		{"operator on sets", statement(all + `, "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalArn": "x"}}`), identityBased, `"ForAnyValue:StringLike"`},
		{"condition key", statement(all + `, "Condition": {"StringLike": {"aws:SourceIp": "x"}}`), identityBased, `"aws:SourceIp"`},
		{"condition key of a tag without one", statement(all + `, "Condition": {"StringLike": {"aws:ResourceTag/": "x"}}`), identityBased, `"aws:ResourceTag/"`},
		{"condition without values", statement(all + `, "Condition": {"StringLike": {"aws:PrincipalArn": []}}`), identityBased, "expected at least one"},
		{"condition on ARNs without one", statement(all + `, "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:*"}}`), identityBased, "6 parts"},
		{"Sid", statement(`"Sid": "read secrets", ` + all), identityBased, `"read secrets"`},
		{"Sid twice", `{"Statement": [{"Sid": "a", ` + all + `}, {"Sid": "a", ` + all + `}]}`, identityBased, "twice"},
		{"principal of an identity", statement(`"Principal": "*", ` + all), identityBased, "expected: false"},
		{"no principal", statement(all), resourceBased, "expected: true"},
		{"principal of another kind", statement(`"Principal": {"Federated": "x"}, ` + all), resourceBased, `unknown key "Federated"`},
		{"principal with a star", statement(`"Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}, ` + all), resourceBased, "role/*"},
		{"empty principal", statement(`"Principal": {}, ` + all), resourceBased, "the Principal is empty"},
		{"resource of a role", statement(`"Principal": "*", ` + all), trustPolicy, "it has a Resource"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parsePolicies(test.kind, test.policy)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, expected %q in it", err, test.want)
			}
		})
	}
}

// TestPoliciesAsToolsWriteThem reads what is legal in more than one form.
func TestPoliciesAsToolsWriteThem(t *testing.T) {
	document := map[string]any{"Version": "2012-10-17", "Id": "x", "Statement": []any{map[string]any{
		"Sid": "Read1", "Effect": "Allow", "Action": []string{"secretsmanager:GetSecretValue"}, "Resource": []string{db},
		"Condition": map[string]any{"StringEquals": map[string]any{"secretsmanager:ResourceTag/team": []string{"data"}}},
	}}}
	for _, indent := range []string{"", "  ", "\t"} {
		text, err := json.MarshalIndent(document, "", indent)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(text), strings.ReplaceAll(string(text), "\n", "\r\n"), "\n" + string(text) + "\n"} {
			p, err := parsePolicies(identityBased, text)
			if err != nil {
				t.Errorf("reading %q: %v", text, err)
			} else if got := p.ask(aboutDB()); got != granted {
				t.Errorf("the verdict of %q is %d, expected %d", text, got, granted)
			}
		}
	}
}
