package fakeaws

import (
	"fmt"
	"slices"
	"strings"
)

// This file is the one place that says who may do what: which action on which resource an operation needs, and which
// policies are asked for it. What the policies say is evaluate.go's. On top of them come three plain things that need no
// policy: operations that an account denies to its identities, secrets that are denied to everybody, and the other
// accounts that may read a secret.

// Deny takes operations, such as BatchGetSecretValue, from all identities of the account, as policies do that do not
// allow them. Without GetSecretValue, a batch has each of its secrets among its Errors.
func (a *Account) Deny(operations ...string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, operation := range operations {
		must(operation, checkOperation(operation))
		a.denied[operation] = true
	}
}

// Allow gives back what Deny has taken. It is no policy, and allows nothing that those of an identity do not.
func (a *Account) Allow(operations ...string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, operation := range operations {
		delete(a.denied, operation)
	}
}

// onEverything are the operations that are about no single secret. They are asked for on "*", so a statement that names
// secrets does not allow them (managed policy AWSSecretsManagerClientReadOnlyAccess; seen in
// external-secrets/external-secrets#4274).
var onEverything = []string{"ListSecrets", "BatchGetSecretValue"}

// mayCall says whether the caller may call the operation at all. A batch with filters is a list, too (API reference,
// BatchGetSecretValue). Who assumes a role by a token is nobody yet, and is judged by the token. GetCallerIdentity needs
// no permission, and no policy can forbid it (STS API reference, GetCallerIdentity).
func (c *call) mayCall() error {
	if c.caller == nil {
		return nil
	}
	needed := []string{c.operation}
	if c.operation == "BatchGetSecretValue" && len(c.in.Filters) > 0 {
		needed = append(needed, "ListSecrets")
	}
	for _, operation := range needed {
		q := c.question(c.protocol.service()+":"+operation, "*")
		switch {
		case c.caller.account.denied[operation]:
			return c.denied(q.action, "", notAllowed(identityBased, q.action))
		case !slices.Contains(onEverything, operation):
			continue
		}
		if because := q.refusal(c.caller.account, silent, false); because != "" {
			return c.denied(q.action, "", because)
		}
	}
	return nil
}

// mayUse says whether the caller may do an operation with the secret that it calls id; a nil one is not there.
func (c *call) mayUse(operation, id string, owner *Account, secret *stored) error {
	q := c.aboutSecret(operation, id, secret)
	because := q.refusal(owner, secret.says(q), false)
	deniedToAll := secret != nil && secret.state == Denied && operation == "GetSecretValue"
	if because == "" && (deniedToAll || c.caller.account.denied[operation]) {
		because = notAllowed(identityBased, q.action)
	}
	if because != "" {
		return c.denied(q.action, id, because)
	}
	return nil
}

// aboutSecret is the question whether the caller may do an operation with the secret that it calls id.
//
// AWS asks for permission before it looks, so there is an answer about a secret that is not there, too. It is asked for by
// the name that the call has, and no six characters follow that, as far as AWS's messages show it: its documents do not
// say. So with a policy for secret:prefix/* the secret is not found, and with one for secret:prefix/id-?????? it is denied.
func (c *call) aboutSecret(operation, id string, secret *stored) question {
	q := c.question("secretsmanager:"+operation, id)
	account, isARN := accountOf(id)
	switch {
	case secret != nil:
		q.resource, account = secret.arn, secret.owner.id
		for _, t := range secret.tags {
			q.context["secretsmanager:resourcetag/"+strings.ToLower(t.Key)] = t.Value
			q.context["aws:resourcetag/"+strings.ToLower(t.Key)] = t.Value
		}
	case !isARN:
		q.resource, account = c.caller.account.vault(c.region).arnPrefix()+id, c.caller.account.id
	}
	q.context["aws:resourceaccount"] = account
	q.context["secretsmanager:secretid"] = id
	return q
}

// says is what the secret itself says to a question: its resource-based policy, and whom else it is readable by.
func (s *stored) says(q question) verdict {
	if s == nil {
		return silent
	}
	out := s.policy.ask(q)
	if s.isReadableBy(q.caller.account) {
		out = max(out, delegated)
	}
	return out
}

func (s *stored) isReadableBy(a *Account) bool { return slices.Contains(s.readableBy, a.id) }

