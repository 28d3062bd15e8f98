package fakeaws

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
)

// Account is one AWS account: its access keys, its roles, and its secrets in each region.
type Account struct {
	server    *Server
	id        string
	partition string            // such as "aws"
	vaults    map[string]*vault // region → its secrets
	roles     map[string]*role  // name → role
	denied    map[string]bool   // operation → whether the account's identities are denied it
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
	// Undecryptable is encrypted with a key that is disabled or gone: DecryptionFailure.
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
	// KMSKey is the ARN of the customer-managed key that the value is encrypted with: whoever reads it must be allowed
	// kms:Decrypt on that key. Empty: by the account's default key, aws/secretsmanager, which asks nothing of the
	// account's own identities, and lets no other account in.
	KMSKey string
	// ReadableBy are the other accounts that may read the secret by its ARN: those that its resource policy and its KMS
	// key both let in, whatever the key. The policies of the identities there must allow it, too.
	ReadableBy []string
	// ResourcePolicy is a JSON document that says who may do what with the secret. It comes on top of ReadableBy.
	ResourcePolicy string
}

// Put stores a secret and returns its ARN. A secret of that name that is already there keeps its ARN, gets a new
// version, and has all else replaced. It panics on a name, a state, a region, a key or a policy that AWS does not take.
//
// The six characters at the end of the ARN are random on AWS. Here they are derived from the name, and from how many
// secrets of that name have been removed before, so that they are the same in each run.
func (a *Account) Put(region string, secret Secret) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return must(a.put(region, secret, must(parseOwnPolicy(resourceBased, secret.ResourcePolicy))))
}

func (a *Account) put(region string, secret Secret, policy policy) (string, error) {
	if err := checkName(secret.Name); err != nil {
		return "", fmt.Errorf("secret %q: %s", secret.Name, asAPIError(err).Message)
	}
	switch {
	case secret.State != "" && !slices.Contains(States(), secret.State):
		return "", fmt.Errorf("secret %q: state is %q, expected one of %q", secret.Name, secret.State, States())
	case secret.KMSKey != "" && !keyARN.MatchString(secret.KMSKey):
		return "", fmt.Errorf("secret %q: KMS key is %q, expected the ARN of a key", secret.Name, secret.KMSKey)
	case partitionOf(region) != a.partition:
		return "", fmt.Errorf("secret %q: region is %q of %s, expected one of the account's partition %s",
			secret.Name, region, partitionOf(region), a.partition)
	}
	v, now := a.vault(region), a.server.now()
	s, ok := v.secrets[secret.Name]
	if !ok {
		s = v.create(secret.Name, now)
	}
	s.replace(secret, now)
	s.policy = policy
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
		v = &vault{account: a, region: region, secrets: map[string]*stored{}, removed: map[string]int{}}
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
