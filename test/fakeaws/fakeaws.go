// Package fakeaws is AWS Secrets Manager and STS as a client sees them on the wire: several accounts, their secrets in
// any state, the IAM policies that let callers at them, and whatever may go wrong with a call, to order.
//
// A Server is an http.Handler that speaks Secrets Manager's JSON protocol and STS's query protocol, so a program is
// tested with the SDK it ships with, and only the endpoint is another one:
//
//	server := fakeaws.New()
//	own := server.Account("111122223333")
//	keys := own.Keys("AKIAIOSFODNN7EXAMPLE")
//	own.Put("eu-central-1", fakeaws.Secret{Name: "airflow/connections/db", String: "postgres://db"})
//	endpoint := httptest.NewServer(server).URL
//
// A caller's account is the one that its access key belongs to, and its region is the one that the request is signed
// for. Signatures themselves are not checked. Callers may do what their IAM policies allow, where they have some
// (Account.KeysWith, Role.Policies): authorize.go says what each call needs. What differs from moto, another fake of AWS,
// is listed and justified in testdata/differences.yaml.
package fakeaws

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Server is AWS: all its accounts behind one address. It is safe for concurrent use.
type Server struct {
	mu       sync.Mutex // guards all below, and everything that is reached from it
	accounts map[string]*Account
	keys     map[string]*principal // access key id → who signs with it
	kmsKeys  map[string]policy     // ARN of a customer-managed key → its key policy
	troubles []*trouble            // in the order in which they were ordered
	quotas   map[string]int        // operation → calls per second
	meters   map[meterKey]*meter   // what the quotas have counted
	paging   Paging
	requests []Request
	heard    func(Request) // is told of each
	calls    int           // calls so far, for their ids
	sessions int           // temporary credentials handed out so far
	now      func() time.Time
}

// New makes a server without accounts.
func New() *Server {
	return &Server{
		accounts: map[string]*Account{},
		keys:     map[string]*principal{},
		kmsKeys:  map[string]policy{},
		quotas:   map[string]int{},
		meters:   map[meterKey]*meter{},
		heard:    func(Request) {},
		now:      time.Now,
	}
}

// Account is the account with that id, made on first use, in the partition aws. It panics if the id is not twelve digits.
func (s *Server) Account(id string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	if account, ok := s.accounts[id]; ok {
		return account
	}
	return must(s.newAccount("aws", id))
}

// AccountIn makes an account in a partition of AWS: aws, aws-cn or aws-us-gov. That is in all of its ARNs, and its regions
// are those of the partition: cn-*, us-gov-*, and all others in aws. It panics on another partition, on an id that is not
// twelve digits, and if there is such an account already.
func (s *Server) AccountIn(partition, id string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return must(s.newAccount(partition, id))
}

func (s *Server) newAccount(partition, id string) (*Account, error) {
	switch {
	case !accountID.MatchString(id):
		return nil, fmt.Errorf("account id is %q, expected twelve digits", id)
	case !slices.Contains(partitions(), partition):
		return nil, fmt.Errorf("partition is %q, expected one of %q", partition, partitions())
	case s.accounts[id] != nil:
		return nil, fmt.Errorf("account %s is there already, in the partition %s", id, s.accounts[id].partition)
	}
	s.accounts[id] = &Account{
		server: s, id: id, partition: partition,
		vaults: map[string]*vault{}, roles: map[string]*role{}, denied: map[string]bool{},
	}
	return s.accounts[id], nil
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// Request is one call that reached the server.
type Request struct {
	Service   string // "secretsmanager" or "sts"
	Operation string // such as "GetSecretValue"
	Account   string // the caller's; empty if the call is not signed, or with an unknown key
	Caller    string // the caller's ARN: a user's, or a session's with its role's name and its own; empty as Account is
	Region    string // that the call is signed for
	// SecretIDs are the names and ARNs that the call asks for, as it has written them.
	SecretIDs []string
	// Outcome is OK, Dropped, Unanswered, or the code of the error that was answered.
	Outcome string
}

// Outcomes that are not the code of an error.
const (
	OK         = "ok"
	Dropped    = "dropped"    // the connection was closed instead of an answer
	Unanswered = "unanswered" // the client left, or will leave, without an answer
)

// Requests are the calls so far, in the order in which their outcomes were decided. A call is in it before its client
// has the answer.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Calls counts the calls of an operation so far, whatever their outcome.
func (s *Server) Calls(operation string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Operation == operation {
			n++
		}
	}
	return n
}

// Tell has each call from now on told as it is recorded, one after the other. What is told must not call the server.
func (s *Server) Tell(heard func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = heard
}

// Forget empties the record of calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// maxBody has room for the largest value that AWS takes, each of its bytes escaped, and for all else of a request.
const maxBody = 6*maxValue + 64<<10

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The whole body is read first: only then does net/http notice a client that leaves while its call is waiting.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, fmt.Sprintf("fakeaws: reading the request: %v", err), http.StatusBadRequest)
		return
	}
	c := s.newCall(r)
	output, err := c.answer(r.Context(), body)
	s.record(c, err)
	switch {
	case errors.Is(err, errDropped):
		panic(http.ErrAbortHandler) // how net/http is told to close the connection without a word
	case errors.Is(err, errUnanswered):
		<-r.Context().Done()
	default:
		c.protocol.write(w, c, output, err)
	}
}

func (s *Server) record(c *call, err error) {
	outcome := OK
	if err != nil {
		outcome = asAPIError(err).Code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request := Request{
		Service: c.protocol.service(), Operation: c.operation, Account: c.caller.accountID(), Caller: c.caller.callerARN(), Region: c.region,
		SecretIDs: c.in.secretIDs(), Outcome: outcome,
	}
	s.requests = append(s.requests, request)
	s.heard(request)
}

// must is for the methods by which a test sets the scene: their only errors are mistakes in the test.
func must[T any](value T, err error) T {
	if err != nil {
		panic("fakeaws: " + err.Error())
	}
	return value
}
