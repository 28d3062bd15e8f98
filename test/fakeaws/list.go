package fakeaws

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
)

// list is the answer of ListSecrets.
type list struct {
	SecretList []listed
	NextToken  string `json:",omitempty"`
}

type listed struct {
	metadata
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

// maxList is the most secrets on a page (API model, MaxResultsType).
const maxList = 100

func listSecrets(c *call) (any, error) {
	secrets, err := c.matching()
	if err != nil {
		return nil, err
	}
	secrets, next, err := page(c, secrets, maxList)
	if err != nil {
		return nil, err
	}
	out := &list{SecretList: []listed{}, NextToken: next}
	for _, s := range secrets {
		out.SecretList = append(out.SecretList, listed{s.metadata(), s.stages()})
	}
	return out, nil
}

// matching are the secrets of the caller's own account that pass the filters, in the order that is asked for.
func (c *call) matching() ([]*stored, error) {
	if err := checkFilters(c.in.Filters); err != nil {
		return nil, err
	}
	order, ok := orders[c.in.SortBy]
	if !ok {
		return nil, constraint("sortBy", "satisfy enum value set: [created-date, last-accessed-date, last-changed-date, name]")
	}
	var out []*stored
	for _, s := range c.caller.account.vault(c.region).created {
		if (s.deletedAt.IsZero() || c.in.IncludePlannedDeletion) && matches(s, c.in.Filters) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, order)
	if c.in.SortOrder == "desc" {
		slices.Reverse(out)
	}
	return out, nil
}

// orders maps SortBy to how it compares. By default secrets are listed by the time of their creation.
var orders = map[string]func(a, b *stored) int{
	"":                   func(a, b *stored) int { return 0 },
	"created-date":       func(a, b *stored) int { return 0 },
	"last-accessed-date": func(a, b *stored) int { return a.accessedAt.Compare(b.accessedAt) },
	"last-changed-date":  func(a, b *stored) int { return a.changedAt.Compare(b.changedAt) },
	"name":               func(a, b *stored) int { return cmp.Compare(a.name, b.name) },
}

// Paging says how ListSecrets and BatchGetSecretValue cut their results into pages. AWS promises no more than that a
// page holds MaxResults at most: it may be short, or empty with more to come.
type Paging struct {
	// Size is the most results on a page. Zero: as many as the caller asks for.
	Size int
	// Empty is how many empty pages come before each page with results.
	Empty int
}

// Paging sets how results are cut into pages from now on.
func (s *Server) Paging(p Paging) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paging = p
}

// page is the part of all that the call asks for, of limit at most, and the token of the next part if there is one.
func page[T any](c *call, all []T, limit int) ([]T, string, error) {
	size := limit
	if c.in.MaxResults != nil {
		size = *c.in.MaxResults
	}
	if size < 1 || size > limit {
		return nil, "", constraint("maxResults", "have value between 1 and %d", limit)
	}
	if c.server.paging.Size > 0 {
		size = min(size, c.server.paging.Size)
	}
	at, err := parseToken(c.in.NextToken)
	if err != nil {
		return nil, "", err
	}
	rest := all[min(at.results, len(all)):]
	switch {
	case at.empty < c.server.paging.Empty:
		return nil, position{at.results, at.empty + 1}.token(), nil
	case len(rest) > size:
		return rest[:size], position{at.results + size, 0}.token(), nil
	}
	return rest, "", nil
}

// position is where the next page goes on: after so many results, and so many empty pages there.
type position struct{ results, empty int }

const tokenFormat = "after %d results and %d empty pages"

// token is the position as clients see it. Like AWS's, it has nothing that a client could be tempted to read.
func (p position) token() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, tokenFormat, p.results, p.empty))
}

func parseToken(token string) (position, error) {
	var p position
	if token == "" {
		return p, nil
	}
	text, err := base64.StdEncoding.DecodeString(token)
	if err == nil {
		_, err = fmt.Sscanf(string(text), tokenFormat, &p.results, &p.empty)
	}
	if err != nil || p.results < 0 {
		return p, clientError("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	return p, nil
}
