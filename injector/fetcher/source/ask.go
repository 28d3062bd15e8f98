package source

import "fmt"

// byID are the secrets that are named by their ids. No permission to list is needed for them.
//
// One that several kinds ask for is read once. One that is asked for and also lies below a prefix that is listed for
// another kind is read twice: to wait for the listing would take longer.
func (s *session) byID() []entry {
	var wanted entries
	for _, rule := range s.rules {
		for _, id := range rule.ids {
			name := rule.prefix + id
			wanted.add(entry{id: s.secretID(name), name: name}, use{kind: rule.kind, id: id, asked: true})
		}
	}
	return wanted.list
}

// secretID is what AWS is asked for: the name of a secret in the caller's account, and the ARN of one in another, less the
// six characters at its end, which nobody can know there (user guide, "Finding a secret from a partial ARN").
func (s *session) secretID(name string) string {
	if !s.account.ByARN() {
		return name
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s", partitionOf(s.region), s.region, s.account.ID, name)
}
