package source

// byID are the secrets that are named by their ids. No permission to list is needed for them.
//
// One that both kinds ask for is read once. One that is asked for and also lies below a prefix that is listed for the
// other kind is read twice: to wait for the listing would take longer.
func (s *session) byID() []entry {
	var wanted entries
	for _, rule := range s.rules {
		for _, id := range rule.ids {
			name := rule.prefix + id
			wanted.add(entry{id: name, name: name}, use{kind: rule.kind, id: id, asked: true})
		}
	}
	return wanted.list
}
