package contract

import (
	"fmt"
	"strings"
)

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
	ForeignBackend     Code = "foreign-backend" // this and the next five are the fetcher's too, for what only it can see
	InvalidKwargs      Code = "invalid-kwargs"
	MultiTeam          Code = "multi-team"
	OptionFromBackend  Code = "option-from-backend"
	OptionOverridden   Code = "option-overridden"
	SharedUnreachable  Code = "shared-account-unreachable"
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

	InvalidConfigFile Code = "invalid-airflow-cfg"
	NoRegion          Code = "no-region"
	NoCredentials     Code = "no-credentials"
	NoKeys            Code = "no-keys"
	AccessDenied      Code = "access-denied"
	Throttled         Code = "throttled"
	TimedOut          Code = "timed-out"
	Unavailable       Code = "aws-unavailable"
	AWSRefused        Code = "aws-refused"
	NothingFound      Code = "nothing-found"
	IDsMissing        Code = "ids-missing"
	IDsUnusable       Code = "ids-unusable"
	IDsAmbiguous      Code = "ids-ambiguous"
	ValuesInvalid     Code = "values-invalid"
	TooLarge          Code = "too-large"
	WriteFailed       Code = "write-failed"
	Stopped           Code = "stopped"
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
	SecretUnfit         Code = "unfit-for-env"
)

