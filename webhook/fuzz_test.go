package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonpatch5 "github.com/evanphx/json-patch/v5"
	"github.com/prometheus/client_golang/prometheus"
	jsonpatch4 "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// TestReviews posts many reviews and holds every answer to what is promised of it (review.check). Most of them ask for
// secrets for a pod of the charts with changes; `make fuzz` tries a million.
func TestReviews(t *testing.T) {
	g := pods.NewGenerator(t)
	outcomes := inputs.Try(t, func(input []byte) (string, error) { return newReview(g, input).check() })
	if t.Failed() {
		return
	}
	all, patched := 0, 0
	for outcome, n := range outcomes {
		all += n
		if strings.HasSuffix(outcome, withPatch) {
			patched += n
		}
	}
	t.Logf("%d of %d reviews, %.1f %%, were admitted with a patch", patched, all, 100*float64(patched)/float64(max(all, 1)))
	if all > 1 && 2*patched < all {
		t.Errorf("%d of %d reviews were admitted with a patch, expected half of them", patched, all)
	}
	if all >= 20_000 {
		everyOutcome(t, outcomes)
	}
}

// everyOutcome expects the reviews to have led to all there is, since what none leads to has not been tried.
func everyOutcome(t *testing.T, outcomes map[string]int) {
	for _, expected := range []string{
		"200 injected" + withPatch, "200 side-containers-only" + withPatch, "200 side-containers-only", "200 already-injected", "200 not-annotated",
		"200 declined", "200 not-a-pod-creation", "400 invalid-review", "413 review-too-large", "422 invalid-annotations", "422 invalid-pod",
		"422 foreign-backend", "422 invalid-kwargs", "422 multi-team", "422 option-from-backend", "422 shared-account-unreachable",
		"422 no-airflow-container", "422 name-in-use",
	} {
		if outcomes[expected] == 0 {
			t.Errorf("no review came to: %s", expected)
		}
	}
}

// FuzzReview lets Go's fuzzer look for reviews that TestReviews has not tried.
func FuzzReview(f *testing.F) {
	for _, seed := range []string{"", "{}", "[", creation("null"), creation(pod(wanted)), creation(pod(wanted), "CREATE", "DELETE"),
		creation(pod(wanted + `,"airflow-secrets/regoin":"\"\n"`)), creation(`"pod"`), creation(pod(wanted))[:200]} {
		f.Add(append([]byte{asItIs}, seed...))
	}
	for kind := range byte(kinds) {
		f.Add([]byte{kind, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	}
	g := pods.NewGenerator(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		if _, err := newReview(g, input).check(); err != nil {
			t.Error(err)
		}
	})
}

// review is a request as it arrives, and the cluster that it arrives in.
type review struct {
	injector    *injector.Injector
	body        []byte
	contentType string
	chunked     bool // sent without a Content-Length
}

// The kinds of reviews, told by an input's first choice. Those below asPatched are for a new pod.
const (
	asPatched = 20 + iota*3 // a pod that we have patched and others have changed since
	asBroken                // a body that is a review but for some bytes
	asOther                 // a review that is not of a pod's creation, or not one that we can read
	asItIs                  // a body of anything
	kinds     = asItIs + 1
)

func newReview(g *pods.Generator, input []byte) review {
	c := inputs.From(input)
	kind := c.Below(kinds)
	if kind == asItIs {
		return review{injector: &injector.Injector{FetcherImage: pods.Image}, body: c.Rest(), contentType: "application/json"}
	}
	in, pod := g.Pod(c)
	r := review{injector: in, contentType: "application/json", chunked: c.OneIn(16)}
	if kind >= asPatched && kind < asBroken {
		if d := in.Decide(pod, "airflow"); d.Allowed() {
			pod = pods.Changed(c, injected(pod, d))
		}
	}
	r.body = []byte(creation(string(pod)))
	if c.OneIn(4) {
		r.body = []byte(creation(string(pod), `"namespace"`, `"name":"worker-0","namespace"`))
	}
	switch {
	case kind >= asOther:
		r.makeOther(c, string(pod))
	case kind >= asBroken:
		r.body = broken(c, r.body)
	}
	return r
}

// injected is a pod after a decision, which check will hold to all that it promises.
func injected(pod []byte, d injector.Decision) []byte {
	text, err := json.Marshal(d.Operations)
	if err == nil && len(d.Operations) > 0 {
		pod, err = apply(pod, text)
	}
	if err != nil {
		panic("the pod to start from: " + err.Error())
	}
	return pod
}

// makeOther makes the review one that is none of ours.
func (r *review) makeOther(c *inputs.Choices, pod string) {
	changes := [][2]string{{"CREATE", "UPDATE"}, {`"CREATE"`, `""`}, {`"pods"`, `"podtemplates"`}, {`"object":OBJECT`, `"object":null`}, {`OBJECT`, `[OBJECT]`},
		{`"group":""`, `"group":"apps"`}, {"v1", "v1beta1"}, {`"uid":"uid-1"`, `"uid":4`}, {`"uid":"uid-1",`, ""}, {"AdmissionReview", `Pod\n\"`},
		{`"dryRun":false`, `"dryRun":"no"`}, {`"namespace":"airflow"`, `"namespace":null`}, {`"request":{`, `"Request":{`}}
	change := inputs.Of(c, changes...)
	r.body = []byte(creation(pod, change[0], change[1]))
	switch c.Below(256) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		r.contentType = inputs.Of(c, "", "application/yaml", "text/json", "application/json; charset=\"", "application/json;charset=utf-8")
	case 8, 9:
		r.body = append(r.body, bytes.Repeat([]byte(" "), maxReview)...)
	case 10, 11, 12, 13:
		r.body = append(r.body, bytes.Repeat([]byte(" "), ordinaryReview)...)
	}
}

