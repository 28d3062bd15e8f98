package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

const policyUsage = `airflow-secrets iam-policy prints the least policies with which a pod gets its secrets.

Usage:
  airflow-secrets iam-policy -f FILE [flags]

` + requestUsage + objectsUsage + `  --account ID           the AWS account of the pod, where no role of the pod tells it
  --principal ARN        the role or user that the pod is, where the pod does not tell it
  --kms-key ARN          a customer-managed key that encrypts secrets; may be repeated
                         ("airflow-secrets check" names those of the secrets that it discovers)
  --shared-kms-key ARN   the same for the secrets of the shared account
  --for KIND             only the documents of one kind:
                           pod          the policy of the pod's identity
                           role         that of the role which it assumes (airflow-secrets/role-arn)
                           shared-role  that of the role in the shared account (airflow-secrets/shared-role-arn)
                           trust        the trust policy of this role
                           secret       the resource policy of the shared account's secrets, read by ARN
                           key          the statement that the policy of their key needs besides those it has

Standard output has one JSON document for each of them, with what each is for on standard error. Where the
pod assumes a role, its own identity needs nothing but that, and the role the rest. All that is in a policy is
needed, but for BatchGetSecretValue: it saves calls, and airflow-secrets/read: single does without it. Where the region or the account of secrets is not known, there is a * in its place;
` + source.UnknownAccount + ` and ` + source.UnknownKey + ` stand for what has to be filled in. A note says how.

Secrets and ConfigMaps that hold nothing but keys, a region or a proxy need not be given, unless the pod
reads them whole (envFrom): then they may hold the settings of Airflow's backend, too. An object of that
name without data says that it does not.

Exit codes: 0 the policy is printed, or none is needed; 1 the pod is refused or would not start; 2 the
command was wrong, or a Secret or ConfigMap is missing.
`

// policyRequest is one run of the command.
type policyRequest struct {
	request
	account, principal, only string
	keys, sharedKeys         files
}

func iamPolicy(args []string, c console) int {
	r, err := parsePolicyRequest(args, c)
	if err != nil {
		return c.usage(err, policyUsage)
	}
	_, v, exit, ok := r.inspect(c, subject.look)
	if !ok {
		return exit
	}
	place, err := r.place(v)
	if err != nil {
		return c.fail(exitUsage, err)
	}
	documents := source.LeastPolicies(v.setup.Config, place)
	if len(documents) == 0 {
		fmt.Fprintln(c.stderr, "the pod reads no secret, so nothing has to be allowed")
		return exitOK
	}
	if r.only != "" {
		documents = slices.DeleteFunc(documents, func(d source.Document) bool { return string(d.Kind) != r.only })
		if len(documents) == 0 {
			return c.fail(exitUsage, fmt.Errorf("--for is %s, and %s", r.only, notNeeded[source.DocumentKind(r.only)]))
		}
	}
	for _, d := range documents {
		if err := c.printDocument(d, v, place); err != nil {
			return c.fail(exitRefused, fmt.Errorf("writing the policy: %w", err))
		}
	}
	return exitOK
}

// notNeeded is why there is no document of a kind.
var notNeeded = map[source.DocumentKind]string{
	source.RolePolicy:       "the pod assumes none: see airflow-secrets/role-arn",
	source.SharedRolePolicy: "the pod assumes none in a shared account: see airflow-secrets/shared-role-arn",
	source.TrustPolicy:      "the pod assumes no role in a shared account: see airflow-secrets/shared-role-arn",
	source.SecretPolicy:     "the pod reads no secret of another account by its ARN: see airflow-secrets/shared-connections",
	source.KeyPolicy:        "the pod uses no key of another account: see airflow-secrets/shared-connections",
}

func parsePolicyRequest(args []string, c console) (policyRequest, error) {
	var r policyRequest
	flags := r.newFlagsWithObjects(c.command)
	flags.StringVar(&r.account, "account", "", "")
	flags.StringVar(&r.principal, "principal", "", "")
	flags.StringVar(&r.only, "for", "", "")
	flags.Var(&r.keys, "kms-key", "")
	flags.Var(&r.sharedKeys, "shared-kms-key", "")
	if err := r.parse(flags, args); err != nil {
		return r, err
	}
	if r.account != "" && !contract.IsAccountID(r.account) {
		return r, fmt.Errorf("--account is %q, expected the 12 digits of an AWS account", r.account)
	}
	if r.principal != "" && !principalARN.MatchString(r.principal) {
		return r, fmt.Errorf("--principal is %q, expected the ARN of a role or a user, such as arn:aws:iam::111122223333:role/airflow", r.principal)
	}
	if kinds := source.DocumentKinds(); r.only != "" && !slices.Contains(kinds, source.DocumentKind(r.only)) {
		return r, fmt.Errorf("--for is %q, expected pod or role, or, of a shared account, shared-role, trust, secret or key", r.only)
	}
	return r, cmp.Or(r.keys.checkKeys("--kms-key"), r.sharedKeys.checkKeys("--shared-kms-key"))
}

func (f files) checkKeys(flag string) error {
	for _, key := range f {
		if !keyARN.MatchString(key) {
			return fmt.Errorf("%s is %q, expected the ARN of a key, such as arn:aws:kms:eu-central-1:111122223333:key/ID (policies do not follow an alias)", flag, key)
		}
	}
	return nil
}