// outcomes is every code with its sentence: what happened, and the next step where the reader has one to take. A sentence
// starts lower case and has no full stop, so that it can stand after a name or before a cause; it has neither quotes nor
// semicolons, since it travels inside JSON and between others.
var outcomes = []struct {
	when     string
	code     Code
	sentence string
}{
	{"an admission lets the pod run", Injected, "the pod gets its secrets before Airflow starts"},
	{"an admission lets the pod run", NotAnnotated, "the pod does not ask for secrets: it has no annotation airflow-secrets/inject"},
	{"an admission lets the pod run", Declined, "the pod declines: airflow-secrets/inject is false"},
	{"an admission lets the pod run", AlreadyInjected, "the pod is injected already and nothing about it has changed"},
	{"an admission lets the pod run", SideContainersOnly, "the pod has side containers only and none that runs Airflow, so it is left alone"},
	{"an admission lets the pod run", NotAPodCreation, "the request does not create a pod, so it is left alone"},
	{"an admission refuses the pod", InvalidAnnotations, "the airflow-secrets annotations of the pod cannot be followed"},
	{"an admission refuses the pod", InvalidPod, "the pod cannot be read"},
	{"an admission refuses the pod", ForeignBackend, "the pod names a secrets backend of its own, and Airflow can have only one"},
	{"an admission refuses the pod", InvalidKwargs, "the kwargs of the secrets backend of the pod cannot be taken over"},
	{"an admission refuses the pod", MultiTeam, "the pod runs Airflow with core.multi_team, which is not supported yet"},
	{"an admission refuses the pod", OptionFromBackend, "the pod takes an option of Airflow from its secrets backend in a way that cannot be taken over"},
	{"an admission refuses the pod", OptionOverridden, "an option of Airflow is set in a way that comes before the secret"},
	{"an admission refuses the pod", SharedUnreachable, "nothing lets the pod read the shared account"},
	{"an admission refuses the pod", NoAirflowContainer, "no container of the pod can be told to run Airflow"},
	{"an admission refuses the pod", NameInUse, "the pod uses a name that airflow-secrets needs"},
	{"an admission refuses the pod", InvalidReview, "the request is not an AdmissionReview of admission.k8s.io/v1"},
	{"an admission refuses the pod", ReviewTooLarge, "the review is larger than the webhook reads: make the pod smaller, or ask what other webhooks add to it"},
	{"an admission refuses the pod", Internal, "airflow-secrets itself failed, which is no fault of the pod"},
	{"a fetch ends", Fetched, "the secrets were written"},
	{"a fetch ends", InvalidConfig, "the configuration of the fetcher cannot be read: recreate the pod, so that the webhook writes it anew"},
	{"a fetch ends", ConfigTooNew, "the webhook is newer than the image of the fetcher: update the image (--fetcher-image of the webhook, or the annotation airflow-secrets/image)"},
	{"a fetch ends", InvalidEnv, "the AWS settings in the environment of the container cannot be used"},
	{"a fetch ends", InvalidConfigFile, "airflow.cfg cannot be read as Airflow reads it"},
	{"a fetch ends", NoRegion, "no AWS region is known: set the annotation airflow-secrets/region, or AWS_REGION in the container"},
	{"a fetch ends", NoCredentials, "no AWS identity was found: give the service account of the pod a role (IRSA or EKS Pod Identity), or the container AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	{"a fetch ends", NoKeys, "the Secret that airflow-secrets/credentials-secret names is not in the namespace of the pod, or has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: create it with these keys"},
	{"a fetch ends", AccessDenied, "AWS denied access"},
	{"a fetch ends", Throttled, "AWS throttled the calls until the time was up: raise airflow-secrets/timeout, or ask AWS for a higher quota"},
	{"a fetch ends", TimedOut, "AWS did not answer in time: check the network path, a service mesh, and airflow-secrets/endpoint-url"},
	{"a fetch ends", Unavailable, "AWS could not be reached: check the network path, a service mesh, DNS, and airflow-secrets/endpoint-url"},
	{"a fetch ends", AWSRefused, "AWS refused a call"},
	{"a fetch ends", NothingFound, "no secret was found under any prefix: check the prefixes, the region and the account"},
	{"a fetch ends", IDsMissing, "secrets that are asked for by name are not there: create them, or set airflow-secrets/on-missing to warn"},
	{"a fetch ends", IDsUnusable, "secrets that are asked for by name cannot be delivered"},
	{"a fetch ends", IDsAmbiguous, "secrets have the same environment variable, which has no lower case: rename one of each, or set airflow-secrets/deliver to files"},
	{"a fetch ends", ValuesInvalid, "secrets hold what Airflow cannot use, and airflow-secrets/on-invalid is fail"},
	{"a fetch ends", TooLarge, "the secrets are more than the limit: narrow the prefixes"},
	{"a fetch ends", WriteFailed, "the files could not be written"},
	{"a fetch ends", Stopped, "the fetcher was stopped before it was done"},
	{"a secret is left out", SecretMalformed, "the value is none that Airflow can use"},
	{"a secret is left out", SecretEmpty, "the value is empty: give it one, or delete the secret"},
	{"a secret is left out", SecretBinary, "the secret is binary, and Airflow reads only text: store it as text"},
	{"a secret is left out", SecretDenied, "AWS denied access to this secret: allow secretsmanager:GetSecretValue on it"},
	{"a secret is left out", SecretUndecryptable, "the secret cannot be decrypted: allow kms:Decrypt on its key, and check that the key is enabled"},
	{"a secret is left out", SecretBeingDeleted, "the secret is scheduled for deletion: restore it, or wait until it is gone"},
	{"a secret is left out", SecretMissing, "the secret is gone, or has no current version: give it a version labelled AWSCURRENT"},
	{"a secret is left out", SecretNoID, "the name ends with the separator, so there is no Airflow id in it: rename the secret"},
	{"a secret is left out", SecretUnfit, "no environment variable can hold this secret: set airflow-secrets/deliver to files, or leave it out of the pattern or the ids"},
}

// Codes lists every code.
func Codes() []Code {
	codes := make([]Code, len(outcomes))
	for i, o := range outcomes {
		codes[i] = o.code
	}
	return codes
}

// OutcomesTable is the documentation of every code as Markdown.
func OutcomesTable() string {
	var b strings.Builder
	b.WriteString("| when | code | sentence |\n|---|---|---|\n")
	for _, o := range outcomes {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", o.when, o.code, o.sentence)
	}
	return b.String()
}

// Sentence says in one sentence what the code means.
func (c Code) Sentence() string {
	for _, o := range outcomes {
		if o.code == c {
			return o.sentence
		}
	}
	return ""
}

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
	if details := e.Details(); details != "" {
		return e.Code.Sentence() + ": " + details
	}
	return e.Code.Sentence()
}

// Details are the detail and the cause, without the sentence.
func (e *Error) Details() string {
	var parts []string
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
