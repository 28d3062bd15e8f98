package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
)

// borrowed is the setup that works in this process: what the pod would take from its environment comes into the
// configuration, and an identity that only the pod can have is replaced by this process's. The notes say so.
func (v view) borrowed() (setup fetcher.Setup, notes []string) {
	setup = v.setup
	setup.Accounts = slices.Clone(setup.Accounts)
	note := func(text string) {
		if !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
	}
	for i := range setup.Accounts {
		a := &setup.Accounts[i]
		a.Region = cmp.Or(a.Region, v.region())
		if a.Region == "" {
			note("the pod names no region, so this process's is taken: set airflow-secrets/region, unless the cluster adds one" +
				v.mayBeSpared("AWS_REGION", "AWS_DEFAULT_REGION"))
		}
		a.EndpointURL = cmp.Or(a.EndpointURL, v.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"], v.env["AWS_ENDPOINT_URL"])
		a.STSEndpointURL = cmp.Or(a.STSEndpointURL, v.env["AWS_ENDPOINT_URL_STS"], v.env["AWS_ENDPOINT_URL"])
		a.FIPS = a.FIPS || isTrue(v.env["AWS_USE_FIPS_ENDPOINT"])
		a.DualStack = a.DualStack || isTrue(v.env["AWS_USE_DUALSTACK_ENDPOINT"])
		if instead := v.lend(a); instead != "" {
			note(instead + ", so this process's AWS identity asks instead")
			if a.Name == contract.SharedAccount {
				note(onlyThePod(*a))
			}
		}
	}
	return setup, notes
}

// onlyThePod says what a check with another identity does not tell of the shared account.
func onlyThePod(a contract.Account) string {
	if a.ByARN() {
		return "the shared account " + a.ID + " may let in the pod's identity alone, by the policies of its secrets and their key: " +
			"where this process is denied there, the pod may not be, and the other way round"
	}
	return "the role " + a.Role.ARN + " of the shared account may let in the pod's identity alone, by its trust policy: where this process is denied, the pod may not be, and the other way round"
}

func isTrue(text string) bool { return strings.EqualFold(text, "true") }

// lend settles the identity: the pod's access keys, where they are known, and else none, which makes it this process's. It
// says what the pod has that this process has not, if that can be told.
func (v view) lend(a *contract.Account) (instead string) {
	role := v.roleOf(*a)
	fromEnv := a.KeysFromEnv || a.WebIdentity == nil && a.Profile == ""
	keyEnv, secretEnv, tokenEnv := "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
	if a.KeysFromEnv {
		keyEnv, secretEnv, tokenEnv = contract.KeyIDEnv, contract.SecretKeyEnv, contract.SessionTokenEnv
	}
	id, secret, token := v.env[keyEnv], v.env[secretEnv], v.env[tokenEnv]
	switch {
	case a.Keys != nil:
		return ""
	case fromEnv && id != "" && secret != "":
		a.Keys = func() (string, string, string) { return id, secret, token }
		return ""
	case a.KeysFromEnv:
		instead = "the Secret that airflow-secrets/credentials-secret names is not given with -r (or has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and then the pod would not start)"
	case slices.Contains(v.spared, keyEnv):
		instead = "the pod's access key is in a Secret that is not given with -r"
	case role != "":
		instead = "the pod has the role " + role + " by a token of its service account, which only the cluster gives"
	case a.Profile != "" || v.env["AWS_PROFILE"] != "":
		instead = "the pod has the profile " + cmp.Or(a.Profile, v.env["AWS_PROFILE"]) + " of a file that is not read here"
	case v.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] != "":
		instead = "the pod has its identity by EKS Pod Identity, which only the cluster gives"
	}
	a.KeysFromEnv, a.WebIdentity, a.Profile = false, nil, ""
	return instead
}

// identity says who asks an account, in words.
func identity(a contract.Account) string {
	as := "this process's AWS identity"
	if a.Keys != nil {
		as = "the pod's access key"
	}
	if a.Role != nil {
		as += ", then " + a.Role.ARN
	}
	return as
}
