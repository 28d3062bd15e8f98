package fakeaws

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// call is one request on its way to an answer.
type call struct {
	server    *Server
	id        string // of the request
	header    http.Header
	protocol  protocol
	operation string
	region    string
	caller    *principal // nil until the call is known to come from somebody
	in        input      // what is asked of Secrets Manager
	form      url.Values // what is asked of STS
}

// protocol is how a service is spoken to.
type protocol interface {
	service() string
	// decode reads the body into the call.
	decode(c *call, body []byte) error
	// handler is what answers an operation; nil if the service has none of that name.
	handler(operation string) handler
	// write answers output, or err if it is not nil.
	write(w http.ResponseWriter, c *call, output any, err error)
	// fault is an error that every operation may answer, as this service words it.
	fault(f fault) *apiError
}

// handler answers one operation. The server's lock is held.
type handler func(*call) (any, error)

func (s *Server) newCall(r *http.Request) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	c := &call{server: s, id: digestUUID(fmt.Sprintf("request %d", s.calls)), header: r.Header, protocol: queryProtocol{}}
	if operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager."); ok {
		c.protocol, c.operation = jsonProtocol{}, operation
	}
	return c
}

// answer is the way of every call: what it asks for, who asks, what goes wrong on the way, whether it is allowed, and
// then the operation itself.
func (c *call) answer(ctx context.Context, body []byte) (any, error) {
	if err := c.protocol.decode(c, body); err != nil {
		return nil, err
	}
	handle := c.protocol.handler(c.operation)
	if handle == nil {
		return nil, c.protocol.fault(unknownOperation)
	}
	if err := c.identify(); err != nil {
		return nil, err
	}
	if err := c.suffer(ctx); err != nil {
		return nil, err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if err := c.mayCall(); err != nil {
		return nil, err
	}
	return handle(c)
}

// identify finds the caller by the access key that the call is signed with. AssumeRoleWithWebIdentity is not signed.
func (c *call) identify() error {
	keyID, region, signed := parseCredential(c.header.Get("Authorization"))
	c.region = region
	if c.operation == assumeRoleWithWebIdentity {
		return nil
	}
	if !signed {
		return c.protocol.fault(noSignature)
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	p, ok := c.server.keys[keyID]
	if !ok || p.token != c.header.Get("X-Amz-Security-Token") || p.account.partition != partitionOf(region) {
		return c.protocol.fault(unknownKey)
	}
	c.caller = p
	if !p.expires.IsZero() && c.server.now().After(p.expires) {
		return c.protocol.fault(expiredToken)
	}
	return nil
}

// parseCredential reads who has signed, and for which region, from a header of Signature Version 4:
// "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=..., Signature=...".
func parseCredential(authorization string) (keyID, region string, ok bool) {
	_, rest, _ := strings.Cut(authorization, "Credential=")
	scope, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(scope, "/")
	if len(parts) != 5 {
		return "", "", false
	}
	return parts[0], parts[2], true
}
