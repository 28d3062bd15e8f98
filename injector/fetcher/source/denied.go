package source

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// This file says what a policy has to allow, in the words of a policy, where AWS has denied something.

// denial is a secret that AWS denies, and its outcome.
type denial struct {
	entry
	failure *contract.Error
}

// message is AWS's.
func (d denial) message() string {
	if d.failure.Err == nil {
		return ""
	}
	return d.failure.Err.Error()
}

// refusal is the outcome of one secret that AWS refuses to give, by the error's code and message. It is nil if the error
// is not about the secret.
func (s *session) refusal(e entry, code, message string) *contract.Error {
	failure := aboutSecret(code, message)
	switch {
	case failure == nil:
		return nil
	case failure.Code == contract.SecretDenied && isAboutKey(message):
		failure.Detail = fmt.Sprintf("%s may be read, and its KMS key may not be used: %s, and let the policy of the key allow it",
			e.name+naming("in", s.account), s.decrypting(e, message).toAllow())
	case s.endsAsARN(e) && (failure.Code == contract.SecretDenied || failure.Code == contract.SecretMissing):
		failure.Detail = s.whereIs(e) + " cannot be asked for from another account, since AWS takes the end of its name for that of an ARN: " +
			"rename it, or set airflow-secrets/shared-role-arn to a role of that account"
	case failure.Code == contract.SecretDenied:
		failure.Detail = fmt.Sprintf("%s is denied%s: %s", s.whereIs(e), orAbsent(e), s.reading(e, message).toAllow())
	case e.asked() || s.isShared():
		failure.Detail = strings.TrimSuffix(s.whereIs(e)+": "+failure.Detail, ": ")
	}
	if message != "" && failure.Code != contract.SecretBeingDeleted && failure.Code != contract.SecretUndecryptable {
		failure.Err = errors.New(message)
	}
	return failure
}

// orAbsent is the other reason why AWS denies a secret that is asked for by name: it asks the policies before it looks, and
// a policy for secret:NAME-?????? does not cover what is not there.
func orAbsent(e entry) string {
	if e.asked() {
		return ", or it does not exist"
	}
	return ""
}

// endsAsARN says whether the secret is asked for by an ARN whose end AWS takes for complete, and it is not (user guide,
// "Finding a secret from a partial ARN").
func (s *session) endsAsARN(e entry) bool {
	return s.account.ByARN() && completeARN.MatchString(e.name)
}

// allDenied is the error of an account in which secrets were found or asked for and none of them may be read: that is a
// policy, not a bad secret. It is nil otherwise.
func (r *reader) allDenied() error {
	if len(r.denied) < r.answered || len(r.denied) == 0 {
		return nil
	}
	op, first := r.readingAny(), r.denied[0]
	if !slices.ContainsFunc(r.denied, func(d denial) bool { return !isAboutKey(d.message()) }) {
		op = r.decrypting(first.entry, first.message())
	}
	doing := "reading any of the secrets found" + naming("in", r.account)
	if slices.ContainsFunc(r.denied, func(d denial) bool { return d.asked() }) {
		doing = "reading any of the secrets that are wanted" + naming("from", r.account) + ", unless they do not exist"
	}
	return &contract.Error{
		Code:   contract.AccessDenied,
		Detail: fmt.Sprintf("%s (%d): %s", doing, len(r.denied), op.toAllow()),
		Err:    first.failure.Err,
	}
}

// reading is the permission to read one secret.
func (s *session) reading(e entry, message string) operation {
	return operation{action: "secretsmanager:GetSecretValue", resource: s.arnOf(e, message), policy: s.policy(), remedy: s.otherSide("the secret")}
}

// otherSide is what the owner of a secret in another account has to allow besides; a denial does not always tell which of
// the policies was missing. It is empty where the caller is of the account.
func (s *session) otherSide(secrets string) string {
	if !s.account.ByARN() {
		return ""
	}
	return ", let the resource policy of " + secrets + " allow that identity the same, and let the policy of the KMS key and the identity's allow kms:Decrypt"
}

// decrypting is the permission to use the key of one secret.
func (s *session) decrypting(e entry, message string) operation {
	partition, account := s.owner(message)
	key := cmp.Or(kmsARN.FindString(message), e.key, fmt.Sprintf("arn:%s:kms:%s:%s:key/*", partition, s.regionOf(e), account))
	return operation{action: "kms:Decrypt", resource: key, policy: s.policy()}
}

