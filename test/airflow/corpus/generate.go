package corpus

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Seed is what the generated values come from: the same seed gives the same values.
const Seed = 20260214

// Generated is how many values Generate gives, and Sliced how many of them Slice keeps.
const (
	Generated = 2400
	Sliced    = 300
)

// part is one thing that may stand in a slot. Its text may be empty.
type part struct{ name, text string }

// slot is a place in a value and what may stand there.
type slot struct {
	name  string
	plain []part // what most secrets have there
	nasty []part // what tells right from almost right
	// rare are nasty ones that break most values, or fit an allowed difference: they are drawn one time in rarity, so that
	// most of what is compared is what must be the same.
	rare []part
}

const rarity = 40

// shape is a way to compose values.
type shape struct {
	name  string
	kind  string // connections or variables
	share int    // of 100 generated values
	slots []slot
	// compose makes a value of the texts of the parts: slot → text.
	compose func(map[string]string) string
}

func shapes() []shape {
	return []shape{
		{name: "uri", kind: "connections", share: 45, slots: uriSlots(), compose: composeURI},
		{name: "json", kind: "connections", share: 40, slots: jsonSlots(), compose: composeJSON},
		{name: "text", kind: "connections", share: 9, slots: textSlots(), compose: composeText},
		{name: "variable", kind: "variables", share: 6, slots: variableSlots(), compose: composeVariable},
	}
}

// Generate composes values from nasty parts: each part once among plain ones, and then one to four of them together.
// No two values are of the same parts. What they must become is for the real Airflow to say: they have neither a token
// nor a reason to be left out.
func Generate() Corpus {
	random := rand.New(rand.NewPCG(Seed, 0))
	var c Corpus
	for _, s := range shapes() {
		secrets := s.generate(random, Generated*s.share/100)
		if s.kind == "connections" {
			c.Connections = append(c.Connections, secrets...)
		} else {
			c.Variables = append(c.Variables, secrets...)
		}
	}
	return c
}

func (s shape) generate(random *rand.Rand, count int) []Secret {
	var secrets []Secret
	features, values := map[string]bool{}, map[string]bool{}
	add := func(nasty map[int]part) {
		for {
			chosen := s.choose(random, nasty)
			feature, value := s.feature(chosen), s.compose(texts(chosen))
			if !features[feature] && !values[value] {
				features[feature], values[value] = true, true
				name := fmt.Sprintf("generated-%s-%d", s.name, len(secrets))
				secrets = append(secrets, Secret{Name: name, Value: value, Feature: feature, labels: s.labels(chosen)})
				return
			}
			nasty = s.more(random, nasty)
		}
	}
	for i, slot := range s.slots {
		for _, p := range slices.Concat(slot.nasty, slot.rare) {
			add(map[int]part{i: p})
		}
	}
	for len(secrets) < count {
		add(s.some(random))
	}
	return secrets
}

// some draws one to four nasty parts.
func (s shape) some(random *rand.Rand) map[int]part {
	nasty := map[int]part{}
	for range 1 + random.IntN(min(4, len(s.slots))) {
		nasty = s.more(random, nasty)
	}
	return nasty
}

// more draws a nasty part for one slot more, if there is one, so that there is always a value left that is new.
func (s shape) more(random *rand.Rand, nasty map[int]part) map[int]part {
	for _, i := range random.Perm(len(s.slots)) {
		if _, taken := nasty[i]; !taken {
			nasty[i] = s.slots[i].draw(random)
			return nasty
		}
	}
	return s.some(random)
}

// choose fills the other slots with plain parts.
func (s shape) choose(random *rand.Rand, nasty map[int]part) map[string]part {
	chosen := map[string]part{}
	for i, slot := range s.slots {
		p, ok := nasty[i]
		if !ok {
			p = slot.plain[random.IntN(len(slot.plain))]
		}
		chosen[slot.name] = p
	}
	return chosen
}

func (s slot) draw(random *rand.Rand) part {
	if len(s.rare) > 0 && random.IntN(rarity) == 0 {
		return s.rare[random.IntN(len(s.rare))]
	}
	return s.nasty[random.IntN(len(s.nasty))]
}

func texts(chosen map[string]part) map[string]string {
	texts := map[string]string{}
	for slot, p := range chosen {
		texts[slot] = p.text
	}
	return texts
}

// labels are the chosen parts, in the order of the slots.
func (s shape) labels(chosen map[string]part) []string {
	var labels []string
	for _, slot := range s.slots {
		labels = append(labels, s.name+" "+slot.name+"="+chosen[slot.name].name)
	}
	return labels
}

// feature is the tuple of the parts chosen. The first plain part of a slot goes without saying.
func (s shape) feature(chosen map[string]part) string {
	words := []string{s.name}
	for _, slot := range s.slots {
		if p := chosen[slot.name]; p != slot.plain[0] {
			words = append(words, slot.name+"="+p.name)
		}
	}
	return strings.Join(words, " ")
}

// Slice keeps count of generated values, spread over the parts: each next one is the one that brings the most parts that
// none has brought before.
func (c Corpus) Slice(count int) Corpus {
	all := c.all()
	kept, seen := map[string]bool{}, map[string]bool{}
	brings := func(s Secret) (unseen int) {
		for _, label := range s.labels {
			if !seen[label] {
				unseen++
			}
		}
		return unseen
	}
	for range min(count, len(all)) {
		next := slices.MaxFunc(all, func(a, b Secret) int { return cmp.Compare(brings(a), brings(b)) })
		all = slices.DeleteFunc(all, func(s Secret) bool { return s.Name == next.Name })
		kept[next.Name] = true
		for _, label := range next.labels {
			seen[label] = true
		}
	}
	only := func(secrets []Secret) []Secret {
		return slices.DeleteFunc(slices.Clone(secrets), func(s Secret) bool { return !kept[s.Name] })
	}
	return Corpus{Connections: only(c.Connections), Variables: only(c.Variables)}
}

// Len is the number of values.
func (c Corpus) Len() int { return len(c.Connections) + len(c.Variables) }

func (c Corpus) all() []Secret { return slices.Concat(c.Connections, c.Variables) }

// Features counts the features that the generated values of the corpus have, no two the same, and their parts.
func (c Corpus) Features() (features, parts int) {
	tuples, labels := map[string]bool{}, map[string]bool{}
	for _, s := range c.all() {
		if s.Feature != "" {
			tuples[s.Feature] = true
		}
		for _, label := range s.labels {
			labels[label] = true
		}
	}
	return len(tuples), len(labels)
}

// With is the corpus and another one behind it.
func (c Corpus) With(other Corpus) Corpus {
	return Corpus{Connections: slices.Concat(c.Connections, other.Connections), Variables: slices.Concat(c.Variables, other.Variables)}
}