// broken changes some bytes: cuts the end off, takes some out, repeats some, writes over some. There is no canary in what
// it makes, since it might put one where a value is repeated to the one who wrote it.
func broken(c *inputs.Choices, body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte(pods.Canary), nil)
	for range 1 + c.Below(3) {
		from := c.Below(len(body) + 1)
		to := min(from+c.Below(64), len(body))
		switch c.Below(4) {
		case 0:
			body = body[:from]
		case 1:
			body = slices.Delete(body, from, to)
		case 2:
			body = slices.Insert(body, from, body[from:to]...)
		case 3:
			body = slices.Replace(body, from, to, []byte(inputs.Of(c, `"`, `{}`, `null`, `[]`, "\xff", `\u0000`, `1e999`, `,`, `:`))...)
		}
	}
	return body
}

const withPatch = ", with a patch"

// check posts the review twice, and then the review of what became of the pod.
func (r review) check() (outcome string, err error) {
	answer, err := r.post()
	if err != nil {
		return "no valid answer", fmt.Errorf("%w\nthe review: %.20000q", err, r.body)
	}
	outcome = fmt.Sprintf("%d %s", answer.Result.Code, answer.AuditAnnotations["reason"])
	if again, err := r.post(); err != nil || !bytes.Equal(answer.text, again.text) {
		return outcome, fmt.Errorf("the same review was answered first by %s, then by %s (%v)", answer.text, again.text, err)
	}
	if len(answer.Patch) == 0 {
		return outcome, nil
	}
	if err := r.checkPatch(answer); err != nil {
		return outcome, fmt.Errorf("%w\nthe review: %.20000s\nthe patch: %s", err, r.body, answer.Patch)
	}
	return outcome + withPatch, nil
}

// checkPatch applies a patch, holds the pod against what it was, and reviews it anew: nothing is left to do then.
func (r review) checkPatch(answer answer) error {
	if bytes.Contains(answer.Patch, []byte(pods.PodCanary)) {
		return errors.New("the patch repeats what is none of ours")
	}
	var sent struct { // other fields of a review may be anything
		Request struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal(r.body, &sent); err != nil {
		return fmt.Errorf("decoding the review: %w", err)
	}
	before := sent.Request.Object
	after, err := apply(before, answer.Patch)
	if err != nil {
		return err
	}
	code := contract.Code(answer.AuditAnnotations["reason"])
	if err := pods.CheckPatched(before, after, code); err != nil {
		return err
	}
	r.body = []byte(creation(string(after)))
	second, err := r.post()
	if err != nil {
		return fmt.Errorf("the second pass: %w", err)
	}
	if code == contract.Injected {
		code = contract.AlreadyInjected
	}
	if reason := second.AuditAnnotations["reason"]; len(second.Patch) > 0 || reason != string(code) {
		return fmt.Errorf("the second pass came to %s, expected %s and no patch: %s", reason, code, second.Patch)
	}
	return nil
}

// apply applies a patch by two implementations that are not ours, the second of them the API server's own, and expects
// them to agree.
func apply(pod, patch []byte) ([]byte, error) {
	five, err := jsonpatch5.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decoding the patch: %w", err)
	}
	four, err := jsonpatch4.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decoding the patch: %w", err)
	}
	after, err := five.Apply(pod)
	if err != nil {
		return nil, fmt.Errorf("applying the patch: %w", err)
	}
	servers, err := four.Apply(pod)
	if err != nil {
		return nil, fmt.Errorf("applying the patch as an API server does: %w", err)
	}
	if !reflect.DeepEqual(tree(after), tree(servers)) {
		return nil, fmt.Errorf("the patch makes %s, and in an API server %s", after, servers)
	}
	return after, nil
}

