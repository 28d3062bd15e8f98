package e2e

import (
	"context"
	"fmt"
	"strings"
)

// parts are the objects with which an installation is there or gone, however it was made and however far it came: its
// namespace, which takes Helm's own record with it, what lies in no namespace, and the pod of helm test.
func parts() []string {
	all := []string{"pod/" + Release + "-test"}
	for _, kind := range []string{"mutatingwebhookconfiguration", "validatingadmissionpolicybinding", "validatingadmissionpolicy",
		"clusterrolebinding", "clusterrole", "namespace"} {
		all = append(all, kind+"/"+Release)
	}
	return append(all, "validatingadmissionpolicybinding/"+Release+"-rights", "validatingadmissionpolicy/"+Release+"-rights")
}

// Installed tells what there is of an installation, as kubectl names objects; nothing where there is none.
func (c *Cluster) Installed(ctx context.Context) ([]string, error) {
	found, err := c.Kubectl(ctx, append([]string{"--namespace", "default", "get", "--ignore-not-found", "--output", "name"}, parts()...)...)
	if err != nil {
		return nil, fmt.Errorf("looking for an installation: %w", err)
	}
	return strings.Fields(found), nil
}

// Uninstall removes all of an installation, whatever state it is in, and returns when it is gone.
func (c *Cluster) Uninstall(ctx context.Context) error {
	_, err := c.Kubectl(ctx, append([]string{"--namespace", "default", "delete", "--ignore-not-found", "--timeout", "2m"}, parts()...)...)
	if err != nil {
		return fmt.Errorf("removing the installation: %w", err)
	}
	return nil
}
