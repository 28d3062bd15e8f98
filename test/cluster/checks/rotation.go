package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// Lifetimes that bring a rotation of everything into a minute. A leaf is renewed after two thirds of its life, and so is
// the authority.
const (
	leafValidity = 15 * time.Second
	caValidity   = 45 * time.Second
)

// rotation lets pods be created at a steady rate while the authority is replaced twice, the replicas are restarted in the
// midst of that, and the installation is upgraded.
func rotation(ctx context.Context, c *e2e.Cluster) (string, error) {
	const namespace = "e2e-rotation"
	if err := c.Namespace(ctx, namespace); err != nil {
		return "", err
	}
	if err := shorten(ctx, c, namespace); err != nil {
		return "", fmt.Errorf("shortening the lives of certificates: %w", err)
	}
	t, err := startTraffic(ctx, c, namespace)
	if err != nil {
		return "", err
	}
	defer t.end()
	began := time.Now()
	seen, err := rotateTwice(ctx, c, t.api)
	if err != nil {
		return "", err
	}
	if err := upgrade(ctx, c, append(short(), "--set", "podLabels.upgraded=yes")...); err != nil {
		return "", err
	}
	t.end()
	o := t.between(began, time.Now())
	if err := lengthen(ctx, c); err != nil {
		return "", fmt.Errorf("giving certificates their usual lives again: %w", err)
	}
	return fmt.Sprintf("%v, through %d authorities and %d serving certificates, a rolling restart and an upgrade by helm", o, len(seen.authorities), len(seen.leaves)), o.judge(0)
}

// shorten gives certificates lives of seconds. An authority that is there keeps the life that it was made with, so it is
// deleted: once the replicas of before are gone, which would make the next one as they know it.
func shorten(ctx context.Context, c *e2e.Cluster, namespace string) error {
	if err := upgrade(ctx, c, short()...); err != nil {
		return err
	}
	if err := noneStops(ctx, c); err != nil {
		return err
	}
	name, err := authoritySecret(ctx, c)
	if err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "-n", e2e.Release, "delete", name); err != nil {
		return err
	}
	return command.Until(ctx, time.Minute, func(ctx context.Context) error {
		if _, err := authoritySecret(ctx, c); err != nil {
			return err
		}
		return expectInjected(ctx, c, namespace)
	})
}

// short are the values for these lives.
func short() []string {
	return []string{"--set", "certificates.caValidity=" + inSeconds(caValidity), "--set", "certificates.leafValidity=" + inSeconds(leafValidity)}
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.0fs", d.Seconds()) }

// lengthen upgrades to the chart's own values, and waits until every replica serves a certificate of that length: one that
// the next authority has signed, since none outlives its own. Nobody may need the webhook meanwhile: before an authority
// signs, replicas wait as long as suits lives of days, by when the one of seconds is over.
func lengthen(ctx context.Context, c *e2e.Cluster) error {
	if err := upgrade(ctx, c); err != nil {
		return err
	}
	return command.Until(ctx, 3*caValidity, func(ctx context.Context) error {
		pods, err := replicas(ctx, c)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			leaf, err := served(ctx, pod.Status.PodIP)
			if err != nil {
				return fmt.Errorf("asking %s for its certificate: %w", pod.Name, err)
			}
			if left := time.Until(leaf.NotAfter); left < time.Hour {
				return fmt.Errorf("%s serves a certificate with %v left, expected one of the chart's leafValidity", pod.Name, left)
			}
		}
		return nil
	})
}

// upgrade is helmUpgrade that wants other pods once it is done.
func upgrade(ctx context.Context, c *e2e.Cluster, values ...string) error {
	before, err := replicas(ctx, c)
	if err != nil {
		return err
	}
	if err := helmUpgrade(ctx, c, values...); err != nil {
		return err
	}
	if err := rolledOut(ctx, c); err != nil {
		return err
	}
	after, err := replicas(ctx, c)
	if err != nil {
		return err
	}
	return expectOthers(before, after)
}

// helmUpgrade upgrades the release to values that are the chart's but for these: Helm alone would take the last upgrade's
// values up again, and change nothing.
func helmUpgrade(ctx context.Context, c *e2e.Cluster, values ...string) error {
	args := append([]string{"upgrade", e2e.Release, "manifests/chart", "--namespace", e2e.Release, "--reset-values", "--wait", "--timeout", "2m"}, values...)
	_, err := c.Run(ctx, "helm", args...)
	return err
}

// expectOthers wants none of the pods of before among those of after.
func expectOthers(before, after []corev1.Pod) error {
	if len(after) == 0 {
		return errors.New("no replica is there after the upgrade")
	}
	for _, pod := range after {
		if slices.ContainsFunc(before, func(old corev1.Pod) bool { return old.UID == pod.UID }) {
			return fmt.Errorf("%s was there before the upgrade, expected it to be replaced", pod.Name)
		}
	}
	return nil
}

func rolledOut(ctx context.Context, c *e2e.Cluster) error {
	_, err := c.Kubectl(ctx, "-n", e2e.Release, "rollout", "status", "deployment/"+e2e.Release, "--timeout=120s")
	return err
}

// noneStops waits until the replicas that an upgrade has replaced have drained and are gone.
func noneStops(ctx context.Context, c *e2e.Cluster) error {
	return command.Until(ctx, time.Minute, func(ctx context.Context) error {
		pods, err := ourPods(ctx, c)
		for _, pod := range pods {
			if pod.DeletionTimestamp != nil {
				return fmt.Errorf("%s is still stopping", pod.Name)
			}
		}
		return err
	})
}

// rotateTwice watches until two more authorities than at first have been trusted, and restarts all replicas after the
// first of them.
func rotateTwice(ctx context.Context, c *e2e.Cluster, api *e2e.API) (sightings, error) {
	seen := newSightings()
	if err := seen.look(ctx, api); err != nil {
		return seen, err
	}
	first := len(seen.authorities)
	for more := 1; more <= 2; more++ {
		err := command.Until(ctx, 3*caValidity, func(ctx context.Context) error {
			err := seen.look(ctx, api)
			if err == nil && len(seen.authorities) < first+more {
				err = fmt.Errorf("%d authorities have been trusted, expected %d after %v", len(seen.authorities), first+more, 3*caValidity)
			}
			return err
		})
		if err != nil {
			return seen, err
		}
		if more == 1 {
			if _, err := c.Kubectl(ctx, "-n", e2e.Release, "rollout", "restart", "deployment/"+e2e.Release); err != nil {
				return seen, err
			}
			if err := rolledOut(ctx, c); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}