// tree is a text of JSON to compare, with numbers as they are written.
func tree(text []byte) (v any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return err
	}
	return v
}

// answer is one answer, parsed and as it was sent.
type answer struct {
	*admissionv1.AdmissionResponse
	text []byte
}

// post sends the review and holds the answer, the log and the metrics to what is promised of every review.
func (r review) post() (answer, error) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry)
	if err != nil {
		return answer{}, err
	}
	var body io.Reader = bytes.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body) // hides its length
	}
	request := httptest.NewRequest(http.MethodPost, "/mutate", body)
	request.Header.Set("Content-Type", r.contentType)
	w := httptest.NewRecorder()
	newAdmission(r.injector.Decide, m, slog.New(slog.NewJSONHandler(&log, nil))).ServeHTTP(w, request)

	parsed, err := parseAnswer(w.Body.Bytes())
	if err != nil {
		return answer{}, err
	}
	a := answer{parsed, w.Body.Bytes()}
	return a, errors.Join(r.checkAnswer(a, w.Code), checkLog(log.Bytes()), checkMetrics(registry))
}

func (r review) checkAnswer(a answer, httpStatus int) error {
	// Of a body with names that are none of a review's, or that come twice, nobody can say what its uid is.
	var sent admissionv1.AdmissionReview
	strict, err := kjson.UnmarshalStrict(r.body, &sent)
	hasUID := err == nil && len(strict) == 0 && sent.Request != nil
	switch {
	case httpStatus != http.StatusOK:
		return fmt.Errorf("HTTP status %d, expected 200", httpStatus)
	case !slices.Contains([]int32{http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, a.Result.Code):
		return fmt.Errorf("code %d (%s), and no review may bring us into trouble", a.Result.Code, a.Result.Message)
	case hasUID && a.UID != sent.Request.UID:
		return fmt.Errorf("uid is %q, expected %q", a.UID, sent.Request.UID)
	case contract.Code(a.AuditAnnotations["reason"]).Sentence() == "":
		return fmt.Errorf("the reason %s is none of ours", a.AuditAnnotations["reason"])
	case strings.Contains(fmt.Sprint(a.Result, a.Warnings, a.AuditAnnotations), pods.Canary):
		return fmt.Errorf("the answer repeats what is in the pod: %s", a.text)
	}
	return nil
}

// checkLog expects one line of JSON.
func checkLog(log []byte) error {
	line, ended := bytes.CutSuffix(log, []byte("\n"))
	if !ended || bytes.ContainsRune(line, '\n') || !json.Valid(line) {
		return fmt.Errorf("the log is not one line of JSON: %s", log)
	}
	if bytes.Contains(line, []byte(pods.Canary)) {
		return fmt.Errorf("the log repeats what is in the pod: %s", log)
	}
	return nil
}

// checkMetrics expects one count, under labels of few values.
func checkMetrics(registry *prometheus.Registry) error {
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("gathering the metrics: %w", err)
	}
	for _, family := range families {
		counted := 0
		for _, metric := range family.Metric {
			if metric.GetCounter().GetValue() == 0 { // there from the start
				continue
			}
			counted++
			for _, label := range metric.Label {
				if contract.Code(label.GetValue()).Sentence() == "" && !slices.Contains([]string{"200", "400", "413", "422"}, label.GetValue()) {
					return fmt.Errorf("metric %s has the label %s=%q", family.GetName(), label.GetName(), label.GetValue())
				}
			}
		}
		if family.Metric[0].Counter != nil && counted != 1 {
			return fmt.Errorf("metric %s counts in %d series, expected one", family.GetName(), counted)
		}
	}
	return nil
}
