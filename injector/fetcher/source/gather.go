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
	// Accounts are those of which anything is wanted, in the order of the configuration. One that is asked by ARN is among
	// them even if the accounts before it had everything, so that it was not called.
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
	shared := &run{mode: c.Read}
	var found Found
	sessions, err := shared.connect(ctx, c.Accounts, log)
	if err == nil {
		found, err = gather(ctx, sessions)
	}
	for _, s := range sessions {
		s.close()
	}
	found.Calls, found.Keys = shared.told()
	return found, err
}

// run is what the accounts of a run share.
type run struct {
	mode    contract.Read
	callers map[who]*caller
	tally
}

// connect makes ready to call the accounts of which anything is wanted.
func (r *run) connect(ctx context.Context, accounts []contract.Account, log *slog.Logger) ([]*session, error) {
	var sessions []*session
	for _, a := range accounts {
		if len(a.Files) == 0 && !slices.ContainsFunc(a.Kinds(), func(k contract.KindOfNames) bool { return k.Discovers() || len(k.IDs) > 0 }) {
			continue
		}
		s, err := connect(ctx, a, r, log)
		if err != nil {
			return sessions, err
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// gather asks the accounts side by side, but for those that are asked by ARN. These are asked last, and only for what the
// accounts before them have not settled: a secret of another account that is not there is denied like one that is, and a
// call that is denied at every pod's start sets off alarms. The price is that nobody learns of a collision with them.
func gather(ctx context.Context, sessions []*session) (Found, error) {
	gathered := make([]given, len(sessions))
	group, together := errgroup.WithContext(ctx)
	for i, s := range sessions {
		if s.account.ByARN() {
			continue
		}
		group.Go(func() (err error) {
			gathered[i], err = s.gather(together, s.byID())
			if err == nil && i == 0 {
				err = gathered[i].denied // nobody comes before it, so there is nothing to wait for
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Found{}, err
	}
	merged := merging{holders: map[thing]outcome{}, wanted: map[thing]bool{}}
	for i, s := range sessions {
		if s.account.ByARN() {
			var err error
			if gathered[i], err = s.gather(ctx, merged.unsettled(s.byID())); err != nil {
				return Found{}, err
			}
		}
		if err := merged.add(gathered[i]); err != nil {
			return Found{}, err
		}
	}
	return merged.found(), nil
}

// given is what one account gave.
type given struct {
	account  Account
	secrets  []outcome
	denied   error // says that not one of its secrets may be read; nil where that is not so
	warnings []string
	looked   string // where it looked, for people
}

// outcome is what became of one wanted thing of one account.
type outcome struct {
	Secret
	// failure says why there is no value; nil if there is one.
	failure *contract.Error
}

// thing is what Airflow knows a secret by.
type thing struct {
	kind contract.Kind
	id   string
}

func (o outcome) thing() thing { return thing{o.Kind, o.ID} }

// gather lists and reads one account's secrets, and those asked for by id. Reading starts while later pages are still
// being listed.
func (s *session) gather(ctx context.Context, asked []entry) (given, error) {
	if len(asked) == 0 && s.account.ByARN() && len(s.account.Files) == 0 {
		return given{account: s.describe(nil), looked: s.looked()}, nil
	}
	if err := s.identify(ctx); err != nil {
		return given{}, err
	}
	pages := make(chan []entry, pagesAhead)
	r := &reader{session: s, asked: asked, pages: pages}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(pages)
		return s.discover(ctx, pages)
	})
	group.Go(func() error { return r.readAll(ctx) })
	if err := group.Wait(); err != nil {
		return given{}, err
	}
	return given{account: s.describe(r.outcomes), secrets: settle(slices.Concat(r.outcomes, s.deleted)), denied: r.allDenied(), warnings: r.warnings, looked: s.looked()}, nil
}

// describe says what is known of the account by now.
func (s *session) describe(outcomes []outcome) Account {
	account := Account{Name: s.account.Name, Region: s.region, ID: cmp.Or(s.account.ID, s.id)}
	for _, o := range outcomes {
		account.ID = cmp.Or(account.ID, accountIn(o.ARN))
	}
	return account
}

// pagesAhead is how far listing may run ahead of reading: as many full pages as maxSecrets makes.
const pagesAhead = maxSecrets / pageSize

// settle keeps one outcome of each thing.
//
// Two secrets can come with the same name: a listing lags behind by up to five minutes, so after a secret was created
// anew it may hold the old ARN as well. The one that could be read counts.
func settle(outcomes []outcome) []outcome {
	things := map[thing]outcome{}
	for _, o := range outcomes {
		if old, twice := things[o.thing()]; !twice || old.failure != nil {
			things[o.thing()] = o
		}
	}
	return slices.Collect(maps.Values(things))
}

// looked says where this account's secrets were looked for.
func (s *session) looked() string {
	var places []string
	for _, rule := range s.rules {
		if rule.kind != contract.Options {
			places = append(places, rule.String())
		}
	}
	if len(places) == 0 {
		return ""
	}
	where := "region " + s.region
	switch {
	case s.isShared():
		where = "region " + s.place(s.region)
	case s.id != "":
		where += " of account " + s.id
	}
	return strings.Join(places, " and ") + " in " + where
}
