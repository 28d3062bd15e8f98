package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

const policyUsage = `airflow-secrets iam-policy prints the least IAM policy with which a pod gets its secrets.

Usage:
  airflow-secrets iam-policy -f FILE [flags]

` + requestUsage + objectsUsage + `  --account ID           the AWS account of the secrets, where no role of the pod tells it
  --kms-key ARN          a customer-managed key that encrypts secrets; may be repeated
                         ("airflow-secrets check" names those of the secrets that are there)
  --for pod|role         only the policy of the pod's identity, or of the role that it assumes

Standard output has one JSON document for each identity, with what each is for on standard error. Where
the pod assumes a role (airflow-secrets/role-arn), its own identity needs nothing but that, and the role
the rest. Nothing that could be left away is in a policy; where the region or the account is not known,
there is a * in its place.

Secrets and ConfigMaps that hold nothing but keys, a region or a proxy need not be given, unless the pod
reads them whole (envFrom): then they may hold the settings of Airflow's backend, too. An object of that
name without data says that it does not.

Exit codes: 0 the policy is printed, or none is needed; 1 the pod is refused or would not start; 2 the
command was wrong, or a Secret or ConfigMap is missing.
`

// policyRequest is one run of the command.
type policyRequest struct {
	request
	account, only string
	keys          files
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
	if err := r.checkAccount(v.setup.Config); err != nil {
		return c.fail(exitUsage, err)
	}
	grants := source.LeastPolicies(v.setup.Config, source.Place{Region: v.region(), Account: r.accountOf(v), KMSKeys: r.keys})
	if len(grants) == 0 {
		fmt.Fprintln(c.stderr, "the pod reads no secret, so nothing has to be allowed")
		return exitOK
	}
	if r.only != "" {
		grants = slices.DeleteFunc(grants, func(g source.Grant) bool { return (g.Role != "") != (r.only == "role") })
		if len(grants) == 0 {
			return c.fail(exitUsage, errors.New("--for is role, and the pod assumes none: see airflow-secrets/role-arn"))
		}
	}
	for _, g := range grants {
		if err := c.printGrant(g, v); err != nil {
			return c.fail(exitRefused, fmt.Errorf("writing the policy: %w", err))
		}
	}
	return exitOK
}

func parsePolicyRequest(args []string, c console) (policyRequest, error) {
	var r policyRequest
	flags := r.newFlagsWithObjects(c.command)
	flags.StringVar(&r.account, "account", "", "")
	flags.StringVar(&r.only, "for", "", "")
	flags.Var(&r.keys, "kms-key", "")
	if err := r.parse(flags, args); err != nil {
		return r, err
	}
	if r.account != "" && !accountID.MatchString(r.account) {
		return r, fmt.Errorf("--account is %q, expected the 12 digits of an AWS account", r.account)
	}
	if r.only != "" && r.only != "pod" && r.only != "role" {
		return r, fmt.Errorf("--for is %q, expected pod or role", r.only)
	}
	for _, key := range r.keys {
		if !keyARN.MatchString(key) {
			return r, fmt.Errorf("--kms-key is %q, expected the ARN of a key, such as arn:aws:kms:eu-central-1:111122223333:key/ID (policies do not follow an alias)", key)
		}
	}
	return r, nil
}

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	keyARN    = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	roleARN   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/`)
)

// checkAccount refuses an account in which the role that the pod assumes is not: the secrets are the role's account's.
func (r policyRequest) checkAccount(config contract.Config) error {
	for _, a := range config.Accounts {
		if a.Role == nil || r.account == "" {
			continue
		}
		if found := roleARN.FindStringSubmatch(a.Role.ARN); found != nil && found[1] != r.account {
			return fmt.Errorf("--account is %s, and the pod assumes %s, whose secrets are read: leave --account away", r.account, a.Role.ARN)
		}
	}
	return nil
}

// accountOf is the flag's, or that of the role which EKS has given the pod.
func (r policyRequest) accountOf(v view) string {
	if found := roleARN.FindStringSubmatch(v.ownRole()); r.account == "" && found != nil {
		return found[1]
	}
	return r.account
}

// printGrant prints one policy, and on standard error what it is for and what about it may be surprising.
func (c console) printGrant(g source.Grant, v view) error {
	fmt.Fprintln(c.stderr, whose(g, v)+":")
	if hasUnknown(g.Policy, regionOfARN) {
		fmt.Fprintln(c.stderr, "note: the region is not known, so it is * in the policy: set airflow-secrets/region"+v.mayBeSpared("AWS_REGION", "AWS_DEFAULT_REGION"))
	}
	if hasUnknown(g.Policy, accountOfARN) {
		fmt.Fprintln(c.stderr, "note: the account is not known, so it is * in the policy: pass --account")
	}
	if size := g.Policy.Size(); size > source.MaxPolicySize {
		fmt.Fprintf(c.stderr, "warning: the policy has %d characters, and IAM takes %d in a managed one: ask for a prefix instead of many ids, or spread its resources over several policies\n",
			size, source.MaxPolicySize)
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(g.Policy)
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

// whose says which identity a policy is for.
func whose(g source.Grant, v view) string {
	if g.Role != "" {
		return "for the role " + g.Role + ", which the pod's identity assumes"
	}
	if role := v.ownRole(); role != "" {
		return "for the role " + role + ", which the pod has by a token of its service account"
	}
	return "for the pod's identity"
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
