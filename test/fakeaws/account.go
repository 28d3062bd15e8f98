package fakeaws

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Account is one AWS account: its access keys, its roles, and its secrets in each region.
type Account struct {
	server *Server
	id     string
	vaults map[string]*vault // region → its secrets
	roles  map[string]*Role  // name → role
	denied map[string]bool   // operation → whether the account's identities are denied it
}

// Keys are an access key pair, as the SDK's static credentials take it.
type Keys struct {
	ID     string // AWS_ACCESS_KEY_ID
	Secret string // AWS_SECRET_ACCESS_KEY
}

// Keys makes an access key of a user of this account, and gives the pair. A key id belongs to one account: to the last
// one that asked for it.
func (a *Account) Keys(id string) Keys {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.server.keys[id] = &principal{
		account: a,
		arn:     "arn:aws:iam::" + a.id + ":user/" + id,
		userID:  "AIDA" + digest(id, 17),
	}
	return Keys{ID: id, Secret: "secret-of-" + id}
}

// principal is who signs a call: a user's key, or a role's session.
type principal struct {
	account *Account
	arn     string
	userID  string
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

// Role is an IAM role that others may assume. Its sessions may do what the account's other identities may.
type Role struct {
	Name string
	// TrustedAccounts may call AssumeRole, beside the role's own account.
	TrustedAccounts []string
	// ExternalID must come with AssumeRole, unless it is empty.
	ExternalID string
	// Subject and Audience must be the claims sub and aud of a web identity token, where they are not empty. For a role
	// that has neither, any token will do.
	Subject, Audience string
}

// Role declares a role, or declares it anew, and returns its ARN.
func (a *Account) Role(role Role) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	role.TrustedAccounts = slices.Clone(role.TrustedAccounts)
	a.roles[role.Name] = &role
	return "arn:aws:iam::" + a.id + ":role/" + role.Name
}

// State is what keeps a secret from being read. The zero State is that of a secret which can be read.
type State string

// The states of a secret, and what reading it then answers.
const (
	// BeingDeleted is scheduled for deletion: InvalidRequestException. Lists leave it out.
	BeingDeleted State = "being-deleted"
	// PendingOnly has a version labelled AWSPENDING and none labelled AWSCURRENT, as a first rotation that broke off
	// leaves it: ResourceNotFoundException.
	PendingOnly State = "pending-only"
	// Undecryptable is encrypted with a key that is disabled, or that KMS refuses to the caller: DecryptionFailure.
	Undecryptable State = "undecryptable"
	// Denied is one that no policy lets anybody read: AccessDeniedException.
	Denied State = "denied"
)

// States lists the states that a secret can be put into.
func States() []State { return []State{BeingDeleted, PendingOnly, Undecryptable, Denied} }

// Secret is a secret to Put.
type Secret struct {
	Name        string
	Description string
	Tags        map[string]string
	// String is the value, unless Binary is not nil. AWS takes no empty value; Put stores one all the same.
	String string
	Binary []byte
	State  State
	// ReadableBy are the other accounts that may read the secret by its ARN: those that its resource policy and its KMS
	// key both let in.
	ReadableBy []string
}

// Put stores a secret and returns its ARN. A secret of that name that is already there keeps its ARN, gets a new
// version, and has all else replaced. It panics on a name or a state that AWS does not have.
//
// The six characters at the end of the ARN are random on AWS. Here they are derived from the name, and from how many
// secrets of that name have been removed before, so that they are the same in each run.
func (a *Account) Put(region string, secret Secret) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return must(a.put(region, secret))
}

func (a *Account) put(region string, secret Secret) (string, error) {
	if err := checkName(secret.Name); err != nil {
		return "", fmt.Errorf("secret %q: %s", secret.Name, asAPIError(err).Message)
	}
	if secret.State != "" && !slices.Contains(States(), secret.State) {
		return "", fmt.Errorf("secret %q: state is %q, expected one of %q", secret.Name, secret.State, States())
	}
	v, now := a.vault(region), a.server.now()
	s, ok := v.secrets[secret.Name]
	if !ok {
		s = v.create(secret.Name, now)
	}
	s.replace(secret, now)
	return s.arn, nil
}

// Remove makes a secret vanish at once, as if its deletion were over. Putting it again gives another ARN.
func (a *Account) Remove(region, name string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.vault(region).remove(name)
}

func (a *Account) vault(region string) *vault {
	v, ok := a.vaults[region]
	if !ok {
		v = &vault{account: a.id, region: region, secrets: map[string]*stored{}, removed: map[string]int{}}
		a.vaults[region] = v
	}
	return v
}

// digest is n characters, upper case letters and digits, that are always the same for a text. n is 52 at most.
func digest(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

// digestUUID is a UUID that is always the same for a text.
func digestUUID(text string) string {
	sum := sha256.Sum256([]byte(text))
	sum[6] = sum[6]&0x0f | 0x40 // version 4, as AWS's are
	sum[8] = sum[8]&0x3f | 0x80 // the variant of RFC 9562
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
