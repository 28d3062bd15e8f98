package webhook

import (
	"io"
	"net/http"
)

// healthz says that the process serves. What a restart would not cure does not show here.
func healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n") // a prober that has left needs no answer
}

// readyz says whether reviews should be sent here: not before the certificate is served, and not while draining.
func (t *traffic) readyz(w http.ResponseWriter, r *http.Request) {
	if !t.ready.Load() {
		http.Error(w, "not ready: starting or draining", http.StatusServiceUnavailable)
		return
	}
	healthz(w, r)
}
