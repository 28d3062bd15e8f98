package certs

import (
	"crypto/x509"
	"slices"
	"time"
)

// maxBundle bounds how many certificates we leave in a caBundle, whatever others add to it: an object of the API server
// has 1.5 MiB in all.
const maxBundle = 16

// wantedBundle is what a caBundle should hold: all that is needed, and every other certificate that is there and has not
// expired, be it ours or not. It says whether that differs from what is there.
//
// Others are kept so that nothing is cut off that still serves: a replica may serve a leaf of an authority whose Secret
// was deleted, and while one goes over from certificates in files to these (or back) replicas of both kinds are behind
// the Service. Whoever wants such a certificate to go removes it from caBundle, and it stays away. Replicas only ever add what they need and
// remove what has expired, so they agree whatever the order.
func wantedBundle(now time.Time, live, needed []*x509.Certificate) (wanted []*x509.Certificate, differs bool) {
	others := slices.Clone(live)
	slices.SortStableFunc(others, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	for _, c := range slices.Concat(needed, others) {
		if !expired(c, now) && !contains(wanted, c) && len(wanted) < maxBundle {
			wanted = append(wanted, c)
		}
	}
	return wanted, !sameSet(live, wanted)
}

// sameSet compares by content, not by order nor by the text around it: a tool that writes the same certificates in its
// own way is not fought over.
func sameSet(a, b []*x509.Certificate) bool {
	return !slices.ContainsFunc(a, func(c *x509.Certificate) bool { return !contains(b, c) }) &&
		!slices.ContainsFunc(b, func(c *x509.Certificate) bool { return !contains(a, c) })
}

func contains(all []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(all, c.Equal)
}
