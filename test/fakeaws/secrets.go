package fakeaws

import "slices"

// secretsOperations are the operations of Secrets Manager that there are: those that read secrets, and those by which a
// client sets the scene.
var secretsOperations = map[string]handler{
	"ListSecrets":         listSecrets,
	"BatchGetSecretValue": batchGetSecretValue,
	"GetSecretValue":      getSecretValue,
	"DescribeSecret":      describeSecret,
	"CreateSecret":        createSecret,
	"PutSecretValue":      putSecretValue,
	"DeleteSecret":        deleteSecret,
	"RestoreSecret":       restoreSecret,
}

// input has the members of all operations' requests. Each operation reads its own; others are ignored, as on AWS.
type input struct {
	Name                       string
	SecretID                   *string  `json:"SecretId"`
	SecretIDList               []string `json:"SecretIdList"`
	VersionID                  string   `json:"VersionId"`
	VersionStage               string
	VersionStages              []string
	ClientRequestToken         string
	Description                string
	KMSKeyID                   string `json:"KmsKeyId"`
	SecretString               *string
	SecretBinary               []byte // base64 on the wire
	Tags                       []tag
	Filters                    []filter
	MaxResults                 *int
	NextToken                  string
	SortBy, SortOrder          string
	IncludePlannedDeletion     bool
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

type tag struct{ Key, Value string }

// secretIDs are the names and ARNs that the request is about, as it has written them.
func (in *input) secretIDs() []string {
	ids := slices.Clone(in.SecretIDList)
	if in.SecretID != nil {
		ids = append(ids, *in.SecretID)
	}
	if in.Name != "" {
		ids = append(ids, in.Name)
	}
	return ids
}

// metadata is what DescribeSecret and ListSecrets both say of a secret.
type metadata struct {
	ARN              string
	Name             string
	Description      string `json:",omitempty"`
	KMSKeyID         string `json:"KmsKeyId,omitempty"`
	CreatedDate      epoch
	LastChangedDate  epoch
	LastAccessedDate epoch `json:",omitzero"`
	DeletedDate      epoch `json:",omitzero"`
	Tags             []tag `json:",omitempty"`
}

func (s *stored) metadata() metadata {
	return metadata{
		ARN: s.arn, Name: s.name, Description: s.description, KMSKeyID: s.kmsKeyID, Tags: slices.Clone(s.tags),
		CreatedDate: epoch{s.createdAt}, LastChangedDate: epoch{s.changedAt},
		LastAccessedDate: epoch{s.accessedAt}, DeletedDate: epoch{s.deletedAt},
	}
}
