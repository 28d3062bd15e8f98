package certs

import (
	"crypto/x509"
	"time"
)

// secretStep is what is to be done about the Secret.
type secretStep string

const (
	leaveSecret secretStep = ""
	// makeCurrent: no authority can sign. This is the start, and what follows deletion, damage and expiry.
	makeCurrent secretStep = "made a certificate authority"
	// makeNext: two thirds of the authority's life are over.
	makeNext secretStep = "made the next certificate authority"
	// promote: API servers trust the next one, so it may sign.
	promote secretStep = "the next certificate authority is the one that signs now"
	// tidy: certificates of old authorities have expired.
	tidy secretStep = "dropped certificates of authorities that have expired"
)

// regret is how long a Secret that is deleted is left alone while replicas go on with what they have from it. Helm deletes
// the Secret of a release that goes over to other certificates a moment before the right to make it again: what is removed
// shall stay so.
const regret = 5 * time.Second

// maxWait bounds the time to the next look, since timers stand still while a machine sleeps and its clock goes on.
const maxWait = 5 * time.Second

// sight is all that one replica sees at one moment.
type sight struct {
	// secretSeen is false until the Secret, or that there is none, has been seen.
	secretSeen bool
	ring       keyring
	// secretGone is since when the Secret is away that was there before. Zero: it is there, or never was.
	secretGone time.Time
	// bundles are the certificates in caBundle of each webhook of the configuration. Empty: there is no configuration, or
	// no webhook in it.
	bundles [][]*x509.Certificate
	// trusted says since when each certificate has been in all of them without a break.
	trusted trust
	// leaf is served by this replica. nil: none yet.
	leaf *leaf
}

// plan is what this replica does next. Its parts do not wait for each other: one may be impossible for a while.
type plan struct {
	secret secretStep
	// bundles holds what caBundle of a webhook is to become, by its index. Those that are fine are not in it.
	bundles map[int][]*x509.Certificate
	// signer is the authority to sign a new leaf with, or nil.
	signer *authority
	// wake is when to look again if nothing is seen before.
	wake time.Time
}

// decide is the whole of the rotation. It is pure, and all replicas run it side by side without a leader: each step is
// right whoever takes it, and a write that is based on an old sight is refused by its resourceVersion.
//
// An authority goes: made as next -> in every caBundle -> there for the settling time -> current, signs -> old -> expired,
// out of caBundle. A certificate thus leaves caBundle only when nothing it has signed is valid. Without a configuration
// nothing is written: no API server asks us then, and what has been uninstalled shall not come back. The leaf is renewed
// nevertheless, for when it does.
func decide(now time.Time, settle time.Duration, s sight) plan {
	p := plan{wake: now.Add(maxWait)}
	p.signer = s.stepLeaf(now, settle, &p)
	if !s.secretSeen || len(s.bundles) == 0 {
		return p
	}
	p.secret = s.stepSecret(now, settle, &p)
	p.bundles = s.stepBundles(now, p.signer)
	return p
}

func (p *plan) wakeBy(t time.Time) {
	if t.Before(p.wake) {
		p.wake = t
	}
}

func (s sight) stepSecret(now time.Time, settle time.Duration, p *plan) secretStep {
	current, next := s.ring.current, s.ring.next
	switch {
	case !current.usable(now) && !next.usable(now):
		if age := now.Sub(s.secretGone); age >= 0 && age < regret { // below 0 where a clock was set back
			p.wakeBy(s.secretGone.Add(regret))
			return leaveSecret
		}
		return makeCurrent
	case !current.usable(now):
		return promote // what the current one signed is not valid: nothing is gained by waiting
	case next.usable(now):
		if s.trusted.settled(now, settle, next, p) {
			return promote
		}
		return leaveSecret
	case !now.Before(current.rotateAt()):
		return makeNext
	}
	p.wakeBy(current.rotateAt())
	for _, c := range s.ring.old {
		if expired(c, now) {
			return tidy
		}
	}
	return leaveSecret
}

// stepBundles adds to each caBundle what the Secret has, and who signed the leaf that this replica serves from now on: it
// may not be in the Secret any more.
func (s sight) stepBundles(now time.Time, signer *authority) map[int][]*x509.Certificate {
	needed := s.ring.certificates()
	if signer == nil && s.leaf != nil {
		signer = s.leaf.issuer
	}
	if signer != nil {
		needed = append(needed, signer.certificate)
	}
	changed := map[int][]*x509.Certificate{}
	for i, live := range s.bundles {
		if wanted, differs := wantedBundle(now, live, needed); differs {
			changed[i] = wanted
		}
	}
	return changed
}

// stepLeaf says who signs a new leaf now. A leaf that API servers take is given up only for one that they all take, too.
func (s sight) stepLeaf(now time.Time, settle time.Duration, p *plan) *authority {
	current := s.ring.current
	trusted := current.usable(now) && s.trusted.has(current)
	taken := s.leaf != nil && validAt(s.leaf.certificate(), now) && s.trusted.has(s.leaf.issuer)
	switch {
	case trusted && !taken:
		return current
	case s.leaf == nil:
		return nil
	case trusted && !s.leaf.issuer.is(current) && s.trusted.settled(now, settle, current, p):
		return current
	case now.Before(s.leaf.renewAt):
		p.wakeBy(s.leaf.renewAt)
		return nil
	case s.leaf.issuer.usable(now):
		return s.leaf.issuer
	}
	return nil
}

// trust says since when each certificate, by its DER, has been in every caBundle.
type trust map[string]time.Time

// after is the trust after another look at the bundles.
func (t trust) after(now time.Time, bundles [][]*x509.Certificate) trust {
	seen := trust{}
	if len(bundles) == 0 {
		return seen
	}
	for _, c := range bundles[0] {
		everywhere := true
		for _, other := range bundles[1:] {
			everywhere = everywhere && contains(other, c)
		}
		if !everywhere {
			continue
		}
		since, known := t[string(c.Raw)]
		if !known || since.After(now) { // a clock that was set back starts anew
			since = now
		}
		seen[string(c.Raw)] = since
	}
	return seen
}

func (t trust) has(a *authority) bool {
	_, trusted := t[string(a.certificate.Raw)]
	return trusted
}

// settled says whether an authority has been trusted long enough for every API server to know: each reads the
// configuration from a cache of its own. If it has not yet, the plan wakes when it will.
func (t trust) settled(now time.Time, settle time.Duration, a *authority, p *plan) bool {
	since, trusted := t[string(a.certificate.Raw)]
	if !trusted {
		return false
	}
	if due := since.Add(settle); now.Before(due) {
		p.wakeBy(due)
		return false
	}
	return true
}
