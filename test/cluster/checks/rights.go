package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// account is the webhook's service account.
const account = "system:serviceaccount:" + e2e.Release + ":" + e2e.Release

// refusedByRights is what the API server says of a write that the policy of the webhook's rights holds back.
const refusedByRights = "ValidatingAdmissionPolicy 'airflow-secrets-rights'"

// The commands of the writes that a webhook can try.
const (
	patchConfiguration = "patch mutatingwebhookconfiguration " + e2e.Release + " --type=json -p "
	patchSecret        = "patch secret " + e2e.Release + "-ca --type=json -p "
	createSecret       = "create secret generic "
)

// writes are what a webhook that is taken over would write, and what the policy says it has found; nothing where the
// webhook may.
var writes = []struct{ command, what, found string }{
	{patchConfiguration, `[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]`, ""},
	{patchConfiguration, `[{"op": "replace", "path": "/webhooks/0/clientConfig/service/name", "value": "other"}]`, "found service:"},
	{patchConfiguration, `[{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["*/*"]}]`, "found rules:"},
	{patchConfiguration, `[{"op": "remove", "path": "/webhooks/0/matchConditions"}]`, "found matchConditions:"},
	{patchConfiguration, `[{"op": "remove", "path": "/webhooks/0/namespaceSelector"}]`, "found namespaceSelector:"},
	{patchConfiguration, `[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]`, "found failurePolicy:"},
	{patchConfiguration, `[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}, {"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 30}]`, "found timeoutSeconds:"},
	{patchConfiguration, `[{"op": "add", "path": "/webhooks/1", "value": {"name": "a.b.c", "clientConfig": {"url": "https://example.com"}, "sideEffects": "None", "admissionReviewVersions": ["v1"]}}]`, "found a new webhook a.b.c:"},
	{patchConfiguration, `[{"op": "remove", "path": "/webhooks"}]`, "found no webhook inject.airflow-secrets.internal:"},
	{patchConfiguration, `[{"op": "add", "path": "/metadata/labels/team", "value": "other"}]`, "found metadata.labels:"},
	{patchConfiguration, `[{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/never"]}]`, "found metadata.finalizers:"},
	{patchSecret, `[{"op": "add", "path": "/data/more", "value": "eA=="}]`, ""},
	{patchSecret, `[{"op": "add", "path": "/immutable", "value": true}]`, "found immutable:"},
	{patchSecret, `[{"op": "add", "path": "/metadata/labels", "value": {"owner": "helm", "name": "airflow-secrets"}}]`, "found metadata.labels:"},
	{createSecret, "sh.helm.release.v1.airflow-secrets.v999", "found airflow-secrets/sh.helm.release.v1.airflow-secrets.v999:"},
}

// rights lets the webhook's account try what one that is taken over would. For that time it may do anything by its roles, so
// that whatever is refused is refused by the policy. Nothing is stored.
func rights(ctx context.Context, c *e2e.Cluster) (proved string, err error) {
	const binding = "e2e-rights"
	if _, err := c.Kubectl(ctx, "create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", "--serviceaccount="+e2e.Release+":"+e2e.Release); err != nil {
		return "", err
	}
	defer func() {
		_, failed := c.Kubectl(context.WithoutCancel(ctx), "delete", "clusterrolebinding", binding)
		err = errors.Join(err, failed)
	}()
	// The API server takes a moment to learn of the binding.
	err = command.Until(ctx, time.Minute, func(ctx context.Context) error {
		_, err := c.Kubectl(ctx, "auth", "can-i", "create", "clusterroles", "--as="+account)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, w := range writes {
		if err := tryWrite(ctx, c, w.command, w.what, w.found); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("of %d writes of the webhook's account, which any role would allow, all but those of caBundle and the Secret's data are refused", len(writes)), nil
}

// tryWrite wants a write of the webhook's account to be refused with these words, or to be let through where there are none.
// Whoever else writes the same is never held back.
func tryWrite(ctx context.Context, c *e2e.Cluster, what, argument, found string) error {
	args := append(strings.Fields(what), argument, "--namespace="+e2e.Release, "--dry-run=server")
	if _, err := c.Kubectl(ctx, args...); err != nil {
		return fmt.Errorf("an administrator's write: %w, expected it to be none of the policy's business", err)
	}
	_, err := c.Kubectl(ctx, append(args, "--as="+account)...)
	switch {
	case found == "" && err != nil:
		return fmt.Errorf("the webhook's write: %w, expected it to be allowed", err)
	case found != "" && (err == nil || !strings.Contains(err.Error(), refusedByRights) || !strings.Contains(err.Error(), found)):
		return fmt.Errorf("kubectl %s %s by the webhook: %v, expected %s to refuse it for what it has %s", what, argument, err, refusedByRights, strings.TrimSuffix(found, ":"))
	}
	return nil
}
