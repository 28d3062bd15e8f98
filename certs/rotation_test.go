package certs

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The world of the tables: an authority lasts 90 days from noon, a leaf a day, and API servers are given 30 seconds.
const (
	caLife   = 90 * 24 * time.Hour
	leafLife = 24 * time.Hour
	settling = 30 * time.Second
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// cast are the authorities of a case by name: "a" is made at noon, "b" 60 days later, when a's successor is due.
type cast map[string]*authority

func newCast(t *testing.T) cast {
	c := cast{}
	for name, made := range map[string]time.Time{"a": noon, "b": noon.Add(60 * 24 * time.Hour), "foreign": noon} {
		a, err := newAuthority(made, caLife)
		must(t, err)
		c[name] = a
	}
	return c
}

func (c cast) certificates(names string) (found []*x509.Certificate) {
	for _, name := range strings.Fields(names) {
		found = append(found, c[name].certificate)
	}
	return found
}

func (c cast) names(certificates []*x509.Certificate) string {
	var names []string
	for _, have := range certificates {
		for name, a := range c {
			if a.certificate.Equal(have) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " ")
}

// trusting is a trust in authorities, for so long.
func (c cast) trusting(now time.Time, names string, since time.Duration) trust {
	t := trust{}
	for _, x := range c.certificates(names) {
		t[string(x.Raw)] = now.Add(-since)
	}
	return t
}

func days(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }

// What one replica does, given what it sees. In a case a bundle is that of both webhooks, and every authority in it has
// been there for an hour, unless it says otherwise.
func TestDecide(t *testing.T) {
	cases := map[string]struct {
		at            time.Duration // after noon of the first day
		unseen        bool          // the Secret has not been read
		gone          time.Duration // since the Secret was deleted; 0: it was not
		current, next string
		old           string
		bundle        string // caBundle of the first webhook
		second        string // of the second, if it differs; "-": empty
		noConfig      bool
		trustedFor    time.Duration
		leaf          string        // who signed the leaf
		leafAge       time.Duration // since then

		secret secretStep
		writes string // caBundle to be written, the first that is
		signer string
	}{
		// The life of an authority.
		"all is well":                      {at: days(1), current: "a", bundle: "a", leaf: "a"},
		"the first start":                  {secret: makeCurrent},
		"an authority, not trusted":        {at: days(1), current: "a", writes: "a"},
		"trusted: the first leaf":          {at: days(1), current: "a", bundle: "a", signer: "a"},
		"a restart amid a rotation":        {at: days(61), current: "a", next: "b", bundle: "a b", trustedFor: time.Second, signer: "a"},
		"two thirds of a leaf's life":      {at: days(1), current: "a", bundle: "a", leaf: "a", leafAge: 16 * time.Hour, signer: "a"},
		"not quite two thirds":             {at: days(1), current: "a", bundle: "a", leaf: "a", leafAge: 13 * time.Hour},
		"not quite two thirds of a's life": {at: days(59.9), current: "a", bundle: "a", leaf: "a"},
		"two thirds: the next one":         {at: days(60.1), current: "a", bundle: "a", leaf: "a", secret: makeNext},
		"the next one is made":             {at: days(60.1), current: "a", next: "b", bundle: "a", leaf: "a", writes: "a b"},
		"it is in one of two caBundles":    {at: days(60.1), current: "a", next: "b", bundle: "a b", second: "a", leaf: "a", writes: "a b"},
		"seen, not by all yet":             {at: days(60.1), current: "a", next: "b", bundle: "a b", trustedFor: settling - 1, leaf: "a"},
		"seen by all":                      {at: days(60.1), current: "a", next: "b", bundle: "a b", trustedFor: settling, leaf: "a", secret: promote},
		"it signs":                         {at: days(60.1), current: "b", old: "a", bundle: "a b", leaf: "a", signer: "b"},
		"not before this replica has seen": {at: days(60.1), current: "b", old: "a", bundle: "a b", trustedFor: time.Second, leaf: "a"},
		"nor where it is not trusted":      {at: days(60.1), current: "b", old: "a", bundle: "a", leaf: "a", writes: "b a"},
		"meanwhile a leaf is due":          {at: days(60.1), current: "b", old: "a", bundle: "a", leaf: "a", leafAge: 16 * time.Hour, writes: "b a", signer: "a"},
		"the old one is trusted on":        {at: days(61), current: "b", old: "a", bundle: "b", leaf: "b", writes: "b a"},
		"until it expires":                 {at: days(90.1), current: "b", old: "a", bundle: "a b", leaf: "b", secret: tidy, writes: "b"},
		"the rotation is over":             {at: days(90.1), current: "b", bundle: "b", leaf: "b"},

		// What others do.
		"Secret wiped":                        {at: days(1), bundle: "a", leaf: "a", secret: makeCurrent},
		"Secret deleted a moment ago":         {at: days(1), gone: regret - 1, bundle: "a", leaf: "a"},
		"deleted, and the leaf is due":        {at: days(1), gone: regret - 1, bundle: "a", leaf: "a", leafAge: 17 * time.Hour, signer: "a"},
		"deleted, and caBundle wiped":         {at: days(1), gone: regret - 1, leaf: "a", writes: "a"},
		"Secret deleted for good":             {at: days(1), gone: regret, bundle: "a", leaf: "a", secret: makeCurrent},
		"deleted, and the clock set back":     {at: days(1), gone: -time.Hour, bundle: "a", leaf: "a", secret: makeCurrent},
		"another was made":                    {at: days(1), current: "foreign", bundle: "a", leaf: "a", writes: "foreign a"},
		"and is taken over in good time":      {at: days(1), current: "foreign", bundle: "a foreign", leaf: "a", signer: "foreign"},
		"Secret deleted, the leaf is due":     {at: days(1), bundle: "a", leaf: "a", leafAge: 17 * time.Hour, secret: makeCurrent, signer: "a"},
		"half of the Secret: next is left":    {at: days(61), next: "b", bundle: "a b", leaf: "a", secret: promote},
		"caBundle wiped":                      {at: days(1), current: "a", bundle: "", leaf: "a", writes: "a"},
		"one caBundle wiped":                  {at: days(1), current: "a", bundle: "a", second: "-", leaf: "a", writes: "a"},
		"caBundle wiped and Secret deleted":   {at: days(1), leaf: "a", secret: makeCurrent, writes: "a"},
		"caBundle wiped, an older leaf":       {at: days(61), current: "b", old: "a", leaf: "a", writes: "b a"},
		"a certificate that is not ours":      {at: days(1), current: "a", bundle: "foreign a", leaf: "a"},
		"that one alone":                      {at: days(1), current: "a", bundle: "foreign", leaf: "a", writes: "a foreign"},
		"configuration deleted":               {at: days(1), current: "a", noConfig: true, leaf: "a"},
		"deleted, and the leaf due meanwhile": {at: days(1), current: "a", noConfig: true, leaf: "a", leafAge: 17 * time.Hour, signer: "a"},
		"both deleted: nothing comes back":    {at: days(1), noConfig: true, leaf: "a"},
		"the configuration is back":           {at: days(1), current: "a", leaf: "a", writes: "a"},
		"the Secret cannot be read":           {at: days(1), unseen: true, bundle: "a"},

		// Outages.
		"asleep for a day":                     {at: days(2), current: "a", bundle: "a", leaf: "a", leafAge: days(1.5), signer: "a"},
		"asleep past two thirds":               {at: days(80), current: "a", bundle: "a", leaf: "a", leafAge: days(70), secret: makeNext, signer: "a"},
		"expired while all was down":           {at: days(200), current: "a", bundle: "a", secret: makeCurrent, writes: "-"},
		"expired, another is made":             {at: days(100), current: "b", old: "a", bundle: "a", secret: tidy, writes: "b"},
		"expired, asleep":                      {at: days(200), current: "a", bundle: "a", leaf: "a", leafAge: days(190), secret: makeCurrent, writes: "-"},
		"expired with the next one made":       {at: days(91), current: "a", next: "b", bundle: "a", leaf: "a", leafAge: days(31), secret: promote, writes: "b"},
		"caBundle could not be written so far": {at: days(80), current: "a", next: "b", bundle: "a", leaf: "a", writes: "a b"},
		"the clock is before noon":             {at: -time.Hour, current: "a", bundle: "a", secret: makeCurrent},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			who := newCast(t)
			now := noon.Add(c.at)
			if c.second == "" {
				c.second = c.bundle
			}
			if c.trustedFor == 0 {
				c.trustedFor = time.Hour
			}
			s := sight{secretSeen: !c.unseen, ring: keyring{current: who[c.current], next: who[c.next], old: who.certificates(c.old)}}
			if c.gone != 0 {
				s.secretGone = now.Add(-c.gone)
			}
			if !c.noConfig {
				s.bundles = [][]*x509.Certificate{who.certificates(c.bundle), who.certificates(strings.Trim(c.second, "-"))}
				everywhere := slices.DeleteFunc(strings.Fields(c.bundle), func(n string) bool { return !slices.Contains(strings.Fields(c.second), n) })
				s.trusted = who.trusting(now, strings.Join(everywhere, " "), c.trustedFor)
			}
			if c.leaf != "" {
				l, err := who[c.leaf].sign(now.Add(-c.leafAge), "webhook.airflow.svc", leafLife)
				must(t, err)
				s.leaf = l
			}
			p := decide(now, settling, s)
			var signer, writes string
			for n, a := range who {
				if a.is(p.signer) {
					signer = n
				}
			}
			if changed := slices.Sorted(maps.Keys(p.bundles)); len(changed) > 0 {
				if writes = who.names(p.bundles[changed[0]]); writes == "" {
					writes = "-"
				}
			}
			if p.secret != c.secret || writes != c.writes || signer != c.signer {
				t.Errorf("Secret %q, caBundle %q, signer %q; expected %q, %q, %q", p.secret, writes, signer, c.secret, c.writes, c.signer)
			}
			if p.wake.After(now.Add(maxWait)) || p.wake.Before(now) {
				t.Errorf("wakes in %v", p.wake.Sub(now))
			}
		})
	}
}

