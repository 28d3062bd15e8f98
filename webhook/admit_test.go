package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// pod is what most reviews here are about; annotations is the inside of a JSON object.
func pod(annotations string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"af-worker-","annotations":{` + annotations + `}},
		"spec":{"containers":[{"name":"base","image":"apache/airflow:3.1.8","args":["airflow","celery","worker"]}]}}`
}

const wanted = `"airflow-secrets/inject":"true"`

// creation is the review of a pod's creation. Each change replaces a part of it: old, new, old, new, ...
func creation(object string, changes ...string) string {
	review := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"uid-1",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
		"namespace":"airflow","operation":"CREATE","userInfo":{"username":"scheduler"},"object":OBJECT,
		"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(review, changes[i]) {
			panic("the review does not contain " + changes[i])
		}
		review = strings.ReplaceAll(review, changes[i], changes[i+1])
	}
	return strings.ReplaceAll(review, "OBJECT", object)
}

// Every kind of review, and what is said to it. They go over TLS to a whole server with the real injector.
func TestAnswers(t *testing.T) {
	oversized := creation(`{"metadata":{"annotations":{"x":"` + strings.Repeat("x", maxReview) + `"}}}`)
	invalid := contract.InvalidReview
	cases := []struct {
		name, body  string
		contentType string // application/json where empty
		chunked     bool   // sent without a Content-Length
		code        contract.Code
		status      int32
		says        string // a part of the message
		noUID       bool   // the body shows none
	}{
		{name: "annotated", body: creation(pod(wanted)), code: contract.Injected, status: 200},
		{name: "annotated, dry run", body: creation(pod(wanted), `"dryRun":false`, `"dryRun":true`), code: contract.Injected, status: 200},
		{name: "annotated, sent in chunks", body: creation(pod(wanted)), chunked: true, code: contract.Injected, status: 200},
		{name: "annotated, with a charset", body: creation(pod(wanted)), contentType: "application/json; charset=utf-8", code: contract.Injected, status: 200},
		{name: "not annotated", body: creation(pod("")), code: contract.NotAnnotated, status: 200},
		{name: "declined", body: creation(pod(`"airflow-secrets/inject":"false"`)), code: contract.Declined, status: 200},

		{name: "update", body: creation(pod(wanted), "CREATE", "UPDATE"), code: contract.NotAPodCreation, status: 200},
		{name: "deletion, which has no object", body: creation("null", "CREATE", "DELETE"), code: contract.NotAPodCreation, status: 200},
		{name: "subresource", body: creation(pod(wanted), `"namespace"`, `"subResource":"binding","namespace"`), code: contract.NotAPodCreation, status: 200},
		{name: "other resource", body: creation(pod(wanted), `"pods"`, `"podtemplates"`), code: contract.NotAPodCreation, status: 200},
		{name: "other group", body: creation(pod(wanted), `"resource":{"group":""`, `"resource":{"group":"metrics.k8s.io"`), code: contract.NotAPodCreation, status: 200},

		{name: "mistyped annotation", body: creation(pod(wanted + `,"airflow-secrets/regoin":"eu-central-1"`)), code: contract.InvalidAnnotations, status: 422, says: "region"},
		{name: "object is no pod", body: creation(`{"metadata":[]}`), code: contract.InvalidPod, status: 422, says: "the pod cannot be read"},

		{name: "empty", body: "", code: invalid, status: 400, says: "the body is empty", noUID: true},
		{name: "other content type", body: creation(pod(wanted)), contentType: "application/yaml", code: invalid, status: 400, says: "content type"},
		{name: "not JSON", body: "apiVersion: v1", code: invalid, status: 400, says: "not JSON after byte 1", noUID: true},
		{name: "JSON that ends early", body: strings.TrimSuffix(creation(pod(wanted)), "}}"), code: invalid, status: 400, says: "not JSON"},
		{name: "JSON of another kind", body: `["AdmissionReview"]`, code: invalid, status: 400, says: "the body is JSON of type array", noUID: true},
		{name: "field of another type", body: creation(pod(wanted), `"namespace":"airflow"`, `"namespace":4711`), code: invalid, status: 400, says: "request.namespace is JSON of type number"},
		{name: "older version", body: creation(pod(wanted), "admission.k8s.io/v1", "admission.k8s.io/v1beta1"), code: invalid, status: 400, says: "apiVersion admission.k8s.io/v1beta1"},
		{name: "other kind", body: creation(pod(wanted), "AdmissionReview", "ConversionReview"), code: invalid, status: 400, says: "kind ConversionReview"},
		{name: "no request", body: `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, code: invalid, status: 400, says: "no request", noUID: true},
		{name: "null request", body: `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null}`, code: invalid, status: 400, says: "no request", noUID: true},
		{name: "no operation", body: creation(pod(wanted), `"operation":"CREATE",`, ""), code: invalid, status: 400, says: "no operation"},
		{name: "no object", body: creation("", `"object":OBJECT,`, ""), code: invalid, status: 400, says: "no object"},
		{name: "null object", body: creation("null"), code: invalid, status: 400, says: "no object"},

		{name: "too large", body: oversized, code: contract.ReviewTooLarge, status: 413, says: "the limit is 7340032 bytes"},
		{name: "too large, in chunks", body: oversized, chunked: true, code: contract.ReviewTooLarge, status: 413, says: "the limit is 7340032 bytes"},
	}
	s := startServer(t, Options{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(c.body)
			if c.chunked {
				body = io.MultiReader(body) // hides its length
			}
			if c.contentType == "" {
				c.contentType = "application/json"
			}
			response, err := s.client.Post(s.url+"/mutate", c.contentType, body)
			must(t, err)
			r := readAnswer(t, response)
			if r.Result.Code != c.status || r.AuditAnnotations["reason"] != string(c.code) {
				t.Errorf("answered %d %s, expected %d %s: %s", r.Result.Code, r.AuditAnnotations["reason"], c.status, c.code, r.Result.Message)
			}
			if !strings.Contains(r.Result.Message, c.says) {
				t.Errorf("message is %q, expected it to say %q", r.Result.Message, c.says)
			}
			if (r.UID == "uid-1") == c.noUID {
				t.Errorf("uid is %q", r.UID)
			}
			if (len(r.Patch) > 0) != (c.code == contract.Injected) {
				t.Errorf("patch is %s", r.Patch)
			}
		})
	}
}

