// Package source reads the wanted secrets out of AWS Secrets Manager: which there are, what they hold, and which account
// wins where two hold the same id.
package source

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Found is all that the accounts gave. Its lists are in order of kind and id.
type Found struct {
	Secrets    []Secret
	LeftOut    []contract.LeftOut
	Collisions []contract.Collision
	// Warnings tell what worked but could be better, such as a permission that would save calls.
	Warnings []string
}

// Secret is one secret that was read, as the kind of thing and by the id that Airflow knows it by.
type Secret struct {
	Kind    contract.Kind
	ID      string
	ARN     string
	Account string // the Name of the contract.Account
	Value   secret.Value
}

// Gather reads the secrets of all accounts and settles which account each id comes from.
//
// It keeps trying what can heal until ctx ends, so ctx must have a deadline. Its errors are *contract.Error and fail the
// whole run; a single secret that cannot be read does not, and is in Found.LeftOut. Credentials, proxy and the like come
// from the process's own environment, as the AWS SDK reads it.
func Gather(ctx context.Context, c contract.Config, log *slog.Logger) (Found, error) {
	group, ctx := errgroup.WithContext(ctx)
	gathered := make([]account, len(c.Accounts))
	total := new(tally)
	for i, a := range c.Accounts {
		if len(wanted(a)) == 0 {
			continue
		}
		group.Go(func() (err error) {
			gathered[i], err = gather(ctx, a, c.Read, total, log)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Found{}, err
	}
	found := merge(gathered)
	if len(found.Secrets) == 0 && len(found.LeftOut) == 0 {
		return found, nothingFound(gathered)
	}
	return found, nil
}

// account is what one account gave.
type account struct {
	secrets  []outcome
	warnings []string
	looked   string // where it looked, for people
}

// outcome is what became of one wanted secret of one account.
type outcome struct {
	Secret
	// failure says why there is no value; nil if there is one.
	failure *contract.Error
}

// gather lists and reads one account's secrets. Reading starts while later pages are still being listed.
func gather(ctx context.Context, a contract.Account, mode contract.Read, total *tally, log *slog.Logger) (account, error) {
	s, err := open(ctx, a, log)
	if err != nil {
		return account{}, err
	}
	defer s.close()
	s.tally = total
	pages := make(chan []entry, pagesAhead)
	r := &reader{session: s, mode: mode, pages: pages}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(pages)
		return s.discover(ctx, pages)
	})
	group.Go(func() error { return r.readAll(ctx) })
	if err := group.Wait(); err != nil {
		return account{}, err
	}
	return account{secrets: s.assign(r.results), warnings: r.warnings, looked: s.looked()}, nil
}

// pagesAhead is how far listing may run ahead of reading: as many full pages as maxSecrets makes.
const pagesAhead = maxSecrets / pageSize

// maxSecrets bounds how many secrets are read. Airflow slows down with each connection long before that.
const maxSecrets = 10_000

// tally is what all accounts together have found so far, and holds it to its limits.
type tally struct{ secrets, bytes atomic.Int64 }

func (t *tally) addSecrets(n int) error {
	if t.secrets.Add(int64(n)) <= maxSecrets {
		return nil
	}
	return &contract.Error{Code: contract.TooLarge, Detail: fmt.Sprintf("there are more than %d", maxSecrets)}
}

func (t *tally) addBytes(n int) error {
	if t.bytes.Add(int64(n)) <= contract.MaxFetchedBytes {
		return nil
	}
	return &contract.Error{
		Code:   contract.TooLarge,
		Detail: fmt.Sprintf("their values come to more than %d bytes (%d secrets found so far)", contract.MaxFetchedBytes, t.secrets.Load()),
	}
}

// rule is one kind that an account is asked for.
type rule struct {
	kind contract.Kind
	// prefix of the names of its secrets, separator included; the rest of a name is the id.
	prefix string
}

// wanted lists the kinds that are not turned off.
func wanted(a contract.Account) []rule {
	var rules []rule
	if a.Connections != nil {
		rules = append(rules, rule{contract.Connections, a.Connections.SecretPrefix(a.Separator)})
	}
	if a.Variables != nil {
		rules = append(rules, rule{contract.Variables, a.Variables.SecretPrefix(a.Separator)})
	}
	return rules
}

// assign gives each secret to every kind whose prefix its name has: two kinds may share one prefix, or the prefix of one
// lie within that of the other.
//
// Two secrets can come with the same name: a listing lags behind by up to five minutes, so after a secret was created
// anew it may hold the old ARN as well. The one that could be read counts.
func (s *session) assign(results []result) []outcome {
	type key struct {
		kind contract.Kind
		id   string
	}
	byKey := map[key]outcome{}
	for _, rule := range wanted(s.account) {
		for _, r := range results {
			id, ok := strings.CutPrefix(r.name, rule.prefix)
			if !ok {
				continue
			}
			out := outcome{Secret{Kind: rule.kind, ID: id, ARN: r.arn, Account: s.account.Name, Value: r.value}, r.failure}
			if id == "" {
				out.failure = &contract.Error{Code: contract.SecretNoID, Detail: "it is " + r.name}
			}
			if old, twice := byKey[key{rule.kind, id}]; !twice || old.failure != nil {
				byKey[key{rule.kind, id}] = out
			}
		}
	}
	return slices.Collect(maps.Values(byKey))
}

// looked says where this account's secrets were looked for.
func (s *session) looked() string {
	var prefixes []string
	for _, rule := range wanted(s.account) {
		prefixes = append(prefixes, string(rule.kind)+" under "+rule.prefix)
	}
	where := "region " + s.region
	if s.id != "" {
		where += " of account " + s.id
	}
	return strings.Join(prefixes, " and ") + " in " + where
}

// nothingFound is the error of a run that found no secret at all, or nil if it was asked for none.
func nothingFound(accounts []account) error {
	var looked []string
	for _, a := range accounts {
		if a.looked != "" {
			looked = append(looked, a.looked)
		}
	}
	if len(looked) == 0 {
		return nil
	}
	return &contract.Error{Code: contract.NothingFound, Detail: fmt.Sprintf("looked for %s", strings.Join(looked, "; "))}
}