// A replica wakes in time for what is due, and not all the time.
func TestWakes(t *testing.T) {
	who := newCast(t)
	leafSigned := func(now time.Time, due time.Duration) *leaf {
		l, err := who["a"].sign(now, "x", leafLife)
		must(t, err)
		l.renewAt = now.Add(due)
		return l
	}
	now := noon.Add(days(61))
	rotating := keyring{current: who["a"], next: who["b"]}
	both := [][]*x509.Certificate{who.certificates("a b")}
	for name, c := range map[string]struct {
		s     sight
		wakes time.Duration
	}{
		"a leaf is due soon":    {sight{secretSeen: true, ring: keyring{current: who["b"], old: who.certificates("a")}, bundles: both, trusted: who.trusting(now, "a", 0), leaf: leafSigned(now, time.Second)}, time.Second},
		"the next settles":      {sight{secretSeen: true, ring: rotating, bundles: both, trusted: who.trusting(now, "a b", settling-2*time.Second), leaf: leafSigned(now, time.Hour)}, 2 * time.Second},
		"nothing for long":      {sight{secretSeen: true, ring: rotating, bundles: both, trusted: who.trusting(now, "a b", 0), leaf: leafSigned(now, time.Hour)}, maxWait},
		"a Secret is missed":    {sight{secretSeen: true, secretGone: now.Add(time.Second - regret), bundles: both}, time.Second},
		"nothing can be signed": {sight{secretSeen: true, ring: keyring{}, bundles: both, leaf: leafSigned(noon.Add(-days(365)), time.Second)}, maxWait},
	} {
		if p := decide(now, settling, c.s); p.wake.Sub(now) != c.wakes {
			t.Errorf("%s: wakes in %v, expected %v", name, p.wake.Sub(now), c.wakes)
		}
	}
}

