package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// admission answers reviews: one comes in, the injector decides, and an answer, a log line and a count go out.
type admission struct {
	decide  func(pod []byte, namespace string) injector.Decision
	metrics *metrics
	log     *slog.Logger
	// largeBodies has a place for each review in memory that is larger than an ordinary one, or whose answer is.
	largeBodies chan struct{}
	// deciding has a place for each review that is decoded, decided and answered in memory, whatever its size.
	deciding chan struct{}
}

func newAdmission(decide func(pod []byte, namespace string) injector.Decision, m *metrics, log *slog.Logger) *admission {
	return &admission{decide: decide, metrics: m, log: log, largeBodies: make(chan struct{}, maxLargeBodies), deciding: make(chan struct{}, maxDeciding)}
}

// ServeHTTP answers every POST with HTTP 200 and an AdmissionReview, since the API server reads nothing else: any other
// status is to it a webhook that failed, whatever the body says.
func (a *admission) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "reviews are posted", http.StatusMethodNotAllowed)
		return
	}
	v := &reviewed{began: time.Now()}
	release := a.reserve(r.ContentLength)
	defer func() {
		if release != nil {
			release()
		}
	}()
	body, err := readBody(r, limitOf(release))
	heard(r)
	text := a.answer(r.Context(), body, err, v)
	if len(text) > ordinaryReview && release == nil {
		if release = a.reserve(int64(len(text))); release == nil {
			v.decision = refusal(crowded("answered"))
			text = encodeAnswer(v)
		}
	}
	a.reply(w, v, text)
}

// reviewed is one review on its way from request to log line.
type reviewed struct {
	began    time.Time
	request  request // as much of it as could be read
	decision injector.Decision
	status   int32 // in the answer
}

// answer decides about a review that was read, or could not be, and encodes the answer. Only a few reviews are here at a
// time; the others wait as the bytes that they came as, for as long as their client does and no longer than reading may take.
func (a *admission) answer(ctx context.Context, body []byte, reading error, v *reviewed) []byte {
	if a.myTurn(ctx) {
		defer func() { <-a.deciding }()
		a.review(body, reading, v)
	} else {
		v.request.UID = findUID(body)
		v.decision = refusal(crowded("decided"))
	}
	return encodeAnswer(v)
}

// myTurn waits for a place, unless there is one: the client of a review that came too slowly has ended ctx, and is told so.
func (a *admission) myTurn(ctx context.Context) bool {
	select {
	case a.deciding <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	select {
	case a.deciding <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// review reads a request and decides. Whatever goes wrong becomes a decision, a panic too.
func (a *admission) review(body []byte, err error, v *reviewed) {
	defer func() {
		if cause := recover(); cause != nil {
			v.decision = a.recovered(cause)
		}
	}()
	if err == nil {
		err = decodeReview(body, &v.request)
	}
	switch {
	case err != nil:
		if v.request.UID == "" {
			v.request.UID = findUID(body)
		}
		v.decision = refusal(err)
	case !v.request.createsPod():
		v.decision = injector.Decision{Code: contract.NotAPodCreation, Message: contract.NotAPodCreation.Sentence()}
	default:
		v.decision = a.decide(v.request.Object.Raw, v.request.Namespace)
	}
}

// recovered turns a panic into a decision. Of its cause only what the runtime says is logged: any other value may hold
// a part of the pod.
func (a *admission) recovered(cause any) injector.Decision {
	text := fmt.Sprintf("a %T", cause)
	if err, ok := cause.(runtime.Error); ok {
		text = err.Error()
	}
	a.log.Error("panic while reviewing", "cause", text, "stack", string(debug.Stack()))
	return injector.Decision{Code: contract.Internal, Message: contract.Internal.Sentence()}
}

// reply writes the answer, counts it and logs it.
func (a *admission) reply(w http.ResponseWriter, v *reviewed, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(answer)
	took := time.Since(v.began)
	a.metrics.count(v.decision.Code, v.status, took)
	a.logReview(v, took, err)
}
