package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// connection is what Airflow must make of a secret.
type connection struct {
	Type     string            `json:"conn_type"`
	Login    string            `json:"login"`
	Password string            `json:"password"`
	Host     string            `json:"host"`
	Port     int               `json:"port"`
	Schema   string            `json:"schema"`
	Extra    map[string]string `json:"extra"`
}

// newConnection is the i-th connection, with a password of its own. The passwords need no escaping in a URL, to be on the
// safe side: of one that does, Airflow 3 hides two forms.
func newConnection(i int) connection {
	digest := sha256.Sum256([]byte(id(i)))
	return connection{
		Type: "postgres", Login: fmt.Sprintf("loader_%d", i), Password: base64.RawURLEncoding.EncodeToString(digest[:18]),
		Host: fmt.Sprintf("db-%d.internal.example.com", i), Port: 5432, Schema: "warehouse", Extra: map[string]string{"sslmode": "require"},
	}
}

func id(i int) string { return fmt.Sprintf("team_warehouse_%04d", i) }

// secret is the connection as a team writes it: every other one as JSON, the others as a URI. An AIRFLOW_CONN_ variable
// takes both as well.
func (c connection) secret(asJSON bool) (string, error) {
	if asJSON {
		text, err := json.Marshal(c)
		return string(text), err
	}
	uri := url.URL{Scheme: c.Type, User: url.UserPassword(c.Login, c.Password), Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + c.Schema}
	query := url.Values{}
	for key, value := range c.Extra {
		query.Set(key, value)
	}
	uri.RawQuery = query.Encode()
	return uri.String(), nil
}

// store is one number of connections: in a fake AWS, and in the files that our fetcher has made of them.
type store struct {
	worker.Store
	size      int
	folder    string             // of the files
	fetched   time.Duration      // what the fetcher took
	variables []envfile.Variable // instead of the files
	meter     *meter
	close     func()
}

// newStore puts so many connections into a fake AWS of its own, whose calls take latency.
func newStore(size int, latency time.Duration) (*store, error) {
	const region = "eu-central-1"
	aws := fakeaws.New()
	if latency > 0 {
		aws.Order(fakeaws.Trouble{Latency: latency})
	}
	account := aws.Account("111122223333")
	for i := range size {
		text, err := newConnection(i).secret(i%2 == 1)
		if err != nil {
			return nil, fmt.Errorf("writing connection %s: %w", id(i), err)
		}
		account.Put(region, fakeaws.Secret{Name: "airflow/connections/" + id(i), String: text})
	}
	m := &meter{handler: aws}
	server := httptest.NewServer(m)
	return &store{
		Store: worker.Store{
			URL: server.URL, Region: region, Keys: account.Keys("AKIAIOSFODNN7EXAMPLE"),
			ConnectionsPrefix: "airflow/connections", VariablesPrefix: "airflow/variables",
		},
		size: size, meter: m, close: server.Close,
	}, nil
}

// fetch runs our init container, with each delivery.
func (s *store) fetch(ctx context.Context, program, folder string) error {
	started := time.Now()
	if err := s.deliver(ctx, program, contract.DeliverFiles, folder); err != nil {
		return err
	}
	s.folder, s.fetched = folder, time.Since(started)
	beside := folder + "-env"
	if err := s.deliver(ctx, program, contract.DeliverEnv, beside); err != nil {
		return err
	}
	s.meter.take()
	text, err := os.ReadFile(filepath.Join(beside+strings.TrimPrefix(contract.ExecDirectory, contract.Directory), contract.EnvFile))
	if err != nil {
		return err
	}
	f, err := envfile.Parse(text)
	s.variables = f.Set
	return err
}

func (s *store) deliver(ctx context.Context, program string, by contract.Deliver, folder string) error {
	wanted := s.Store
	wanted.Deliver = by
	pod, err := worker.Inject(wanted)
	if err != nil {
		return err
	}
	return pod.Fetch(ctx, program, folder)
}

// meter tells how long the fake AWS took for each call, from the request to its answer.
type meter struct {
	handler http.Handler
	mu      sync.Mutex
	calls   []time.Duration
}

// ServeHTTP answers a call and notes what it took.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	m.handler.ServeHTTP(w, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, time.Since(started))
}

// take gives the calls since the last time, in their order.
func (m *meter) take() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.calls
	m.calls = nil
	return calls
}
