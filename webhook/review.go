package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Limits on what one review, and all of them together, may take.
const (
	// maxReview is twice the 3 MiB that an API server takes as a request's body (which is twice the 1.5 MiB that etcd
	// takes as an object), since defaults and other webhooks add to a pod before it comes here, and 1 MiB for the rest of
	// the review. A review of a creation holds one object, so none that an API server sends is larger.
	maxReview = 7 << 20
	// ordinaryReview is several times the review of a large Airflow pod. Holding one, or its answer, costs about what its
	// TLS connection costs, so their number needs no limit of its own.
	ordinaryReview = 64 << 10
	// maxLargeBodies is how many larger ones may be in memory at once.
	maxLargeBodies = 4
	// maxDeciding is how many may be decoded and decided at once, of any size: a pod as objects takes many times its bytes.
	// A review takes about a millisecond of a processor, so more would gain little.
	maxDeciding = 4
	// glance is how far into a document a single field is looked for.
	glance = 64 << 10
)

// reserve takes a place for a review or an answer that may be larger than an ordinary one (-1: nobody knows), without
// waiting: a scheduler waits for the answer. It returns the function that gives the place back, or nil where none is needed
// or free.
func (a *admission) reserve(size int64) func() {
	if size >= 0 && size <= ordinaryReview {
		return nil
	}
	select {
	case a.largeBodies <- struct{}{}:
		return func() { <-a.largeBodies }
	default:
		return nil
	}
}

// limitOf says how much of a review is read. Without a place for a large one it may still turn out not to be large.
func limitOf(release func()) int {
	if release != nil {
		return maxReview
	}
	return ordinaryReview
}

// crowded is the refusal of what others leave no room for now.
func crowded(done string) error {
	return &contract.Error{Code: contract.Internal, Detail: "too many reviews are being " + done + " already, try again"}
}

// readBody reads the whole of a review. With an error it returns as much as it has read.
func readBody(r *http.Request, limit int) ([]byte, error) {
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), ordinaryReview)) + bytes.MinRead)
	_, err := body.ReadFrom(io.LimitReader(r.Body, int64(limit)+1))
	switch {
	case err != nil:
		return body.Bytes(), notAReview("the body ended early or came too slowly")
	case body.Len() > maxReview:
		return body.Bytes(), &contract.Error{Code: contract.ReviewTooLarge, Detail: fmt.Sprintf("the limit is %d bytes", maxReview)}
	case body.Len() > limit:
		return body.Bytes(), &contract.Error{Code: contract.Internal,
			Detail: fmt.Sprintf("%d reviews of more than %d bytes are being answered already, try again", maxLargeBodies, limit)}
	case body.Len() == 0:
		return nil, notAReview("the body is empty")
	case !isJSON(r.Header.Get("Content-Type")):
		return body.Bytes(), notAReview("the content type is not application/json")
	}
	return body.Bytes(), nil
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}

// request is what is read of an admissionv1.AdmissionRequest. The rest, such as the groups of the user, may be as long as the
// whole review and take many times its bytes.
type request struct {
	UID         types.UID                   `json:"uid"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Operation   admissionv1.Operation       `json:"operation"`
	Object      runtime.RawExtension        `json:"object"`
}

// decodeReview reads a review's request, with an error as much of it as there is. The object in it stays as it came.
func decodeReview(body []byte, r *request) error {
	var review struct {
		metav1.TypeMeta
		Request *request `json:"request"`
	}
	err := json.Unmarshal(body, &review)
	if review.Request != nil {
		*r = *review.Request
	}
	switch {
	case err != nil:
		return notAReview(describe(err))
	case review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview":
		return notAReview(fmt.Sprintf("it is of apiVersion %s and kind %s", clip(review.APIVersion, maxLogged), clip(review.Kind, maxLogged)))
	case review.Request == nil:
		return notAReview("it has no request")
	case r.Operation == "":
		return notAReview("its request names no operation")
	case r.createsPod() && len(r.Object.Raw) == 0:
		return notAReview("its request creates a pod and has no object")
	}
	return nil
}

// describe says where a document went wrong, without quoting it.
func describe(err error) string {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON after byte %d", syntax.Offset)
	case errors.As(err, &mismatch) && mismatch.Field == "":
		return "the body is JSON of type " + mismatch.Value
	case errors.As(err, &mismatch):
		return fmt.Sprintf("its field %s is JSON of type %s", mismatch.Field, mismatch.Value)
	default:
		return "the body cannot be decoded"
	}
}

func (r *request) createsPod() bool {
	return r.Operation == admissionv1.Create && r.Resource.Group == "" && r.Resource.Resource == "pods" && r.SubResource == ""
}

func notAReview(detail string) error {
	return &contract.Error{Code: contract.InvalidReview, Detail: detail}
}

// refusal is the decision about a review that cannot be followed.
func refusal(err error) injector.Decision {
	code := contract.Internal
	var known *contract.Error
	if errors.As(err, &known) {
		code = known.Code
	}
	return injector.Decision{Code: code, Message: err.Error()}
}

// findUID looks for the review's id in a body that could not be decoded, as far as it is JSON: the API server takes no
// answer, not even a refusal, that does not repeat it.
func findUID(body []byte) types.UID { return types.UID(findString(body, "request", "uid")) }

// generateName is what a pod without a name will be named after.
func generateName(pod []byte) string { return findString(pod, "metadata", "generateName") }

// findString gives the string field of an object in the document, or "" where there is none within the first glance
// bytes. It stops as soon as it has found it.
func findString(document []byte, object, field string) string {
	tokens := json.NewDecoder(bytes.NewReader(document[:min(len(document), glance)]))
	if !enter(tokens) || !seek(tokens, object) || !enter(tokens) || !seek(tokens, field) {
		return ""
	}
	token, _ := tokens.Token()
	text, _ := token.(string)
	return text
}

// enter steps into the object that comes next.
func enter(tokens *json.Decoder) bool {
	token, err := tokens.Token()
	return err == nil && token == json.Delim('{')
}

// seek steps over the fields of an object, until it has read the name given.
func seek(tokens *json.Decoder, name string) bool {
	for {
		token, err := tokens.Token()
		if err != nil || token == json.Delim('}') {
			return false
		}
		if token == name {
			return true
		}
		if !skip(tokens) {
			return false
		}
	}
}

// skip steps over one value.
func skip(tokens *json.Decoder) bool {
	for depth := 0; ; {
		token, err := tokens.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return true
		}
	}
}
