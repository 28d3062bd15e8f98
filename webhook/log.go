package webhook

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLogged is the length of the longest name that Kubernetes allows. A field of a log line is cut there, since anyone
// who reaches the port could send longer ones.
const maxLogged = 253

// logReview writes one line about a review. Of the object in it only the name, or what it will be made from, is told:
// Airflow 3 puts its token into the pod's args.
func (a *admission) logReview(v *reviewed, took time.Duration, writing error) {
	level := slog.LevelInfo
	switch {
	case v.status == http.StatusInternalServerError:
		level = slog.LevelError
	case v.status != http.StatusOK || writing != nil:
		level = slog.LevelWarn
	}
	if !a.log.Enabled(context.Background(), level) {
		return
	}
	name := slog.String("name", clip(v.request.Name, maxLogged))
	if v.request.Name == "" {
		name = slog.String("generateName", clip(generateName(v.request.Object.Raw), maxLogged))
	}
	fields := []slog.Attr{
		slog.String("uid", clip(string(v.request.UID), maxLogged)),
		slog.String("namespace", clip(v.request.Namespace, maxLogged)),
		name,
		slog.String("operation", clip(string(v.request.Operation), maxLogged)),
		slog.String("code", string(v.decision.Code)),
		slog.Int("status", int(v.status)),
		slog.Int("patchOperations", len(v.decision.Operations)),
		slog.Int("warnings", len(v.decision.Warnings)),
		slog.Float64("milliseconds", float64(took.Microseconds())/1000),
	}
	if v.status != http.StatusOK {
		fields = append(fields, slog.String("message", oneLine(v.decision.Message)))
	}
	if writing != nil {
		// The API server has hung up, most likely because its timeoutSeconds are over.
		fields = append(fields, slog.String("writing", writing.Error()))
	}
	a.log.LogAttrs(context.Background(), level, "review", fields...)
}

// pacedLog takes what net/http says of connections that came to nothing, such as failed TLS handshakes, and tells some of it:
// whoever reaches the port could fill the log otherwise.
type pacedLog struct {
	log  *slog.Logger
	pace *rate.Limiter

	mutex  sync.Mutex
	untold int
}

func (p *pacedLog) Write(line []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.pace.Allow() {
		p.untold++
		return len(line), nil
	}
	p.log.Info("connection failed", "cause", string(bytes.TrimSpace(line)), "untold", p.untold)
	p.untold = 0
	return len(line), nil
}
