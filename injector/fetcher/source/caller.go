package source

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// caller is an identity that asks AWS. Accounts that name the same one share it: its credentials are got once, and it
// finds out once whether it may read in batches.
type caller struct {
	credentials aws.CredentialsProvider
	// purpose names the shared account if the identity is for that alone; it follows what is done for the identity.
	purpose string
	permit  permit

	mu    sync.Mutex // held while the credentials are got, so for as long as the run's context at most
	known bool       // id and err are
	id    string     // of its AWS account; empty where the credentials do not tell, as access keys do not
	err   error
}

// get gets the credentials, or remembers how that went.
func (c *caller) get(ctx context.Context, retrieve func(context.Context) (aws.Credentials, error)) (id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		var got aws.Credentials
		got, c.err = retrieve(ctx)
		c.known, c.id = true, got.AccountID
	}
	return c.id, c.err
}

// who is what the identity of an account is known by: equal for two accounts, it is the same identity.
type who struct {
	keyID       string
	keysFromEnv bool
	webIdentity contract.WebIdentity
	profile     string
	stsEndpoint string
	role        contract.Role // empty: the identity before it assumes one
}

// beforeRole is who an account is asked by, or who assumes its role.
func beforeRole(a contract.Account) who {
	w := who{keysFromEnv: a.KeysFromEnv, profile: a.Profile, stsEndpoint: a.STSEndpointURL}
	if a.Keys != nil {
		w.keyID, _, _ = a.Keys()
	}
	if a.WebIdentity != nil {
		w.webIdentity = *a.WebIdentity
	}
	return w
}

// caller is the one that is known already, or a new one with those credentials. Accounts are connected one after the
// other, so the first of them has given the credentials.
func (r *run) caller(w who, a contract.Account, credentials aws.CredentialsProvider) *caller {
	if r.callers == nil {
		r.callers = map[who]*caller{}
	}
	if r.callers[w] == nil {
		r.callers[w] = &caller{credentials: credentials, purpose: naming("for", a)}
	}
	return r.callers[w]
}
