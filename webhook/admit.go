package webhook

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// admission answers reviews: one comes in, the injector decides, and an answer, a log line and a count go out.
type admission struct {
	decide  func(pod []byte, namespace string) injector.Decision
	metrics *metrics
	log     *slog.Logger
	// largeBodies has a place for each review in memory that is larger than an ordinary one.
	largeBodies chan struct{}
}

func newAdmission(decide func(pod []byte, namespace string) injector.Decision, m *metrics, log *slog.Logger) *admission {
	return &admission{decide: decide, metrics: m, log: log, largeBodies: make(chan struct{}, maxLargeBodies)}
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
	limit := ordinaryReview // without a place for a large one; it may still turn out not to be large
	if release := a.reserve(r); release != nil {
		defer release()
		limit = maxReview
	}
	a.review(r, limit, v)
	a.reply(w, v)
}

// reviewed is one review on its way from request to log line.
type reviewed struct {
	began    time.Time
	request  admissionv1.AdmissionRequest // as much of it as could be read
	decision injector.Decision
}

// review reads a request and decides. Whatever goes wrong becomes a decision, a panic too.
func (a *admission) review(r *http.Request, limit int, v *reviewed) {
	defer func() {
		if cause := recover(); cause != nil {
			v.decision = a.recovered(cause)
		}
	}()
	body, err := readBody(r, limit)
	if err == nil {
		err = decodeReview(body, &v.request)
	}
	switch {
	case err != nil:
		if v.request.UID == "" {
			v.request.UID = findUID(body)
		}
		v.decision = refusal(err)
	case !createsPod(&v.request):
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
func (a *admission) reply(w http.ResponseWriter, v *reviewed) {
	answer, status := encodeAnswer(v)
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(answer)
	took := time.Since(v.began)
	a.metrics.count(v.decision.Code, status, took)
	a.logReview(v, status, took, err)
}
