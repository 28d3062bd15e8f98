package fakeaws

import (
	"fmt"
	"regexp"
	"strings"
)

// KMSKey is a customer-managed key of KMS. Nothing is encrypted with it; it is there to be allowed and denied.
type KMSKey struct {
	// ID is the last part of its ARN, on AWS a UUID.
	ID string
	// Policy is its key policy, a JSON document. Empty: AWS's default one, with which the identity-based policies of the
	// key's account decide, and no other account gets in.
	Policy string
}

// KMSKey makes a key, or replaces its policy, and returns its ARN. A key whose ARN is known needs no making, unless it
// has a policy of its own. It panics on an id or a policy that AWS does not take.
func (a *Account) KMSKey(region string, key KMSKey) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return must(a.kmsKey(region, key.ID, must(parseOwnPolicy(resourceBased, key.Policy))))
}

func (a *Account) kmsKey(region, id string, policy policy) (string, error) {
	arn := fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", partitionOf(region), region, a.id, id)
	if !keyARN.MatchString(arn) || partitionOf(region) != a.partition {
		return "", fmt.Errorf("KMS key %q of region %q: expected an id of letters, digits and hyphens, and a region of the partition %s",
			id, region, a.partition)
	}
	if policy == nil {
		policy = defaultKeyPolicy(arn)
	}
	a.server.kmsKeys[arn] = policy
	return arn, nil
}

var keyARN = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)

// keyPolicy is that of the key with that ARN.
func (s *Server) keyPolicy(arn string) policy {
	if p, ok := s.kmsKeys[arn]; ok {
		return p
	}
	return defaultKeyPolicy(arn)
}

// defaultKeyPolicy leaves it to the identity-based policies of the key's account (KMS developer guide, "Default key
// policy").
func defaultKeyPolicy(arn string) policy {
	account := &principals{AWS: []string{strings.Split(arn, ":")[4]}}
	return policy{{Effect: "Allow", Principal: account, Action: []string{"kms:*"}, Resource: []string{"*"}}}
}

// kmsKeyARN is that of the key that the secret's value is encrypted with; empty for the default key. CreateSecret takes
// the id of a key, too. An alias is not looked up: its own ARN stands for the key's.
func (s *stored) kmsKeyARN() string {
	id := s.kmsKeyID
	switch {
	case id == "" || strings.HasSuffix(id, "alias/aws/secretsmanager"):
		return ""
	case strings.Count(id, ":") >= arnParts-1:
		return id
	case !strings.HasPrefix(id, "alias/"):
		id = "key/" + id
	}
	return fmt.Sprintf("arn:%s:kms:%s:%s:%s", s.owner.partition, strings.Split(s.arn, ":")[3], s.owner.id, id)
}

// viaSecretsManager is the condition key kms:ViaService of what Secrets Manager asks of KMS for a caller.
func viaSecretsManager(region string) string {
	domain := "amazonaws.com"
	if partitionOf(region) == "aws-cn" {
		domain = "amazonaws.com.cn"
	}
	return "secretsmanager." + region + "." + domain
}
