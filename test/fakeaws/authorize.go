package fakeaws

import (
	"fmt"
	"slices"
)

// This file is the one place that says who may do what. It knows three plain things: the operations that an account
// denies to its identities, the secrets that are denied to everybody, and the other accounts that may read a secret.

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

// Allow gives back what Deny has taken.
func (a *Account) Allow(operations ...string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, operation := range operations {
		delete(a.denied, operation)
	}
}

// mayCall says whether the caller may call the operation at all. A batch with filters is a list, too (API reference,
// BatchGetSecretValue). Who assumes a role by a token is nobody yet, and is judged by the token.
func (c *call) mayCall() error {
	needed := []string{c.operation}
	if c.operation == "BatchGetSecretValue" && len(c.in.Filters) > 0 {
		needed = append(needed, "ListSecrets")
	}
	for _, operation := range needed {
		if c.caller != nil && c.caller.account.denied[operation] {
			return c.denied(operation, "", "identity-based")
		}
	}
	return nil
}

// mayUse says whether the caller may do an operation with the secret that it calls id. AWS asks for permission before it
// looks, so the secret of another account that is not there is denied: no policy of it lets anybody in.
func (c *call) mayUse(operation, id string, owner *Account, secret *stored) error {
	switch {
	case c.caller.account.denied[operation]:
		return c.denied(operation, id, "identity-based")
	case owner != c.caller.account && (secret == nil || !slices.Contains(secret.readableBy, c.caller.account.id)):
		return c.denied(operation, id, "resource-based")
	case secret != nil && secret.state == Denied && operation == "GetSecretValue":
		return c.denied(operation, secret.arn, "identity-based")
	}
	return nil
}

func (c *call) denied(operation, resource, policy string) error {
	action := c.protocol.service() + ":" + operation
	err := c.protocol.fault(accessDenied)
	err.Message = fmt.Sprintf("User: %s is not authorized to perform: %s", c.caller.arn, action)
	if resource != "" {
		err.Message += " on resource: " + resource
	}
	err.Message += fmt.Sprintf(" because no %s policy allows the %s action", policy, action)
	return err
}
