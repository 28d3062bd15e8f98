package source

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

// discover sends the account's wanted secrets, in pieces as they are found, the prefixes side by side.
func (s *session) discover(ctx context.Context, pages chan<- []entry) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, prefix := range s.prefixes() {
		group.Go(func() error { return s.list(ctx, prefix, pages) })
	}
	return group.Wait()
}

// prefixes are what has to be listed so that every kind's secrets are found once: a prefix that lies within another
// needs no listing of its own, and neither does a kind whose ids are told.
func (s *session) prefixes() []string {
	var all, outermost []string
	for _, rule := range s.rules {
		if rule.discovers {
			all = append(all, rule.prefix)
		}
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
	input := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(pageSize), IncludePlannedDeletion: aws.Bool(true)}
	if prefix != "" {
		input.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}}
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
		if found := s.wanted(page.SecretList); len(found) > 0 {
			if err := s.shared.addSecrets(len(found)); err != nil {
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

// wanted gives each secret to every kind that wants it: two kinds may share one prefix, or the prefix of one lie within
// that of the other. What no kind wants is never read: a name that does not match, and whatever the service's own filter
// takes for a prefix, for a secret of a neighbour must not get into Airflow.
func (s *session) wanted(secrets []types.SecretListEntry) []entry {
	var found []entry
	for _, listed := range secrets {
		if listed.Name == nil || listed.ARN == nil {
			continue
		}
		e := entry{id: *listed.ARN, name: *listed.Name}
		for _, rule := range s.rules {
			if id, wanted := rule.finds(e.name); wanted {
				e.uses = append(e.uses, use{kind: rule.kind, id: id})
			}
		}
		if len(e.uses) == 0 {
			continue
		}
		if listed.DeletedDate != nil { // AWS would not give it
			s.leaveDeleted(e)
			continue
		}
		if e.key = keyARN(aws.ToString(listed.KmsKeyId), e.id); e.key != "" {
			s.shared.addKey(e.key)
		}
		found = append(found, e)
	}
	return found
}

// leaveDeleted notes a secret that is scheduled for deletion.
func (s *session) leaveDeleted(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range e.uses {
		s.deleted = append(s.deleted, s.outcome(e, u, e.id, secret.Value{}, &contract.Error{Code: contract.SecretBeingDeleted}))
	}
}
