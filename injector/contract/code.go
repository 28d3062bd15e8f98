package contract

import "strings"

// Code is the outcome of an admission, of a fetch, or of one secret. It is a metric label, a log field, a status and
// the key to a sentence, so it is stable: scripts and alerts match on it.
type Code string

// Outcomes of an admission that leave the pod running.
const (
	Injected           Code = "injected"
	NotAnnotated       Code = "not-annotated"
	Declined           Code = "declined"
	AlreadyInjected    Code = "already-injected"
	SideContainersOnly Code = "side-containers-only"
	NotAPodCreation    Code = "not-a-pod-creation"
)

// Outcomes of an admission that refuse the pod, or the review itself.
const (
	InvalidAnnotations Code = "invalid-annotations"
	InvalidPod         Code = "invalid-pod"
	ForeignBackend     Code = "foreign-backend" // the fetcher's too, for what only its environment shows
	NoAirflowContainer Code = "no-airflow-container"
	NameInUse          Code = "name-in-use"
	InvalidReview      Code = "invalid-review"
	ReviewTooLarge     Code = "review-too-large"
	Internal           Code = "internal-error" // the fetcher's too
)

// Outcomes of a fetch.
const (
	Fetched       Code = "fetched"
	InvalidConfig Code = "invalid-config"
	ConfigTooNew  Code = "config-too-new"
	InvalidEnv    Code = "invalid-environment"
	NoRegion      Code = "no-region"
	NoCredentials Code = "no-credentials"
	AccessDenied  Code = "access-denied"
	Throttled     Code = "throttled"
	TimedOut      Code = "timed-out"
	Unavailable   Code = "aws-unavailable"
	AWSRefused    Code = "aws-refused"
	NothingFound  Code = "nothing-found"
	TooLarge      Code = "too-large"
	WriteFailed   Code = "write-failed"
	Stopped       Code = "stopped"
)

// Outcomes of one secret that was found and left out.
const (
	SecretMalformed     Code = "malformed"
	SecretEmpty         Code = "empty"
	SecretBinary        Code = "binary"
	SecretDenied        Code = "denied"
	SecretUndecryptable Code = "undecryptable"
	SecretBeingDeleted  Code = "being-deleted"
	SecretMissing       Code = "missing"
	SecretNoID          Code = "no-id"
)

// sentences holds the one sentence of each code: what happened, and the next step where the reader has one to take.
// They start lower case and have no full stop, so that they can stand after a name or before a cause.
var sentences = map[Code]string{
	Injected:           "the pod gets its secrets before Airflow starts",
	NotAnnotated:       "the pod does not ask for secrets: it has no annotation airflow-secrets/inject",
	Declined:           "the pod declines: airflow-secrets/inject is false",
	AlreadyInjected:    "the pod is injected already and nothing about it has changed",
	SideContainersOnly: "the pod has side containers only and none that runs Airflow, so it is left alone",
	NotAPodCreation:    "the request does not create a pod, so it is left alone",

	InvalidAnnotations: "the airflow-secrets annotations of the pod cannot be followed",
	InvalidPod:         "the pod cannot be read",
	ForeignBackend:     "the pod names a secrets backend of its own, and Airflow can have only one",
	NoAirflowContainer: "no container of the pod can be told to run Airflow",
	NameInUse:          "the pod uses a name that airflow-secrets needs",
	InvalidReview:      "the request is not an AdmissionReview of admission.k8s.io/v1",
	ReviewTooLarge:     "the review is larger than the API server ever sends",
	Internal:           "airflow-secrets itself failed, which is no fault of the pod",

	Fetched:       "the secrets were written",
	InvalidConfig: "the configuration of the fetcher cannot be read: recreate the pod, so that the webhook writes it anew",
	ConfigTooNew:  "the webhook is newer than the image of the fetcher: update the image (--fetcher-image of the webhook, or the annotation airflow-secrets/image)",
	InvalidEnv:    "the AWS settings in the container's environment cannot be used",
	NoRegion:      "no AWS region is known: set the annotation airflow-secrets/region, or AWS_REGION in the container",
	NoCredentials: "no AWS identity was found: give the service account of the pod a role (IRSA or EKS Pod Identity), or the container AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
	AccessDenied:  "AWS denied access",
	Throttled:     "AWS throttled the calls until the time was up: raise airflow-secrets/timeout, or ask AWS for a higher quota",
	TimedOut:      "AWS did not answer in time: check the network path, a service mesh, and airflow-secrets/endpoint-url",
	Unavailable:   "AWS could not be reached: check the network path, a service mesh, DNS, and airflow-secrets/endpoint-url",
	AWSRefused:    "AWS refused a call",
	NothingFound:  "no secret was found under any prefix: check the prefixes, the region and the account",
	TooLarge:      "the secrets are more than the limit: narrow the prefixes",
	WriteFailed:   "the files could not be written",
	Stopped:       "the fetcher was stopped before it was done",

	SecretMalformed:     "the value is none that Airflow can use",
	SecretEmpty:         "the value is empty",
	SecretBinary:        "the secret is binary, and Airflow reads only text",
	SecretDenied:        "AWS denied access to this secret: allow secretsmanager:GetSecretValue on it",
	SecretUndecryptable: "the secret cannot be decrypted: allow kms:Decrypt on its key, and check that the key is enabled",
	SecretBeingDeleted:  "the secret is scheduled for deletion: restore it, or wait until it is gone",
	SecretMissing:       "the secret is gone, or has no current version",
	SecretNoID:          "the name ends with the separator, so there is no Airflow id in it",
}

// Sentence says in one sentence what the code means.
func (c Code) Sentence() string { return sentences[c] }

// Error is an outcome that ends a run, an admission or a read: a code and what is particular about this case.
type Error struct {
	Code Code
	// Detail names the thing, what was found and what was expected; it never holds a secret's value.
	Detail string
	// Err is the cause, if there is one.
	Err error
}

// Error is the code's sentence, then the detail, then the cause.
func (e *Error) Error() string {
	parts := []string{e.Code.Sentence()}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