// manyNames is from how many names on a statement has their prefix instead.
const manyNames = 6

// readingAny is the permission to read whatever is wanted of the account: by prefix what was discovered, and by name what
// was asked for.
func (r *reader) readingAny() operation {
	first := r.denied[0]
	start, _, _ := strings.Cut(r.arnOf(first.entry, first.message()), ":secret:")
	var resources, names []string
	for _, prefix := range r.prefixes() {
		resources = append(resources, start+":secret:"+prefix+"*")
	}
	for _, d := range r.denied {
		if d.asked() {
			names = append(names, r.arnOf(d.entry, d.message()))
		}
	}
	if len(names) >= manyNames {
		names = nil
		for _, rule := range r.rules {
			names = append(names, start+":secret:"+rule.prefix+"*")
		}
	}
	slices.Sort(names)
	resources = slices.Concat(resources, names)
	return operation{action: "secretsmanager:GetSecretValue", resource: strings.Join(slices.Compact(resources), `","`),
		policy: r.policy(), remedy: r.otherSide("each")}
}

// arnOf is what a policy calls the secret. The six characters at the end of a secret's ARN are not known by its name.
func (s *session) arnOf(e entry, message string) string {
	arn := e.id
	if !strings.HasPrefix(arn, "arn:") {
		partition, account := s.owner(message)
		arn = fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s", partition, s.regionOf(e), account, e.id)
	} else if completeARN.MatchString(arn) {
		return arn
	}
	return arn + "-??????"
}

// owner is the partition and the account of the secrets: as configured, and else those of whoever asks, as AWS's message
// names them, or as the region and the credentials tell. An account that is not known is "*", which a policy takes for any.
func (s *session) owner(message string) (partition, account string) {
	if parts := callerARN.FindStringSubmatch(message); parts != nil {
		return parts[1], cmp.Or(s.account.ID, parts[2])
	}
	return partitionOf(s.region), cmp.Or(s.account.ID, s.id, "*")
}

// regionOf is where the secret is.
func (s *session) regionOf(e entry) string { return cmp.Or(e.region, s.region) }

// whereIs names a secret for people.
func (s *session) whereIs(e entry) string { return e.name + " in " + s.place(s.regionOf(e)) }

var (
	completeARN = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
	callerARN   = regexp.MustCompile(`^User: arn:([a-z-]+):(?:iam|sts)::([0-9]{12}):`)
	kmsARN      = regexp.MustCompile(`arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`)
	secretARN   = regexp.MustCompile(`^arn:([a-z-]+):secretsmanager:([a-z0-9-]+):([0-9]{12}):secret:`)
)

// isAboutKey says whether AWS denies the key and not the secret: the code is the same, only the message tells.
func isAboutKey(message string) bool {
	return strings.Contains(message, "KMS") || strings.Contains(message, "kms:")
}

// regionIn is the region in a secret's ARN; empty for a name.
func regionIn(arn string) string {
	if parts := secretARN.FindStringSubmatch(arn); parts != nil {
		return parts[2]
	}
	return ""
}

// accountIn is the account in a secret's ARN; empty for a name.
func accountIn(arn string) string {
	if parts := secretARN.FindStringSubmatch(arn); parts != nil {
		return parts[3]
	}
	return ""
}

// keyARN is that of the KMS key that a listing tells, which may be an ARN, an id or an alias, of the account and region of
// the secret. It is empty for the key that AWS manages, which asks for no permission.
func keyARN(id, secret string) string {
	parts := secretARN.FindStringSubmatch(secret)
	switch {
	case id == "" || strings.HasSuffix(id, "alias/aws/secretsmanager"):
		return ""
	case strings.HasPrefix(id, "arn:") || parts == nil:
		return id
	case !strings.HasPrefix(id, "alias/"):
		id = "key/" + id
	}
	return fmt.Sprintf("arn:%s:kms:%s:%s:%s", parts[1], parts[2], parts[3], id)
}

// partitionOf is the part of AWS that a region is in, as ARNs name it (AWS general reference, "Amazon Resource Names").
func partitionOf(region string) string {
	for _, p := range []struct{ start, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.start) {
			return p.partition
		}
	}
	return "aws"
}
