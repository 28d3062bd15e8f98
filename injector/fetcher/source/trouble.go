package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// operation is a call in words: what it is for, and what the identity must be allowed so that it succeeds.
type operation struct {
	doing    string // gerund and object: "listing ..."
	action   string // IAM's name, such as secretsmanager:ListSecrets; empty where no policy of the identity decides
	resource string // what a policy's statement must name; several are joined by ","
	policy   string // whose policy must allow it; empty: the identity's
	remedy   string // what else there is to do; it follows the statement, or stands alone where there is no action
}

// listing cannot be narrowed by a policy: AWS refuses statements for ListSecrets that name anything but *.
func (s *session) listing(prefix string) operation {
	doing := "listing the secrets under " + prefix + " in " + s.place(s.region)
	if prefix == "" {
		doing = "listing all secrets in " + s.place(s.region)
	}
	setting := "airflow-secrets/"
	if s.isShared() {
		setting += "shared-"
	}
	var keys []string
	for _, rule := range s.rules {
		if rule.discovers {
			keys = append(keys, setting+string(rule.kind))
		}
	}
	return operation{
		doing: doing, action: "secretsmanager:ListSecrets", resource: "*", policy: s.policy(),
		remedy: fmt.Sprintf(", or name the ids to read in %s: for them secretsmanager:GetSecretValue alone is enough", strings.Join(keys, " and ")),
	}
}

// batching cannot be narrowed either; each secret in a batch needs secretsmanager:GetSecretValue besides.
func (s *session) batching() operation {
	return operation{doing: "reading secrets in batches in " + s.place(s.region), action: "secretsmanager:BatchGetSecretValue", resource: "*", policy: s.policy()}
}

func (s *session) getting(e entry) operation {
	return operation{doing: "reading the secret " + s.whereIs(e), action: "secretsmanager:GetSecretValue", resource: s.arnOf(e, ""), policy: s.policy()}
}

// policy is whose decides on the secrets, for people: that of the role which the identity assumes, if there is one.
func (s *session) policy() string {
	if s.account.Role == nil {
		return ""
	}
	return "the policy of the role " + s.account.Role.ARN
}

// statement is what to add to an IAM policy.
func (o operation) statement() string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":"%s","Resource":["%s"]}`, o.action, o.resource)
}

// toAllow says what to add, and where.
func (o operation) toAllow() string {
	return "add to " + cmp.Or(o.policy, "the identity's policy") + " " + o.statement() + o.remedy
}

// refused is a failure that no waiting heals.
func (o operation) refused(err error) *contract.Error {
	var known *contract.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case isDenied(err) && o.action != "":
		return &contract.Error{Code: contract.AccessDenied, Detail: o.doing + ": " + o.toAllow(), Err: brief(err)}
	case isDenied(err):
		return &contract.Error{Code: contract.AccessDenied, Detail: o.doing + ": " + o.remedy, Err: brief(err)}
	case errors.As(err, &tooLarge):
		return &contract.Error{Code: contract.TooLarge, Detail: fmt.Sprintf("%s: the answer has more than %d bytes", o.doing, maxAnswer)}
	case isUntrusted(err):
		return &contract.Error{Code: contract.Unavailable, Detail: o.doing + ": AWS_CA_BUNDLE can name a file with the roots to trust", Err: brief(err)}
	}
	detail := o.doing
	if isUndecoded(err) {
		detail += ": something else answers in AWS's place: check the proxy and airflow-secrets/endpoint-url"
	}
	if hint, ok := hints[errorCode(err)]; ok {
		detail += ": " + hint
	}
	return &contract.Error{Code: contract.AWSRefused, Detail: detail, Err: brief(err)}
}

// gaveUp is a failure that might have healed, had there been more time.
func (o operation) gaveUp(attempts int, after time.Duration, err error) *contract.Error {
	detail := fmt.Sprintf("%s: tried %d times in %v", o.doing, attempts, after.Round(time.Millisecond))
	return &contract.Error{Code: healingCode(err), Detail: detail, Err: brief(err)}
}

