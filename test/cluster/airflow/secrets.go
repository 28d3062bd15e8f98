package airflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

const region = "eu-central-1"

// store is what a fake AWS holds, as test/fakeaws/README.md has it.
type store struct {
	Accounts map[string]*account `json:"accounts"`
}

type account struct {
	Keys    []identity          `json:"keys,omitempty"`
	Roles   []identity          `json:"roles,omitempty"`
	KMSKeys []kmsKey            `json:"kmsKeys,omitempty"`
	Regions map[string][]secret `json:"regions"`
}

// identity is an access key, or a role.
type identity struct {
	ID          string            `json:"id,omitempty"`
	Name        string            `json:"name,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Audience    string            `json:"audience,omitempty"`
	TrustPolicy json.RawMessage   `json:"trustPolicy,omitempty"`
	Policies    []json.RawMessage `json:"policies"`
}

type kmsKey struct {
	ID     string `json:"id"`
	Region string `json:"region"`
}

type secret struct {
	Name   string `json:"name"`
	String string `json:"string"`
	KMSKey string `json:"kmsKey,omitempty"`
}

func (s store) yaml() (string, error) {
	text, err := yaml.Marshal(s)
	return string(text), err
}

// serviceAccountRole is a role for the pods of a service account, by IRSA, with IAM's documents.
func serviceAccountRole(name, namespace, serviceAccount string, policies ...string) identity {
	role := identity{Name: name, Subject: "system:serviceaccount:" + namespace + ":" + serviceAccount, Audience: "sts.amazonaws.com"}
	for _, policy := range policies {
		role.Policies = append(role.Policies, json.RawMessage(policy))
	}
	return role
}

// expected is what Airflow must have, as dags/verify.py reads it. Of passwords and values there are digests.
type expected struct {
	Schedule    *string               `json:"schedule"` // nil: it is triggered
	Connections map[string]connection `json:"connections"`
	Absent      []string              `json:"absent"` // ids of connections that must not be found
	Variables   map[string]string     `json:"variables"`
	Options     map[string]string     `json:"options,omitempty"` // section.key → digest
	More        map[string]task       `json:"more,omitempty"`    // DAGs that look it up, beside the one named verify, by id
}

// task is what is special to a DAG's task.
type task struct {
	Queue       string            `json:"queue,omitempty"`       // of Celery's
	Annotations map[string]string `json:"annotations,omitempty"` // of the pod that Kubernetes' executor makes
}

type connection struct {
	Type     string         `json:"conn_type"`
	Host     string         `json:"host"`
	Login    string         `json:"login"`
	Password string         `json:"password"`
	Port     int            `json:"port"`
	Schema   string         `json:"schema"`
	Extra    map[string]any `json:"extra"`
}

func digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// uri is the value of a connection to a host, and what Airflow must make of it. Where one password is how another starts,
// Airflow masks no more than that start: these have their own starts.
func uri(host string) (value string, made connection) {
	return "postgres://airflow:u%2F" + e2e.Canary + "@" + host + ":5432/dwh?sslmode=require",
		connection{Type: "postgres", Host: host, Login: "airflow", Password: digest("u/" + e2e.Canary), Port: 5432, Schema: "dwh", Extra: map[string]any{"sslmode": "require"}}
}

// object is the same as the JSON that RDS makes, with the synonyms of SecretsManagerBackend.
func object(host string) (value string, made connection) {
	return `{"engine": "postgresql", "username": "airflow", "password": "o/` + e2e.Canary + `", "host": "` + host + `", "port": "5433", "database": "lake", "extra": {"a": 1}}`,
		connection{Type: "postgres", Host: host, Login: "airflow", Password: digest("o/" + e2e.Canary), Port: 5433, Schema: "lake", Extra: map[string]any{"a": 1}}
}
