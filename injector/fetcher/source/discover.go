package source

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"
)

// entry is a secret as a listing names it. It is read by its ARN: a name that ends in a hyphen and six characters can
// be mistaken for an ARN's end.
type entry struct{ name, arn string }

// discover sends the account's wanted secrets, in pieces as they are found, the prefixes side by side.
func (s *session) discover(ctx context.Context, pages chan<- []entry) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, prefix := range s.prefixes() {
		group.Go(func() error { return s.list(ctx, prefix, pages) })
	}
	return group.Wait()
}

// prefixes are what has to be listed so that every kind's secrets are found once: a prefix that lies within another
// needs no listing of its own.
func (s *session) prefixes() []string {
	var all, outermost []string
	for _, rule := range wanted(s.account) {
		all = append(all, rule.prefix)
	}
	slices.Sort(all) // a prefix comes before all that it starts
	for _, prefix := range all {
		if len(outermost) == 0 || !strings.HasPrefix(prefix, outermost[len(outermost)-1]) {
			outermost = append(outermost, prefix)
		}
	}
	return outermost
}

// pageSize is the most that ListSecrets gives in one answer.
const pageSize = 100

// list sends the secrets whose names start with prefix, page by page. A page can be short or empty and yet not be the
// last: only a missing token ends a listing.
func (s *session) list(ctx context.Context, prefix string, pages chan<- []entry) error {
	input := &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(pageSize),
		Filters:    []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}},
	}
	for {
		var page *secretsmanager.ListSecretsOutput
		err := s.try(ctx, s.listing(prefix), func(ctx context.Context) (err error) {
			page, err = s.client.ListSecrets(ctx, input)
			return err
		})
		if err != nil {
			return err
		}
		if found := withPrefix(page.SecretList, prefix); len(found) > 0 {
			if err := s.tally.addSecrets(len(found)); err != nil {
				return err
			}
			select {
			case pages <- found:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if aws.ToString(page.NextToken) == "" {
			return nil
		}
		input.NextToken = page.NextToken
	}
}

// withPrefix checks the names again: what the service's filter takes for a prefix is its own affair, and a secret of a
// neighbour must not get into Airflow.
func withPrefix(secrets []types.SecretListEntry, prefix string) []entry {
	var entries []entry
	for _, s := range secrets {
		if s.Name != nil && s.ARN != nil && strings.HasPrefix(*s.Name, prefix) {
			entries = append(entries, entry{name: *s.Name, arn: *s.ARN})
		}
	}
	return entries
}
