package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// What the demo's team has in AWS.
const (
	account   = "111122223333"
	region    = "eu-central-1"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	// malformed is the one connection that Airflow would choke on: its port is no number.
	malformed = "legacy_ftp"
	// latency is that of every call, about what AWS takes within a region.
	latency = 20 * time.Millisecond
)

// startAWS fills the store and serves it.
func (s *stage) startAWS() error {
	server := fakeaws.New()
	own := server.Account(account)
	server.Order(fakeaws.Trouble{Latency: latency})
	connections, variables := teamConnections(), teamVariables()
	for id, value := range connections {
		own.Put(region, fakeaws.Secret{Name: "airflow/connections/" + id, String: value})
	}
	for id, value := range variables {
		own.Put(region, fakeaws.Secret{Name: "airflow/variables/" + id, String: value})
	}
	own.Put(region, fakeaws.Secret{Name: "airflow/connections/" + malformed, String: `{"conn_type": "ftp", "host": "ftp.example.com", "port": "twenty-one"}`})
	own.Put(region, fakeaws.Secret{Name: "airflow/connections-old/warehouse", String: "postgres://of-another-prefix"})
	own.Put(region, fakeaws.Secret{Name: "billing/connections/db", String: "postgres://of-another-team"})
	options := teamOptions()
	for id, value := range options {
		own.Put(region, fakeaws.Secret{Name: "airflow/config/" + id, String: value})
	}
	s.wanted = map[string]map[string]string{"connections": connections, "variables": variables, "config": options}
	s.secretKey = own.Keys(accessKey).Secret

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.endpoint = "http://" + listener.Addr().String()
	httpServer := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	go httpServer.Serve(listener)
	s.stop = append(s.stop, func() { httpServer.Close() })
	s.out.detail("account", "%s, %s, at %s, %s a call", account, region, s.endpoint, latency)
	s.out.detail("airflow/connections/...", "%d, as URIs, as JSON and in the shape that RDS writes; %s is malformed", len(connections)+1, malformed)
	s.out.detail("airflow/variables/...", "%d, a PEM key and JSON among them", len(variables))
	s.out.detail("airflow/config/...", "%d, for options of Airflow's own", len(options))
	s.out.detail("others", "2 that must not be found: another prefix, another team")
	return nil
}

// teamOptions are values for options of Airflow's own.
func teamOptions() map[string]string {
	return map[string]string{"broker": "redis://:br0ker@redis.internal:6379/0", "logs": "s3://team-logs/airflow/8c41"}
}

// teamConnections are 29 connections as teams really write them.
func teamConnections() map[string]string {
	found := map[string]string{
		"warehouse":       "postgresql://airflow:p%40ss%2Fw0rd@warehouse.internal:5432/dwh?sslmode=require",
		"events":          "mysql://loader:s3cr3t@events.internal:3306/events",
		"http_partner":    "http://user:token@https%3A%2F%2Fapi.partner.example.com",
		"slack":           "slackwebhook://:T000%2FB000%2FXXXX@hooks.slack.com",
		"aws_default":     "aws://?region_name=eu-central-1",
		"google":          "google-cloud-platform://?extra__google_cloud_platform__project=analytics",
		"redis":           "redis://:pa55@redis.internal:6379/1",
		"smtp":            "smtp://mailer:m41l@smtp.internal:587?disable_ssl=true",
		"spark":           "spark://spark-master.internal:7077",
		"sftp/partner":    "sftp://drop:d%23op@sftp.partner.example.com:22",
		"snowflake":       `{"conn_type": "snowflake", "login": "loader", "password": "p@ss", "schema": "PUBLIC", "extra": {"account": "xy12345", "warehouse": "WH"}}`,
		"databricks":      `{"conn_type": "databricks", "host": "dbc.example.com", "password": "dapi0123", "extra": "{\"http_path\": \"/sql/1.0\"}"}`,
		"kafka":           `{"conn_type": "kafka", "extra": {"bootstrap.servers": "b-1:9096,b-2:9096", "security.protocol": "SASL_SSL"}}`,
		"salesforce":      `{"type": "ignored", "conn_type": "salesforce", "user": "api@example.com", "pass": "geheim", "extra": {"security_token": "tok"}}`,
		"mssql":           `{"engine": "mssql", "server": "sql.internal", "port": "1433", "user_name": "sa", "key": "k3y", "database": "crm"}`,
		"ssh_bastion":     "{\n  \"conn_type\": \"ssh\",\n  \"host\": \"bastion\",\n  \"login\": \"ec2-user\",\n  \"extra\": {\"no_host_key_check\": true}\n}\n",
		"unicode":         `{"conn_type": "postgres", "host": "db", "password": "pässwörd-✓"}`,
		"trailing_spaces": "  postgres://airflow:x@db.internal/one \n",
		"no_password":     "postgres://airflow@db.internal:5432/two",
	}
	for i := range 10 {
		id := fmt.Sprintf("rds/orders-%02d", i)
		found[id] = fmt.Sprintf(`{"username": "orders", "password": "Rds-%02d-Secret", "engine": "postgres", "host": "orders-%02d.cluster-abc.eu-central-1.rds.amazonaws.com", "port": 5432, "dbname": "orders", "dbInstanceIdentifier": "orders-%02d"}`, i, i, i)
	}
	return found
}

// teamVariables are variables as teams really write them: Airflow gets each byte for byte.
func teamVariables() map[string]string {
	config, _ := json.Marshal(map[string]any{"retries": 3, "emails": []string{"data@example.com"}, "dry_run": false})
	return map[string]string{
		"environment":   "production",
		"etl/config":    string(config),
		"feature_flags": `["new-loader", "quality-gate"]`,
		"batch_size":    "5000",
		"signing_key":   privateKey(),
		"multi_line":    "first\r\nsecond\n",
	}
}

// privateKey is made anew each time, so that no key lies in a repository.
func privateKey() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // not for a key that was just made
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
