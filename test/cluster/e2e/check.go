// Package e2e is the frame of the checks on a real cluster: what each of them has in its hands, how they are run in turn,
// and how what they proved, or why they could not, is told.
package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Check proves one thing on a real cluster.
type Check struct {
	Name string // as --only takes it: lower case, words joined by hyphens
	Says string // what is proved when it passes, in a line
	// OwnNode says that it needs more than Kubernetes' API: etcd's data, or the node. It is left out, by name, where
	// KUBECONFIG brought the cluster.
	OwnNode bool
	// Always says that the other checks need it: --only does not leave it out.
	Always bool
	// Limit is its longest time; longest where it is 0.
	Limit time.Duration
	// Run does it, in namespaces that it makes by Cluster.Namespace and leaves as they are: the last checks look into
	// all of them. It returns one line with what was seen.
	Run func(context.Context, *Cluster) (proved string, err error)
	// Restore gives the checks that follow what they start from, where Run has failed; nil where nothing is to be done. It
	// is not run before the next check is: whoever keeps the cluster to look at it finds it as Run left it.
	Restore func(context.Context, *Cluster) error
}

// longest is the limit of a check that has none of its own, and of a Restore.
const longest = 5 * time.Minute

// Select is the checks with one of these names, and those that they need; all where there are no names.
func Select(checks []Check, names []string) ([]Check, error) {
	var unknown []string
	for _, name := range names {
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no check is named %s; --list tells the names", strings.Join(unknown, ", "))
	}
	if len(names) == 0 {
		return checks, nil
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return !c.Always && !slices.Contains(names, c.Name) }), nil
}

// Run runs checks in turn and tells of each as it ends. An error says which failed; the rest were run nevertheless, but
// for those after a failed one that all need, or whose Restore failed, too.
func Run(ctx context.Context, out io.Writer, c *Cluster, checks []Check) error {
	var failed []string
	var toRestore *Check
	started := time.Now()
	for _, check := range checks {
		if check.OwnNode && c.Node == nil {
			fmt.Fprintf(out, "%-24s left out: it needs a node of our own, and KUBECONFIG brought the cluster\n", check.Name)
			continue
		}
		if toRestore != nil && restore(ctx, out, c, *toRestore) != nil {
			break
		}
		toRestore = nil
		if err := runOne(ctx, out, c, check); err != nil {
			failed = append(failed, check.Name)
			if check.Always || ctx.Err() != nil {
				break
			}
			if check.Restore != nil {
				toRestore = &check
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	fmt.Fprintf(out, "all passed in %.0f s\n", time.Since(started).Seconds())
	return nil
}

func runOne(ctx context.Context, out io.Writer, c *Cluster, check Check) error {
	within, cancel := context.WithTimeout(ctx, cmp.Or(check.Limit, longest))
	defer cancel()
	started := time.Now()
	c.made = nil
	proved, err := check.Run(within, c)
	seconds := time.Since(started).Seconds()
	if err == nil {
		fmt.Fprintf(out, "%-24s ok     %6.1f s  %s\n", check.Name, seconds, proved)
		return nil
	}
	if ctx.Err() != nil {
		fmt.Fprintf(out, "%-24s ended  %6.1f s  %v\n", check.Name, seconds, context.Cause(ctx))
		return err
	}
	fmt.Fprintf(out, "%-24s FAILED %6.1f s  %s\n", check.Name, seconds, check.Says)
	fmt.Fprintln(out, indent(err.Error()))
	fmt.Fprintln(out, indent(c.explain(ctx)))
	return err
}

// restore runs the Restore of a check that failed.
func restore(ctx context.Context, out io.Writer, c *Cluster, check Check) error {
	within, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	started := time.Now()
	if err := check.Restore(within, c); err != nil {
		fmt.Fprintf(out, "%-24s FAILED %6.1f s  to put right what it left; the checks that follow are not run\n", check.Name, time.Since(started).Seconds())
		fmt.Fprintln(out, indent(err.Error()))
		fmt.Fprintln(out, indent(c.explain(ctx)))
		return err
	}
	fmt.Fprintf(out, "%-24s undone %6.1f s  the checks that follow find what they would have found without it\n", check.Name, time.Since(started).Seconds())
	return nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