var (
	keyARN       = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9/_+=,.@-]+$`)
)

// place is what the flags and the pod's environment tell of where the secrets are and who asks for them. Flags that say
// otherwise than the pod are mistakes.
func (r policyRequest) place(v view) (source.Place, error) {
	own, role := v.setup.Accounts[0], v.ownRole()
	if shared := v.setup.Shared(); shared != nil {
		role = v.roleOf(*shared) // which has to be told of it
	}
	switch {
	case own.Role != nil && r.account != "" && contract.AccountOf(own.Role.ARN) != r.account:
		return source.Place{}, fmt.Errorf("--account is %s, and the pod assumes %s, whose secrets are read: leave --account away", r.account, own.Role.ARN)
	case role != "" && r.principal != "" && r.principal != role:
		return source.Place{}, fmt.Errorf("--principal is %s, and the pod has the role %s: leave --principal away", r.principal, role)
	case own.Role == nil && r.account != "" && r.principal != "" && contract.AccountOf(r.principal) != r.account:
		return source.Place{}, fmt.Errorf("--account is %s, and --principal is %s of another one: leave --account away", r.account, r.principal)
	}
	return source.Place{Region: v.region(), Account: r.account, Principal: cmp.Or(r.principal, role), KMSKeys: r.keys, SharedKMSKeys: r.sharedKeys}, nil
}

// printDocument prints one policy, and on standard error what it is for and what about it may be surprising.
func (c console) printDocument(d source.Document, v view, place source.Place) error {
	fmt.Fprintln(c.stderr, whose(d, v, place)+":")
	for _, note := range notes(d, v) {
		fmt.Fprintln(c.stderr, "note: "+note)
	}
	if size := d.Policy.Size(); size > source.MaxPolicySize {
		fmt.Fprintf(c.stderr, "warning: the policy has %d characters, and IAM takes %d in a managed one: ask for a prefix instead of many ids, or spread its resources over several policies\n",
			size, source.MaxPolicySize)
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d.Policy)
}

// whose says what a policy is for.
func whose(d source.Document, v view, place source.Place) string {
	of := strings.Join(d.Of, ", ")
	switch d.Kind {
	case source.RolePolicy:
		return "for the role " + of + ", which the pod's identity assumes"
	case source.SharedRolePolicy:
		return "for the role " + of + " of the shared account, which the pod's identity assumes"
	case source.TrustPolicy:
		return "the trust policy of the role " + of
	case source.SecretPolicy:
		return "the resource policy of each of the secrets " + of
	case source.KeyPolicy:
		return "to be added to the key policy of " + of
	}
	switch role := v.ownRole(); {
	case role != "":
		return "for the role " + role + ", which the pod has by a token of its service account"
	case place.Principal != "":
		return "for " + place.Principal + ", the pod's identity"
	}
	return "for the pod's identity"
}

// notes tell of what is not known, and how to make it known.
func notes(d source.Document, v view) []string {
	var notes []string
	if hasUnknown(d.Policy, regionOfARN) {
		notes = append(notes, "the region is not known, so it is * in the policy: set airflow-secrets/region"+v.mayBeSpared("AWS_REGION", "AWS_DEFAULT_REGION"))
	}
	if hasUnknown(d.Policy, accountOfARN) {
		notes = append(notes, "the account is not known, so it is * in the policy: pass --account")
	}
	has := func(part func(source.Statement) []string, text string) bool {
		return slices.ContainsFunc(d.Policy.Statement, func(s source.Statement) bool {
			return slices.ContainsFunc(part(s), func(arn string) bool { return strings.Contains(arn, text) })
		})
	}
	switch {
	case has(principals, ":"+source.UnknownAccount+":"):
		notes = append(notes, "the account of the pod's identity is not known: pass --principal or --account, or write it for "+source.UnknownAccount)
	case has(principals, ":root"):
		notes = append(notes, "the pod's identity is not known, so its account is named, and policies there decide who else may: pass --principal")
	}
	if has(resources, "/"+source.UnknownKey) || slices.ContainsFunc(d.Of, func(arn string) bool { return strings.HasSuffix(arn, "/"+source.UnknownKey) }) {
		notes = append(notes, "the secrets of another account can be read only if a customer-managed key encrypts them: pass --shared-kms-key, or write its id for "+source.UnknownKey)
	}
	return notes
}

func resources(s source.Statement) []string { return s.Resource }

func principals(s source.Statement) []string {
	if s.Principal == nil {
		return nil
	}
	return s.Principal.AWS
}

// Parts of an ARN: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME.
const (
	regionOfARN  = 3
	accountOfARN = 4
)

// hasUnknown says whether a part of a secret's ARN is any at all.
func hasUnknown(p source.Policy, part int) bool {
	return slices.ContainsFunc(p.Statement, func(s source.Statement) bool {
		return slices.ContainsFunc(s.Resource, func(arn string) bool {
			parts := strings.SplitN(arn, ":", 6)
			return len(parts) == 6 && parts[2] == "secretsmanager" && parts[part] == "*"
		})
	})
}

// mayBeSpared is the end of a sentence that names where a variable is that was not given.
func (v view) mayBeSpared(names ...string) string {
	for _, name := range names {
		if slices.Contains(v.spared, name) {
			return ", or pass with -r what " + name + " comes from"
		}
	}
	return ""
}
