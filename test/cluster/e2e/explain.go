package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// explain tells what is needed to understand why a check failed: of each of its namespaces, and of our own, the pods, the
// events, and the ends of all containers' logs.
func (c *Cluster) explain(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var text strings.Builder
	for _, namespace := range append(c.made, Release) {
		fmt.Fprintf(&text, "--- namespace %s\n", namespace)
		fmt.Fprintln(&text, c.told(ctx, "-n", namespace, "get", "pods", "-o", "wide"))
		fmt.Fprintln(&text, c.told(ctx, "-n", namespace, "get", "events", "--sort-by=.lastTimestamp", "-o", "custom-columns=KIND:.involvedObject.kind,NAME:.involvedObject.name,REASON:.reason,MESSAGE:.message"))
		for pod := range strings.FieldsSeq(c.told(ctx, "-n", namespace, "get", "pods", "-o", "name")) {
			fmt.Fprintf(&text, "--- %s %s\n%s\n", namespace, pod, c.told(ctx, "-n", namespace, "logs", pod, "--all-containers", "--ignore-errors", "--prefix", "--tail=15"))
		}
	}
	return text.String()
}

// told is what kubectl says, whatever it is.
func (c *Cluster) told(ctx context.Context, args ...string) string {
	output, err := c.Kubectl(ctx, args...)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(output)
}