func TestPatchIsTheInjectors(t *testing.T) {
	in := &injector.Injector{FetcherImage: "fetcher:test"}
	r := startServer(t, Options{Injector: in}).post(t, creation(pod(wanted)))
	expected, err := json.Marshal(in.Decide([]byte(pod(wanted)), "airflow").Operations)
	must(t, err)
	if *r.PatchType != admissionv1.PatchTypeJSONPatch || string(r.Patch) != string(expected) {
		t.Errorf("patch is %s, expected %s", r.Patch, expected)
	}
}

func TestOnlyPostIsAReview(t *testing.T) {
	s := startServer(t, Options{})
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+"/mutate", nil)
		must(t, err)
		response, err := s.client.Do(request)
		must(t, err)
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "POST" {
			t.Errorf("%s: HTTP %d, Allow %q", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
}

// unserved is an admission without a server, its log and its metrics.
func unserved(t testing.TB, decide func([]byte, string) injector.Decision) (*admission, *logBuffer, *prometheus.Registry) {
	t.Helper()
	text, registry := &logBuffer{}, prometheus.NewPedanticRegistry()
	m, err := newMetrics(registry)
	must(t, err)
	return newAdmission(decide, m, slog.New(slog.NewJSONHandler(text, nil))), text, registry
}

func handle(t *testing.T, a *admission, body string) *admissionv1.AdmissionResponse {
	t.Helper()
	w := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	a.ServeHTTP(w, request)
	return readAnswer(t, w.Result())
}

func TestPanicIsOurOwnTrouble(t *testing.T) {
	var nobody map[string]int
	cases := map[string]struct {
		panics func(pod []byte)
		logged string
	}{
		"with the pod in it": {func(pod []byte) { panic(string(pod)) }, "a string"},
		"by the runtime":     {func([]byte) { nobody["x"] = 1 }, "assignment to entry in nil map"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a, text, _ := unserved(t, func(pod []byte, _ string) injector.Decision { c.panics(pod); return injector.Decision{} })
			r := handle(t, a, creation(pod(`"x":"canary"`)))
			if r.Result.Code != 500 || r.Result.Reason != "InternalError" || r.UID != "uid-1" {
				t.Errorf("answered %+v", r)
			}
			if line := text.await(t, "panic while reviewing"); line["cause"] != c.logged || !strings.Contains(line["stack"].(string), "TestPanicIsOurOwnTrouble") {
				t.Errorf("logged %v", line)
			}
			if strings.Contains(text.String()+r.Result.Message, "canary") {
				t.Errorf("the pod got out: %s", text)
			}
		})
	}
}

