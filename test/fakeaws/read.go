package fakeaws

import (
	"slices"
	"strings"
	"time"
)

// value is the answer of GetSecretValue, and one secret of BatchGetSecretValue.
type value struct {
	ARN           string
	Name          string
	VersionID     string  `json:"VersionId"`
	SecretString  *string `json:",omitempty"`
	SecretBinary  []byte  `json:",omitempty"`
	VersionStages []string
	CreatedDate   epoch
}

func getSecretValue(c *call) (any, error) {
	secret, err := c.secret("GetSecretValue")
	if err != nil {
		return nil, err
	}
	return c.value(secret, c.in.VersionID, c.in.VersionStage)
}

// batch is the answer of BatchGetSecretValue. A secret that cannot be read is one of Errors, and the batch goes on.
type batch struct {
	SecretValues []*value
	Errors       []batchError
	NextToken    string `json:",omitempty"`
}

type batchError struct {
	SecretID  string `json:"SecretId"`
	ErrorCode string
	Message   string
}

// maxBatch is the most secrets of a call, by ids or by filters (API model, SecretIdListType and MaxResultsBatchType).
const maxBatch = 20

func batchGetSecretValue(c *call) (any, error) {
	ids, err := c.batchIDs()
	if err != nil {
		return nil, err
	}
	ids, next, err := page(c, ids, maxBatch)
	if err != nil {
		return nil, err
	}
	out := &batch{SecretValues: []*value{}, Errors: []batchError{}, NextToken: next}
	for _, id := range ids {
		value, err := c.batchValue(id)
		if err != nil {
			e := asAPIError(err)
			out.Errors = append(out.Errors, batchError{SecretID: id, ErrorCode: e.Code, Message: e.Message})
			continue
		}
		out.SecretValues = append(out.SecretValues, value)
	}
	return out, nil
}

// batchIDs are the secrets to read: those that are listed, or those that the filters find.
func (c *call) batchIDs() ([]string, error) {
	ids, filters := c.in.SecretIDList, c.in.Filters
	switch {
	case len(ids) > 0 && len(filters) > 0:
		return nil, invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(ids) == 0 && len(filters) == 0:
		return nil, invalidParameter("Either 'SecretIdList' or 'Filters' must be provided.")
	case len(ids) > 0 && c.in.MaxResults != nil:
		return nil, invalidParameter("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	case len(ids) > 0:
		return ids, checkLength("secretIdList", len(ids), 1, maxBatch)
	}
	secrets, err := c.matching()
	for _, s := range secrets {
		ids = append(ids, s.arn)
	}
	return ids, err
}

func (c *call) batchValue(id string) (*value, error) {
	secret, err := c.find(id, "GetSecretValue")
	if err != nil {
		return nil, err
	}
	return c.value(secret, "", "")
}

// value reads the version of a secret that has the id and the stage. Without either, AWSCURRENT is meant.
func (c *call) value(s *stored, id, stage string) (*value, error) {
	if err := c.server.befall(c, s.name); err != nil {
		return nil, err
	}
	if !s.deletedAt.IsZero() {
		return nil, invalidRequest(markedForDeletion)
	}
	if id == "" && stage == "" {
		stage = current
	}
	v := s.version(id, stage)
	switch {
	case v == nil && stage == "":
		return nil, notFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
	case v == nil && s.version(id, "") != nil && id != "":
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	case v == nil:
		return nil, notFound("Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	if err := c.mayDecrypt(s, v); err != nil {
		return nil, err
	}
	if s.state == Undecryptable {
		return nil, clientError("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.")
	}
	s.accessedAt = c.server.now().UTC().Truncate(24 * time.Hour) // AWS tells the day only
	out := &value{
		ARN: s.arn, Name: s.name, VersionID: v.id,
		SecretBinary: v.binary, VersionStages: slices.Clone(v.stages), CreatedDate: epoch{v.createdAt},
	}
	if v.binary == nil {
		out.SecretString = &v.text
	}
	return out, nil
}

// description is the answer of DescribeSecret.
type description struct {
	metadata
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
}

func describeSecret(c *call) (any, error) {
	secret, err := c.secret("DescribeSecret")
	if err != nil {
		return nil, err
	}
	return description{secret.metadata(), secret.stages()}, nil
}

// secret is the one that the call is about, if its caller may do the operation with it.
func (c *call) secret(operation string) (*stored, error) {
	if c.in.SecretID == nil {
		return nil, constraint("secretId", "not be null")
	}
	if err := checkLength("secretId", len(*c.in.SecretID), 1, 2048); err != nil {
		return nil, err
	}
	return c.find(*c.in.SecretID, operation)
}

// find looks up a secret by name, ARN or partial ARN: in the caller's account or, by ARN, in another one.
func (c *call) find(id, operation string) (*stored, error) {
	owner := c.caller.account
	if account, isARN := accountOf(id); isARN {
		owner = c.server.accounts[account]
	}
	var secret *stored
	if owner != nil {
		secret = owner.vault(c.region).find(id)
	}
	if err := c.mayUse(operation, id, owner, secret); err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, notFound("Secrets Manager can't find the specified secret.")
	}
	return secret, nil
}

// accountOf is the account in a secret's ARN.
func accountOf(arn string) (account string, ok bool) {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) != 7 || parts[0] != "arn" || parts[2] != "secretsmanager" || parts[5] != "secret" {
		return "", false
	}
	return parts[4], true
}
