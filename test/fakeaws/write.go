package fakeaws

import (
	"slices"
	"time"
)

// written is the answer of the operations that change a secret.
type written struct {
	ARN           string
	Name          string
	VersionID     string   `json:"VersionId,omitempty"`
	VersionStages []string `json:",omitempty"`
	DeletionDate  epoch    `json:",omitzero"`
}

const markedForDeletion = "You can't perform this operation on the secret because it was marked for deletion."

func createSecret(c *call) (any, error) {
	if err := checkName(c.in.Name); err != nil {
		return nil, err
	}
	v := c.caller.account.vault(c.region)
	if err := c.mayUse("CreateSecret", c.in.Name, c.caller.account, v.secrets[c.in.Name]); err != nil {
		return nil, err
	}
	made, err := c.newVersion()
	if err != nil {
		return nil, err
	}
	if there, ok := v.secrets[c.in.Name]; ok {
		return there.createdAgain(made)
	}
	secret := v.create(c.in.Name, c.server.now())
	secret.description, secret.kmsKeyID, secret.tags = c.in.Description, c.in.KMSKeyID, c.in.Tags
	out := written{ARN: secret.arn, Name: secret.name}
	if made != nil {
		out.VersionID = made.id
		secret.add(made, []string{current}, c.server.now())
	}
	return out, nil
}

// createdAgain answers the creation of a secret that is there: an error, unless it is the first creation repeated.
func (s *stored) createdAgain(made *version) (any, error) {
	if !s.deletedAt.IsZero() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if made != nil {
		if old := s.version(made.id, ""); old != nil && old.sameValue(made) {
			return written{ARN: s.arn, Name: s.name, VersionID: old.id}, nil
		}
	}
	return nil, clientError("ResourceExistsException", "The operation failed because the secret %s already exists.", s.name)
}

func putSecretValue(c *call) (any, error) {
	secret, err := c.ownSecret("PutSecretValue")
	if err != nil {
		return nil, err
	}
	made, err := c.newVersion()
	switch {
	case err != nil:
		return nil, err
	case made == nil:
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	case !secret.deletedAt.IsZero():
		return nil, invalidRequest(markedForDeletion)
	}
	stages := c.in.VersionStages
	first := len(secret.versions) == 0 // which is always the current one
	if len(stages) == 0 || first && !slices.Contains(stages, current) {
		stages = append(stages, current)
	}
	old := secret.version(made.id, "")
	switch {
	case old == nil:
		secret.add(made, stages, c.server.now())
	case !old.sameValue(made):
		return nil, clientError("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", made.id, secret.arn)
	default: // the same call once more
		made = old
	}
	return written{ARN: secret.arn, Name: secret.name, VersionID: made.id, VersionStages: slices.Clone(made.stages)}, nil
}

// maxValue is the most bytes of a value (API model, SecretStringType and SecretBinaryType).
const maxValue = 65536

// newVersion is the version that the call asks to make; nil if the call has no value.
func (c *call) newVersion() (*version, error) {
	v := &version{id: c.in.ClientRequestToken, binary: slices.Clone(c.in.SecretBinary)}
	member, length := "secretBinary", len(c.in.SecretBinary)
	switch {
	case c.in.SecretString != nil && c.in.SecretBinary != nil:
		return nil, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case c.in.SecretString != nil:
		v.text = *c.in.SecretString
		member, length = "secretString", len(v.text)
	case c.in.SecretBinary == nil:
		return nil, nil
	}
	if v.id == "" { // which every SDK sends on its own
		return nil, invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if len(v.id) < 32 || len(v.id) > 64 {
		return nil, invalidParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return v, checkLength(member, length, 1, maxValue)
}

func deleteSecret(c *call) (any, error) {
	window, err := c.recoveryWindow()
	if err != nil {
		return nil, err
	}
	now := c.server.now()
	secret, err := c.ownSecret("DeleteSecret")
	switch {
	case err != nil && c.in.ForceDeleteWithoutRecovery && asAPIError(err).Code == "ResourceNotFoundException":
		// As documented, what is not there can be deleted by force.
		arn := c.caller.account.vault(c.region).arn(*c.in.SecretID)
		return written{ARN: arn, Name: *c.in.SecretID, DeletionDate: epoch{now}}, nil
	case err != nil:
		return nil, err
	case c.in.ForceDeleteWithoutRecovery:
		c.caller.account.vault(c.region).remove(secret.name)
	case !secret.deletedAt.IsZero():
		return nil, invalidRequest("You tried to perform the operation on a secret that's currently marked deleted.")
	default:
		secret.deletedAt = now
	}
	return written{ARN: secret.arn, Name: secret.name, DeletionDate: epoch{now.Add(window)}}, nil
}

// recoveryWindow is for how long a deleted secret can be restored.
func (c *call) recoveryWindow() (time.Duration, error) {
	const day = 24 * time.Hour
	days := c.in.RecoveryWindowInDays
	switch {
	case days == nil && c.in.ForceDeleteWithoutRecovery:
		return 0, nil
	case days == nil:
		return 30 * day, nil
	case c.in.ForceDeleteWithoutRecovery:
		return 0, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case *days < 7 || *days > 30:
		return 0, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	return time.Duration(*days) * day, nil
}

func restoreSecret(c *call) (any, error) {
	secret, err := c.ownSecret("RestoreSecret")
	if err != nil {
		return nil, err
	}
	secret.deletedAt = time.Time{}
	return written{ARN: secret.arn, Name: secret.name}, nil
}

// ownSecret is the secret that the call is about, of the caller's own account: others may read at most.
func (c *call) ownSecret(operation string) (*stored, error) {
	secret, err := c.secret(operation)
	if err == nil && secret.owner != c.caller.account {
		action := "secretsmanager:" + operation
		return nil, c.denied(action, *c.in.SecretID, notAllowed(resourceBased, action))
	}
	return secret, err
}
