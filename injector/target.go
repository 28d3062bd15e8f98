package injector

import (
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// airflowNames are the containers of the Airflow charts that run Airflow, init ones included.
var airflowNames = []string{
	// KubernetesExecutor's pods
	"base",
	// the official chart
	"scheduler", "worker", "triggerer", "dag-processor", "webserver", "api-server", "flower", "wait-for-airflow-migrations",
	"run-airflow-migrations", "create-user", "airflow-cleanup-pods", "database-cleanup",
	// the community chart
	"airflow-scheduler", "airflow-web", "airflow-worker", "airflow-triggerer", "airflow-flower", "check-db", "wait-for-db-migrations",
	"db-migrations", "sync-airflow-*",
}

// sideNames are containers that stand beside Airflow or before it and never see a secret of ours, whatever a pod says.
var sideNames = []string{
	// DAGs and logs
	"git-sync", "git-sync-init", "dags-git-sync", "dags-git-clone", "*-log-groomer", "log-cleanup", "install-pip-packages", "volume-permissions",
	// services of the charts
	"pgbouncer", "metrics-exporter", "statsd", "redis", "postgresql", "otel-collector", "worker-kerberos", "kerberos-init", "airflow-xcom-sidecar",
	// meshes and agents
	"istio-proxy", "istio-init", "istio-validation", "linkerd-proxy", "linkerd-init", "linkerd-network-validator", "consul-dataplane",
	"consul-connect-inject-init", "kuma-sidecar", "kuma-init", "vault-agent", "vault-agent-init", "cloud-sql-proxy",
}

// meshProxies, as native sidecars, carry the pod's network from their start on.
var meshProxies = []string{"istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar"}

// isOneOf compares a container's name with a list in which * stands for the start or the end of a name.
func isOneOf(names []string, name string) bool {
	return slices.ContainsFunc(names, func(known string) bool {
		if end, ok := strings.CutPrefix(known, "*"); ok {
			return strings.HasSuffix(name, end)
		}
		if start, ok := strings.CutSuffix(known, "*"); ok {
			return strings.HasPrefix(name, start)
		}
		return name == known
	})
}

func isSide(t target) bool    { return isOneOf(sideNames, t.Name) }
func isAirflow(t target) bool { return isOneOf(airflowNames, t.Name) }

// sideContainersOnly is true of pods such as pgbouncer's, which the community chart's global annotations reach too. They
// are left alone whatever else their annotations say: to refuse the database's pod would stop all of Airflow.
func (p *pod) sideContainersOnly() bool {
	return !slices.ContainsFunc(p.mainContainers(), func(t target) bool { return !isSide(t) })
}

// airflowContainers are those that get the secrets, the main ones first. Where the pod does not name them, they are told
// by the first of these that any main container answers to:
//
//	a name from the charts, AIRFLOW__ variables, being wired already, being the first one that is no side container
//
// Init containers are told by the charts' names, and else in the way that told the main ones. What is wired stays so, since
// what told it may be what we have removed.
func (p *pod) airflowContainers(named []string) ([]target, []problem) {
	if len(named) > 0 {
		return p.namedContainers(named)
	}
	main := notSide(p.mainContainers()) // not empty: see sideContainersOnly
	told := func(t target) bool { return t.Image == main[0].Image }
	for _, tells := range []func(target) bool{isAirflow, target.setsAirflow, target.isWired} {
		if slices.ContainsFunc(main, tells) {
			told = tells
			break
		}
	}
	main = filter(main, func(t target) bool { return told(t) || t.isWired() })
	before := filter(notSide(p.initContainers()), func(t target) bool { return isAirflow(t) || told(t) || t.isWired() })
	return append(main, before...), nil
}

// namedContainers follows the annotation. It may be one for many pods, so it need not fit each of them whole; but one
// that fits nothing, or that asks for a side container, is a mistake. What is wired stays so here, too: what an earlier pass
// has taken from a container cannot be put back.
func (p *pod) namedContainers(named []string) ([]target, []problem) {
	all := slices.Concat(p.mainContainers(), p.initContainers())
	isNamed := func(t target) bool { return slices.Contains(named, t.Name) }
	found := filter(all, isNamed)
	var problems []problem
	for _, t := range filter(found, isSide) {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: Prefix + "containers",
			expected: "containers that run Airflow", found: t.Name + ", a side container"})
	}
	if len(found) == 0 {
		problems = append(problems, problem{code: contract.NoAirflowContainer, subject: Prefix + "containers",
			expected: "one of " + shown(strings.Join(containerNames(notSide(all)), ", ")), found: shown(strings.Join(named, ", "))})
	}
	return filter(all, func(t target) bool { return isNamed(t) || !isSide(t) && t.isWired() }), problems
}

// missing are the names that the annotation lists and the pod does not have.
func (p *pod) missing(named []string) []string {
	there := containerNames(slices.Concat(p.mainContainers(), p.initContainers()))
	return slices.DeleteFunc(slices.Clone(named), func(name string) bool { return slices.Contains(there, name) })
}

func notSide(targets []target) []target {
	return filter(targets, func(t target) bool { return !isSide(t) })
}

func filter(targets []target, keep func(target) bool) []target {
	var kept []target
	for _, t := range targets {
		if keep(t) {
			kept = append(kept, t)
		}
	}
	return kept
}

func containerNames(targets []target) []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	return names
}