func TestDecisionThatCannotBeEncodedIsOurOwnTrouble(t *testing.T) {
	a, text, _ := unserved(t, func([]byte, string) injector.Decision {
		return injector.Decision{Code: contract.Injected, Operations: []jsonpatch.Operation{{Operation: "add", Path: "/x", Value: make(chan int)}}}
	})
	if r := handle(t, a, creation(pod(wanted))); r.Result.Code != 500 || r.AuditAnnotations["reason"] != "internal-error" {
		t.Errorf("answered %+v", r)
	}
	if line := text.await(t, "review"); line["level"] != "ERROR" || line["code"] != "internal-error" {
		t.Errorf("logged %v", line)
	}
}

func TestMessagesAndWarningsAreCutToWhatArrives(t *testing.T) {
	long := strings.Repeat("ä", maxWarning+1)
	cases := []struct{ warnings, expected []string }{
		{nil, nil},
		{[]string{"two\nlines, \"quoted\""}, []string{"two lines, 'quoted'"}},
		{[]string{long[2:], long}, []string{long[2:], long[:2*(maxWarning-3)] + "..."}},
		{strings.Split("1 2 3 4 5 6 7 8 9 10", " "), strings.Split("1 2 3 4 5 6 7 8 9 10", " ")},
		{strings.Split("1 2 3 4 5 6 7 8 9 10 11", " "), append(strings.Split("1 2 3 4 5 6 7 8 9", " "), "2 more warnings are in the log of the pod's container airflow-secrets")},
	}
	for _, c := range cases {
		a, _, _ := unserved(t, func([]byte, string) injector.Decision {
			return injector.Decision{Code: contract.Injected, Warnings: c.warnings}
		})
		if r := handle(t, a, creation(pod(wanted))); !reflect.DeepEqual(r.Warnings, c.expected) {
			t.Errorf("warnings %q became %q", c.warnings, r.Warnings)
		}
	}
	a, _, _ := unserved(t, func([]byte, string) injector.Decision {
		return injector.Decision{Code: contract.InvalidPod, Message: "a \"b\"\r\n\tc\u2028d"}
	})
	if r := handle(t, a, creation(pod(wanted))); r.Result.Message != "a 'b'   c d" {
		t.Errorf("message is %q", r.Result.Message)
	}
}

// A review that is larger than ordinary needs a place, so that their memory is bounded. Ordinary ones do not.
func TestLargeReviewsAreFewAtATime(t *testing.T) {
	a, _, _ := unserved(t, (&injector.Injector{FetcherImage: "fetcher:test"}).Decide)
	large := creation(pod(wanted + `,"x":"` + strings.Repeat("x", ordinaryReview) + `"`))
	for range maxLargeBodies {
		a.largeBodies <- struct{}{}
	}
	if r := handle(t, a, large); r.Result.Code != 500 || !strings.Contains(r.Result.Message, "try again") || r.UID != "uid-1" {
		t.Errorf("without a place: %+v", r)
	}
	if r := handle(t, a, creation(pod(wanted))); r.Result.Code != 200 {
		t.Errorf("an ordinary one: %+v", r)
	}
	<-a.largeBodies
	for range 2 { // the first gives its place back
		if r := handle(t, a, large); r.Result.Code != 200 {
			t.Errorf("with a place: %+v", r)
		}
	}
}

// However much is sent, only so much of it is read.
func TestReadsNoMoreThanTheLimit(t *testing.T) {
	a, _, _ := unserved(t, nil)
	endless := &endless{}
	request := httptest.NewRequest(http.MethodPost, "/mutate", endless)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, request)
	if r := readAnswer(t, w.Result()); r.Result.Code != 413 || endless.read != maxReview+1 {
		t.Errorf("read %d bytes and answered %+v", endless.read, r)
	}
}

type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

