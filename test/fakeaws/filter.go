package fakeaws

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// filter is one condition of a list of secrets.
type filter struct {
	Key    string
	Values []string
}

// filterKey says what a filter with that key looks at, and how (API reference, "Filter").
type filterKey struct {
	attributes func(*stored) []string
	fits       func(attribute, value string) bool
}

var filterKeys = map[string]filterKey{
	"name":           {func(s *stored) []string { return []string{s.name} }, strings.HasPrefix},
	"description":    {func(s *stored) []string { return []string{s.description} }, hasPrefixFold},
	"tag-key":        {(*stored).tagKeys, strings.HasPrefix},
	"tag-value":      {(*stored).tagValues, strings.HasPrefix},
	"primary-region": {none, strings.HasPrefix}, // only a replicated secret has one, and none is replicated here
	"owning-service": {none, strings.HasPrefix}, // nor is any managed by another service
	"all":            {(*stored).texts, sharesWord},
}

func none(*stored) []string { return nil }

func (s *stored) tagKeys() []string {
	var out []string
	for _, t := range s.tags {
		out = append(out, t.Key)
	}
	return out
}

func (s *stored) tagValues() []string {
	var out []string
	for _, t := range s.tags {
		out = append(out, t.Value)
	}
	return out
}

func (s *stored) texts() []string {
	return slices.Concat([]string{s.name, s.description}, s.tagKeys(), s.tagValues())
}

func hasPrefixFold(attribute, value string) bool {
	return strings.HasPrefix(strings.ToLower(attribute), strings.ToLower(value))
}

// sharesWord says whether any word of the value is, in any case, the start of a word of the attribute.
func sharesWord(attribute, value string) bool {
	return slices.ContainsFunc(words(value), func(wanted string) bool {
		return slices.ContainsFunc(words(attribute), func(word string) bool { return hasPrefixFold(word, wanted) })
	})
}

// words are separated by punctuation, and where lower case turns to upper or letters to digits (user guide, "Find
// secrets").
func words(text string) []string { return word.FindAllString(text, -1) }

var word = regexp.MustCompile(`[A-Z]*[a-z]+|[A-Z]+|[0-9]+`)

// matches says whether the secret passes every filter.
func matches(s *stored, filters []filter) bool {
	return !slices.ContainsFunc(filters, func(f filter) bool { return !f.passes(s) })
}

// passes says whether any value of the filter fits. One that starts with an exclamation mark fits where the rest of it
// fits none of the secret's attributes.
func (f filter) passes(s *stored) bool {
	key := filterKeys[f.Key]
	attributes := key.attributes(s)
	return slices.ContainsFunc(f.Values, func(value string) bool {
		value, negated := strings.CutPrefix(value, "!")
		found := slices.ContainsFunc(attributes, func(attribute string) bool { return key.fits(attribute, value) })
		return found != negated
	})
}

// checkFilters holds filters against the API model: FiltersListType, FilterNameStringType, FilterValuesStringList and
// FilterValueStringType.
func checkFilters(filters []filter) error {
	if err := checkLength("filters", len(filters), 0, 10); err != nil {
		return err
	}
	for i, f := range filters {
		member := fmt.Sprintf("filters.%d.member", i+1)
		if _, ok := filterKeys[f.Key]; !ok {
			return constraint(member+".key", "satisfy enum value set: [all, name, tag-key, description, primary-region, owning-service, tag-value]")
		}
		if f.Values == nil {
			return invalidParameter("Invalid filter values for key: %s", f.Key)
		}
		if err := checkLength(member+".values", len(f.Values), 1, 10); err != nil {
			return err
		}
		for _, value := range f.Values {
			if err := checkLength(member+".values", len(value), 0, 512); err != nil {
				return err
			}
			if !filterValue.MatchString(value) {
				return constraint(member+".values", "satisfy regular expression pattern: %s", filterValue)
			}
		}
	}
	return nil
}

var filterValue = regexp.MustCompile(`^!?[a-zA-Z0-9 :_@/+=.\-!]*$`)
