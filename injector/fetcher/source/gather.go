// Package source reads the wanted secrets out of AWS Secrets Manager: which there are, what they hold, and which account
// wins where two hold the same id.
package source

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// Found is all that the accounts gave. Its lists are in order of kind and id.
type Found struct {
	Secrets    []Secret
	LeftOut    []LeftOut
	Collisions []contract.Collision
	// Warnings tell what worked but could be better, such as a permission that would save calls.
	Warnings []string

	// Looked says where secrets were looked for, to be told where nothing was found. It is empty if no connection and no
	// variable was asked for.
	Looked string
	// Accounts are those that were asked, in the order of the configuration.
	Accounts []Account
	// Calls is operation of Secrets Manager or STS → how often it was called, repeated attempts included.
	Calls map[string]int
	// Keys are the customer-managed KMS keys that the wanted secrets are encrypted with, as far as a listing told, sorted.
	// They are ARNs, of the key or, where the secret names one, of its alias.
	Keys []string
}

// Secret is one secret that was read, as the kind of thing and by the id that Airflow knows it by. A file's id is its
// path, and its value may be bytes that are no text.
type Secret struct {
	Kind    contract.Kind
	ID      string
	ARN     string
	Account string // the Name of the contract.Account
	Value   secret.Value
	// Asked says that it was asked for by its id, or as a file, and not discovered.
	Asked bool
}

// LeftOut is a secret that cannot be delivered.
type LeftOut struct {
	contract.LeftOut
	// Asked says that it was asked for by its id, or as a file, and that no other account has given it.
	Asked bool
}

// Account is what a run has learnt of one of its accounts.
type Account struct {
	Name   string // of the contract.Account
	Region string
	ID     string // twelve digits; empty where neither the credentials nor a secret told it
}

// Gather reads the secrets of all accounts and settles which account each id comes from.
//
// It keeps trying what can heal until ctx ends, so ctx must have a deadline. Its errors are *contract.Error and fail the
// whole run, of which Found then has the calls and the keys alone; a single secret that cannot be read does not, and is in
// Found.LeftOut. That nothing was found at all is no
// error either. Credentials, proxy and the like come from the process's own environment, as the AWS SDK reads it.
func Gather(ctx context.Context, c contract.Config, log *slog.Logger) (Found, error) {
	group, ctx := errgroup.WithContext(ctx)
	gathered := make([]given, len(c.Accounts))
	shared := &run{mode: c.Read}
	for i, a := range c.Accounts {
		if a.Connections == nil && a.Variables == nil && len(a.Files) == 0 {
			continue
		}
		group.Go(func() (err error) {
			gathered[i], err = gather(ctx, a, shared, log)
			return err
		})
	}
	var found Found
	err := group.Wait()
	if err == nil {
		found = merge(gathered)
	}
	found.Calls = shared.calls
	found.Keys = slices.Sorted(maps.Keys(shared.keys))
	return found, err
}

// run is what the accounts of a run share.
type run struct {
	mode contract.Read
	tally
	permit permit
}

// given is what one account gave.
type given struct {
	account  Account
	secrets  []outcome
	warnings []string
	looked   string // where it looked, for people
}

// outcome is what became of one wanted thing of one account.
type outcome struct {
	Secret
	// failure says why there is no value; nil if there is one.
	failure *contract.Error
}

// gather lists and reads one account's secrets. Reading starts while later pages are still being listed.
func gather(ctx context.Context, a contract.Account, shared *run, log *slog.Logger) (given, error) {
	s, err := open(ctx, a, shared, log)
	if err != nil {
		return given{}, err
	}
	defer s.close()
	pages := make(chan []entry, pagesAhead)
	r := &reader{session: s, pages: pages}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(pages)
		return s.discover(ctx, pages)
	})
	group.Go(func() error { return r.readAll(ctx) })
	if err := group.Wait(); err != nil {
		return given{}, err
	}
	account := Account{Name: a.Name, Region: s.region, ID: s.id}
	for _, o := range r.outcomes {
		account.ID = cmp.Or(account.ID, accountIn(o.ARN))
	}
	return given{account: account, secrets: settle(r.outcomes), warnings: r.warnings, looked: s.looked()}, nil
}

// pagesAhead is how far listing may run ahead of reading: as many full pages as maxSecrets makes.
const pagesAhead = maxSecrets / pageSize

// settle keeps one outcome of each thing.
//
// Two secrets can come with the same name: a listing lags behind by up to five minutes, so after a secret was created
// anew it may hold the old ARN as well. The one that could be read counts.
func settle(outcomes []outcome) []outcome {
	type key struct {
		kind contract.Kind
		id   string
	}
	byKey := map[key]outcome{}
	for _, o := range outcomes {
		if old, twice := byKey[key{o.Kind, o.ID}]; !twice || old.failure != nil {
			byKey[key{o.Kind, o.ID}] = o
		}
	}
	return slices.Collect(maps.Values(byKey))
}

// looked says where this account's secrets were looked for.
func (s *session) looked() string {
	var places []string
	for _, rule := range s.rules {
		places = append(places, rule.String())
	}
	if len(places) == 0 {
		return ""
	}
	where := "region " + s.region
	if s.id != "" {
		where += " of account " + s.id
	}
	return strings.Join(places, " and ") + " in " + where
}