// What Airflow puts into pods is secret in places: Airflow 3's token stands in the args. None of it may leave by any
// way but the patch.
func TestObjectIsNotToldOn(t *testing.T) {
	const canary = "c4n4ry"
	secret := func(annotations string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"af-worker-","annotations":{"note":"%[1]s",%[2]s},"labels":{"l":"%[1]s"}},
			"spec":{"containers":[{"name":"base","image":"airflow:%[1]s","args":["--json-string","%[1]s"],"command":["%[1]s"],"env":[{"name":"AIRFLOW__CORE__FERNET_KEY","value":"%[1]s"}]}]}}`, canary, annotations)
	}
	bodies := map[string]string{
		"injected":      creation(secret(wanted)),
		"denied":        creation(secret(wanted + `,"airflow-secrets/regoin":"x"`)),
		"not annotated": creation(secret(`"y":"z"`)),
		"broken pod":    creation(strings.Replace(secret(wanted), `"spec":{`, `"spec":{"initContainers":"`+canary+`",`, 1)),
		"broken JSON":   creation(secret(wanted) + canary),
		"too large":     creation(strings.Replace(secret(wanted), canary, strings.Repeat(canary, maxReview/len(canary)), 1)),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			a, text, registry := unserved(t, (&injector.Injector{FetcherImage: "fetcher:test"}).Decide)
			r := handle(t, a, body)
			r.Patch = nil
			families, err := registry.Gather()
			must(t, err)
			for way, told := range map[string]string{"answer": fmt.Sprint(r, r.Result), "log": text.String(), "metrics": fmt.Sprint(families)} {
				if strings.Contains(told, canary) {
					t.Errorf("%s: %s", way, told)
				}
			}
			if len(text.lines(t, "review")) != 1 {
				t.Errorf("log: %s", text)
			}
		})
	}
}

func TestLogLine(t *testing.T) {
	cases := []struct {
		name, body string
		expected   map[string]any
	}{
		{"injected", creation(pod(wanted)), map[string]any{
			"level": "INFO", "uid": "uid-1", "namespace": "airflow", "generateName": "af-worker-", "operation": "CREATE",
			"code": "injected", "status": 200.0, "warnings": 0.0}},
		{"denied", creation(pod(wanted+`,"airflow-secrets/regoin":"x"`), `"namespace"`, `"name":"worker-0","namespace"`), map[string]any{
			"level": "WARN", "uid": "uid-1", "namespace": "airflow", "name": "worker-0", "operation": "CREATE",
			"code": "invalid-annotations", "status": 422.0, "patchOperations": 0.0, "warnings": 0.0}},
		{"too long", creation(pod(wanted), "uid-1", strings.Repeat("u", maxLogged+1)), map[string]any{
			"uid": strings.Repeat("u", maxLogged-3) + "..."}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, text, _ := unserved(t, (&injector.Injector{FetcherImage: "fetcher:test"}).Decide)
			r := handle(t, a, c.body)
			line := text.await(t, "review")
			for field, value := range c.expected {
				if line[field] != value {
					t.Errorf("%s is %v, expected %v", field, line[field], value)
				}
			}
			if message, _ := line["message"].(string); message != r.Result.Message {
				t.Errorf("logged %q and answered %q", message, r.Result.Message)
			}
			var operations []any
			if r.Patch != nil {
				must(t, json.Unmarshal(r.Patch, &operations))
			}
			if line["patchOperations"] != float64(len(operations)) {
				t.Errorf("patchOperations is %v, expected %d", line["patchOperations"], len(operations))
			}
			if took, ok := line["milliseconds"].(float64); !ok || took < 0 {
				t.Errorf("milliseconds is %v", line["milliseconds"])
			}
		})
	}
}

// An API server that has hung up shows in the log, since nobody else tells of it.
func TestAnswerThatNobodyReadsIsLogged(t *testing.T) {
	a, text, _ := unserved(t, (&injector.Injector{FetcherImage: "fetcher:test"}).Decide)
	request := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(creation(pod(""))))
	request.Header.Set("Content-Type", "application/json")
	a.ServeHTTP(hungUp{httptest.NewRecorder()}, request)
	if line := text.await(t, "review"); line["level"] != "WARN" || line["writing"] != io.ErrClosedPipe.Error() {
		t.Errorf("logged %v", line)
	}
}

type hungUp struct{ http.ResponseWriter }

func (hungUp) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFindString(t *testing.T) {
	cases := map[string]string{
		`{"request":{"uid":"a"}}`: "a",
		`{"x":[{"request":{"uid":"no"}},[1]],"request":{"y":{},"uid":"a"`: "a",
		`{"request":{"uid":4}}`:         "",
		`{"request":[{"uid":"a"}]}`:     "",
		`{"request":{"z":{"uid":"a"}}}`: "",
		`{"uid":"a"}`:                   "",
		`["request",{"uid":"a"}]`:       "",
		`{"request":{"uid":`:            "",
		``:                              "",
		`{"x":"` + strings.Repeat("x", glance) + `","request":{"uid":"a"}}`: "",
	}
	for document, expected := range cases {
		if found := findString([]byte(document), "request", "uid"); found != expected {
			t.Errorf("%.80s: found %q, expected %q", document, found, expected)
		}
	}
}
