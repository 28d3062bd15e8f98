package fakeaws

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Keys are an access key pair, as the SDK's static credentials take it.
type Keys struct {
	ID     string // AWS_ACCESS_KEY_ID
	Secret string // AWS_SECRET_ACCESS_KEY
}

// Keys makes an access key of a user of this account who may do everything, and gives the pair. A key id belongs to one
// account: to the last one that asked for it.
func (a *Account) Keys(id string) Keys {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.keys(id, administrator())
}

// KeysWith makes an access key of a user who may do what the policies allow: IAM policy documents in JSON. Without any,
// that is nothing. It panics on a document that IAM would refuse, and on what this fake does not enforce.
func (a *Account) KeysWith(id string, policies ...string) Keys {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.keys(id, must(parsePolicies(identityBased, policies...)))
}

func (a *Account) keys(id string, policy policy) Keys {
	a.server.keys[id] = &principal{
		account: a,
		arn:     a.iamARN("user/" + id),
		userID:  "AIDA" + digest(id, 17),
		policy:  policy,
	}
	return Keys{ID: id, Secret: "secret-of-" + id}
}

// administrator is what the managed policy AdministratorAccess says.
func administrator() policy {
	return policy{{Effect: "Allow", Action: []string{"*"}, Resource: []string{"*"}}}
}

// Role is an IAM role that others may assume.
type Role struct {
	Name string
	// TrustedAccounts may call AssumeRole, beside the role's own account; their identities' policies must allow it, too.
	TrustedAccounts []string
	// ExternalID must come with AssumeRole, unless it is empty.
	ExternalID string
	// TrustPolicy says the same as a JSON document, instead of TrustedAccounts and ExternalID. It does not concern
	// AssumeRoleWithWebIdentity.
	TrustPolicy string
	// Subject and Audience must be the claims sub and aud of a web identity token, where they are not empty. For a role
	// that has neither, any token will do.
	Subject, Audience string
	// Policies are the JSON documents that say what the role's sessions may do. Nil is everything, as Keys may; a list
	// that is empty, but not nil, is nothing.
	Policies []string
}

// Role declares a role, or declares it anew, for its sessions too, and returns its ARN. It panics on policies as KeysWith
// does.
func (a *Account) Role(r Role) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	policy := administrator()
	if r.Policies != nil {
		policy = must(parsePolicies(identityBased, r.Policies...))
	}
	return must(a.declare(r, policy, must(parseOwnPolicy(trustPolicy, r.TrustPolicy))))
}

// role is a Role and its policies, read.
type role struct {
	Role
	owner  *Account
	arn    string
	policy policy
	trust  policy // nil where TrustedAccounts and ExternalID say it
}

func (a *Account) declare(r Role, policy, trust policy) (string, error) {
	switch {
	case r.Name == "":
		return "", errors.New("the role's name is missing")
	case trust != nil && (len(r.TrustedAccounts) > 0 || r.ExternalID != ""):
		return "", errors.New("the role has a trust policy beside trusted accounts or an external id, expected one way to say it")
	}
	r.TrustedAccounts = slices.Clone(r.TrustedAccounts)
	declared := &role{Role: r, owner: a, arn: a.iamARN("role/" + r.Name), policy: policy, trust: trust}
	a.roles[r.Name] = declared
	return declared.arn, nil
}

// principal is who signs a call: a user's key, or a role's session.
type principal struct {
	account *Account
	arn     string
	userID  string
	policy  policy // of a user
	role    string // the name of a session's role; empty for a user
	// token is the session token that must come with the key; a user's key has none.
	token   string
	expires time.Time // zero: never
}

// accountID is the principal's account; nobody's is empty.
func (p *principal) accountID() string {
	if p == nil {
		return ""
	}
	return p.account.id
}

// callerARN is the principal's ARN, which for a session has the role's and the session's name in it; nobody's is empty.
func (p *principal) callerARN() string {
	if p == nil {
		return ""
	}
	return p.arn
}

// identityARN is that of the user or the role: what policies are attached to, and aws:PrincipalArn.
func (p *principal) identityARN() string {
	if p.role == "" {
		return p.arn
	}
	return p.account.iamARN("role/" + p.role)
}

// identityPolicy is what is attached to the user or the role, as it stands now.
func (p *principal) identityPolicy() policy {
	if p.role == "" {
		return p.policy
	}
	return p.account.roles[p.role].policy
}

// iamARN is the ARN of something of the account that IAM knows, such as "user/name". IAM has no regions.
func (a *Account) iamARN(what string) string {
	return "arn:" + a.partition + ":iam::" + a.id + ":" + what
}

// partitionOf is the part of AWS that a region is in. Accounts of one are unknown in another, and its name is in every
// ARN (AWS general reference, "Amazon Resource Names").
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func partitions() []string { return []string{"aws", "aws-cn", "aws-us-gov"} }