// Trust counts from when a certificate was in all bundles, without a break, and a clock that is set back starts it anew.
func TestTrust(t *testing.T) {
	who := newCast(t)
	bundles := func(names ...string) (all [][]*x509.Certificate) {
		for _, n := range names {
			all = append(all, who.certificates(n))
		}
		return all
	}
	key := func(name string) string { return string(who[name].certificate.Raw) }
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	seen := trust(nil).after(at(0), bundles("a b", "a"))
	if !seen.has(who["a"]) || seen.has(who["b"]) {
		t.Errorf("b is in one of two bundles: %v", seen)
	}
	seen = seen.after(at(10), bundles("a b", "b a"))
	if seen[key("a")] != at(0) || seen[key("b")] != at(10) {
		t.Errorf("trusted since %v and %v", seen[key("a")], seen[key("b")])
	}
	if broken := seen.after(at(20), bundles("a")).after(at(30), bundles("a b")); broken[key("b")] != at(30) {
		t.Errorf("after a break trusted since %v", broken[key("b")])
	}
	if back := seen.after(at(5), bundles("a b")); back[key("b")] != at(5) {
		t.Errorf("with the clock set back trusted since %v", back[key("b")])
	}
	if len(seen.after(at(40), nil)) != 0 {
		t.Error("trusted without a configuration")
	}
}

// Two replicas that see the same and do the same at once end with one authority: the loser's write is refused, and it never
// used its own.
func TestRaceIsDecidedByTheSight(t *testing.T) {
	winner, err := keyring{}.after(noon, makeCurrent, caLife)
	must(t, err)
	p := decide(noon, settling, sight{secretSeen: true, ring: winner, bundles: [][]*x509.Certificate{nil}})
	if len(p.bundles[0]) != 1 || !p.bundles[0][0].Equal(winner.current.certificate) || p.secret != leaveSecret || p.signer != nil {
		t.Errorf("plan is %+v", p)
	}
}

// A bundle that others fill up stays small, and keeps what is needed.
func TestBundleIsBounded(t *testing.T) {
	who := newCast(t)
	var live []*x509.Certificate
	for range 2 * maxBundle {
		a, err := newAuthority(noon, caLife)
		must(t, err)
		live = append(live, a.certificate)
	}
	wanted, differs := wantedBundle(noon, live, who.certificates("a"))
	if len(wanted) != maxBundle || !differs || !contains(wanted, who["a"].certificate) {
		t.Errorf("%d certificates, a among them: %v", len(wanted), contains(wanted, who["a"].certificate))
	}
	if again, differs := wantedBundle(noon, wanted, who.certificates("a")); differs {
		t.Errorf("written again: %d certificates", len(again))
	}
	slices.Reverse(wanted)
	if _, differs := wantedBundle(noon, wanted, who.certificates("a")); differs {
		t.Error("another order is written over")
	}
}
