package webhook

import (
	"errors"
	"io"
	"net/http"
)

// healthz says that the process serves. What a restart would not cure does not show here.
func healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n") // a prober that has left needs no answer
}

// readyz says whether reviews should be sent here, and if not why: not before API servers would take the certificate that
// is served, and not while draining.
func (t *traffic) readyz(w http.ResponseWriter, r *http.Request) {
	err := errors.New("starting or draining")
	if t.open.Load() {
		err = t.certified()
	}
	if err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	healthz(w, r)
}
