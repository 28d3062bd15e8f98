package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// What an API server shows of warnings: it may cut one of more than 256 characters and advises 120, and it drops what
// comes after 4 KiB in all. All of them reach the fetcher, which repeats them.
const (
	maxWarning  = 120
	maxWarnings = 10
)

// maxPatch bounds a patch. What an API server can store of the pod that comes of it is less.
const maxPatch = 3 << 20

// encodeAnswer writes the answer to a review, and notes the status in it. A decision that cannot be written becomes a
// refusal.
func encodeAnswer(v *reviewed) []byte {
	response, err := respond(v)
	if err != nil {
		v.decision = refusal(err)
		response, _ = respond(v) // without operations nothing can fail
	}
	v.status = response.Result.Code
	text, _ := json.Marshal(admissionv1.AdmissionReview{ // nor can this: strings, numbers and bytes
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: response,
	})
	return text
}

func respond(v *reviewed) (*admissionv1.AdmissionResponse, error) {
	d := v.decision
	code, reason := statusOf(d)
	response := &admissionv1.AdmissionResponse{
		UID:              v.request.UID,
		Allowed:          code == http.StatusOK,
		Result:           &metav1.Status{Code: code},
		AuditAnnotations: map[string]string{"reason": string(d.Code)},
		Warnings:         warnings(d.Warnings),
	}
	if !response.Allowed {
		response.Result.Status = metav1.StatusFailure
		response.Result.Reason = reason
		response.Result.Message = oneLine(d.Message)
		return response, nil
	}
	if len(d.Operations) == 0 {
		return response, nil
	}
	patch, err := json.Marshal(d.Operations)
	if err != nil {
		return nil, &contract.Error{Code: contract.Internal, Detail: "the patch cannot be encoded"}
	}
	if len(patch) > maxPatch {
		return nil, &contract.Error{Code: contract.InvalidPod, Detail: fmt.Sprintf("what it would be given takes %d bytes, the limit is %d", len(patch), maxPatch)}
	}
	jsonPatch := admissionv1.PatchTypeJSONPatch
	response.Patch, response.PatchType = patch, &jsonPatch
	return response, nil
}

// statusOf is the code in the answer for a decision, and Kubernetes' word for it. What is the user's to mend is 422,
// which Airflow's executor never tries again; what is not is 500, which it may.
func statusOf(d injector.Decision) (int32, metav1.StatusReason) {
	switch {
	case d.Allowed():
		return http.StatusOK, ""
	case d.Code == contract.InvalidReview:
		return http.StatusBadRequest, metav1.StatusReasonBadRequest
	case d.Code == contract.ReviewTooLarge:
		return http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge
	case d.Code == contract.Internal:
		return http.StatusInternalServerError, metav1.StatusReasonInternalError
	default:
		return http.StatusUnprocessableEntity, metav1.StatusReasonInvalid
	}
}

// warnings cuts them to what an API server passes on.
func warnings(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	shown := make([]string, 0, min(len(all), maxWarnings))
	for i, w := range all {
		if i == maxWarnings-1 && len(all) > maxWarnings {
			shown = append(shown, fmt.Sprintf("%d more warnings are in the log of the pod's container %s", len(all)-i, contract.ContainerName))
			break
		}
		shown = append(shown, clip(oneLine(w), maxWarning))
	}
	return shown
}

// oneLine takes out of a text what events, audit logs and JSON in JSON would garble: line breaks and other control
// characters become spaces, double quotes single ones.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case r == '"':
			return '\''
		}
		return r
	}, text)
}

// clip cuts a text to so many characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-3]) + "..."
	}
	return text
}