// aboutSecret is the outcome that an error's code stands for, where it is about one secret; else nil.
func aboutSecret(code, message string) *contract.Error {
	switch code {
	case "ResourceNotFoundException":
		return &contract.Error{Code: contract.SecretMissing}
	case "DecryptionFailure", "DecryptionFailureException":
		return &contract.Error{Code: contract.SecretUndecryptable}
	case "AccessDeniedException", "AccessDenied":
		return &contract.Error{Code: contract.SecretDenied}
	case "InvalidRequestException":
		if message == "" || strings.Contains(message, "delet") {
			return &contract.Error{Code: contract.SecretBeingDeleted}
		}
		if strings.Contains(message, "default KMS") {
			return &contract.Error{Code: contract.SecretUndecryptable, Detail: "its key is the default one, aws/secretsmanager, " +
				"which lets no other account in: encrypt it with a customer-managed key whose policy does"}
		}
		return &contract.Error{Code: contract.AWSRefused, Detail: code}
	case "InvalidParameterException", "ValidationException": // such as a name that no secret can have
		return &contract.Error{Code: contract.AWSRefused, Detail: code}
	}
	return nil
}

// isDenied says whether a policy refused the call.
func isDenied(err error) bool {
	code := errorCode(err)
	return code == "AccessDeniedException" || code == "AccessDenied"
}

// isUntrusted says whether the other side's certificate is the trouble.
func isUntrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// hints say what to do about AWS's less telling error codes.
var hints = map[string]string{
	"UnrecognizedClientException": "AWS does not know the access key: check it, and that the region is enabled for the account",
	"InvalidClientTokenId":        "AWS does not know the access key: check it, and that the region is enabled for the account",
	"InvalidSignatureException":   "the secret access key does not fit the access key, or the node's clock is wrong",
	"SignatureDoesNotMatch":       "the secret access key does not fit the access key, or the node's clock is wrong",
	"ExpiredTokenException":       "the session token has expired: renew the credentials",
	"ExpiredToken":                "the session token has expired: renew the credentials",
	"InvalidAction":               "what answers is not Secrets Manager: check airflow-secrets/endpoint-url",
	"UnknownOperationException":   "what answers is not Secrets Manager: check airflow-secrets/endpoint-url",
}

// cause is an error of the SDK in few words.
type cause struct {
	text string
	err  error
}

func (c cause) Error() string { return c.text }
func (c cause) Unwrap() error { return c.err }

// notAWS is an answer that cannot be decoded. It stands in for the SDK's error, which quotes from the answer, secrets and
// all.
type notAWS struct{ status int }

func (e notAWS) Error() string {
	return fmt.Sprintf("the answer, with HTTP status %d, is not one of AWS's", e.status)
}
func (e notAWS) HTTPStatusCode() int { return e.status }

// brief says an error of the SDK in few words: the SDK's own text tells the same thing three times over.
func brief(err error) error {
	if isUndecoded(err) {
		return notAWS{httpStatus(err)}
	}
	return cause{briefly(err), err}
}

// isUndecoded says whether something answered that does not speak as AWS does, and answered whole.
func isUndecoded(err error) bool {
	var undecoded *smithy.DeserializationError
	var network net.Error
	cutOff := errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	return errorCode(err) == "UnknownError" || errors.As(err, &undecoded) && !cutOff
}

// brokenHTTP is in net/http's errors about an answer whose head it cannot read. They have no type of their own, and quote
// from it.
const brokenHTTP = "transport connection broken"

func briefly(err error) string {
	var (
		lookup  *net.DNSError
		network *net.OpError
		sending *url.Error
		file    *fs.PathError
		api     smithy.APIError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	case errors.As(err, &lookup):
		return lookup.Error()
	case errors.As(err, &network):
		return network.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was whole"
	case errors.As(err, &sending) && strings.Contains(sending.Error(), brokenHTTP):
		return "what answers does not speak HTTP"
	case errors.As(err, &sending):
		return sending.Error()
	case errors.As(err, &file):
		return file.Error()
	case errors.As(err, &api):
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