// mayDecrypt says whether the caller may have a value decrypted. Secrets Manager asks KMS for it in the caller's name
// (user guide, "Secret encryption and decryption in AWS Secrets Manager").
func (c *call) mayDecrypt(secret *stored, v *version) error {
	key := secret.kmsKeyARN()
	switch {
	case key == "" && (secret.owner == c.caller.account || secret.isReadableBy(c.caller.account)):
		return nil
	case key == "":
		return invalidRequest("You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.")
	}
	q := c.question("kms:Decrypt", key)
	account := strings.Split(key, ":")[4]
	q.context["aws:resourceaccount"] = account
	q.context["aws:viaawsservice"] = "true"
	q.context["kms:calleraccount"] = c.caller.account.id
	q.context["kms:viaservice"] = viaSecretsManager(c.region)
	q.context["kms:encryptioncontext:secretarn"] = secret.arn
	q.context["kms:encryptioncontext:secretversionid"] = v.id
	own := c.server.keyPolicy(key).ask(q)
	if secret.isReadableBy(c.caller.account) {
		own = max(own, delegated)
	}
	if q.refusal(c.server.accounts[account], own, true) != "" {
		return clientError("AccessDeniedException", "Access to KMS is not allowed")
	}
	return nil
}

// mayAssume says whether the caller may assume the role; a nil one is not there, which nobody is told.
func (c *call) mayAssume(r *role) error {
	q := c.question("sts:AssumeRole", c.form.Get("RoleArn"))
	for key, parameter := range map[string]string{"sts:externalid": "ExternalId", "sts:rolesessionname": "RoleSessionName"} {
		if value := c.form.Get(parameter); value != "" {
			q.context[key] = value
		}
	}
	var owner *Account
	if r != nil {
		owner = r.owner
		q.context["aws:resourceaccount"] = owner.id
	}
	if q.refusal(owner, r.trusts(q), true) != "" {
		return c.denied(q.action, q.resource, "") // STS does not say why
	}
	return nil
}

// trusts is what the role says to a question.
func (r *role) trusts(q question) verdict {
	switch {
	case r == nil:
		return silent
	case r.trust != nil:
		return r.trust.ask(q)
	case r.ExternalID != "" && r.ExternalID != q.context["sts:externalid"]:
		return silent
	case r.owner == q.caller.account || slices.Contains(r.TrustedAccounts, q.caller.account.id):
		return delegated
	}
	return silent
}

// question is the caller's, with the condition keys that every call has.
func (c *call) question(action, resource string) question {
	return question{caller: c.caller, action: action, resource: resource, context: map[string]string{
		"aws:principalaccount": c.caller.account.id,
		"aws:principalarn":     c.caller.identityARN(),
		"aws:requestedregion":  c.region,
		"aws:viaawsservice":    "false",
	}}
}

// refusal weighs the policies of both sides, the caller's and the resource's own, and says in AWS's words why the answer is
// no; it is empty if it is yes. A guarded resource is a key or a role: nobody gets at it unless its own policy has a part
// for him (IAM user guide, "Policy evaluation logic"; "Cross-account policy evaluation logic").
func (q question) refusal(owner *Account, own verdict, guarded bool) string {
	identity := q.caller.identityPolicy().ask(q)
	foreign := owner != q.caller.account
	switch {
	case identity == forbidden:
		return "with an explicit deny in an " + identityBased.name
	case own == forbidden:
		return "with an explicit deny in a " + resourceBased.name
	case own == silent && (foreign || guarded):
		return notAllowed(resourceBased, q.action)
	case identity == granted || own == granted && !foreign:
		return ""
	}
	return notAllowed(identityBased, q.action)
}

func notAllowed(kind policyKind, action string) string {
	return fmt.Sprintf("because no %s allows the %s action", kind.name, action)
}

// denied is the error of an action that is not allowed on a resource, which is named as the call has named it.
func (c *call) denied(action, resource, because string) error {
	err := c.protocol.fault(accessDenied)
	err.Message = fmt.Sprintf("User: %s is not authorized to perform: %s", c.caller.arn, action)
	if resource != "" {
		err.Message += " on resource: " + resource
	}
	if because != "" {
		err.Message += " " + because
	}
	return err
}
