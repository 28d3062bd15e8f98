package manifests

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// TestMonitors holds monitors and rules to the ports and metrics that there are.
func TestMonitors(t *testing.T) {
	all := with(t, "monitored")
	for _, key := range []string{"ServiceMonitor airflow-secrets", "PodMonitor airflow-secrets", "PrometheusRule airflow-secrets"} {
		if all[key].Metadata.Labels["release"] != "prometheus" {
			t.Errorf("%s has the labels %v", key, all[key].Metadata.Labels)
		}
	}
	page := read(t, root+"/docs/operations.md")
	for name, a := range alerts(t, all) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
		if strings.Count(a.Expr, "(") != strings.Count(a.Expr, ")") || strings.Contains(a.Expr, "{ ") {
			t.Errorf("%s: %s", name, a.Expr)
		}
	}
}

// alert is a rule of Prometheus.
type alert struct {
	Alert, Expr, For string
	Labels           struct{ Severity string }
	Annotations      struct{ Summary string }
}

// alerts are the rules by the names of the alerts.
func alerts(t *testing.T, all objects) map[string]alert {
	t.Helper()
	var rule struct {
		Spec struct {
			Groups []struct {
				Rules []alert `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(all["PrometheusRule airflow-secrets"].text, &rule); err != nil {
		t.Fatal(err)
	}
	found := map[string]alert{}
	for _, r := range rule.Spec.Groups[0].Rules {
		found[r.Alert] = r
	}
	return found
}

// ruled are the alerts of a release with values.
func ruled(t *testing.T, values string) map[string]alert {
	t.Helper()
	return alerts(t, render(t, "--set", "metrics.rules.enabled=true,"+values))
}

// TestAlertsOfCertificates holds the alerts to who renews the certificate, and for how long it is good: what the webhook
// makes tells itself when another is due, whatever the values say now.
func TestAlertsOfCertificates(t *testing.T) {
	made := ruled(t, "certificates.caValidity=1h30m,certificates.leafValidity=30m")
	for name, certificate := range map[string]string{"AirflowSecretsExpiring": "serving", "AirflowSecretsNotRotated": "ca"} {
		const series = `airflow_secrets_certificate_%s_timestamp_seconds{namespace="airflow-secrets", certificate="` + "%s" + `"}`
		should := fmt.Sprintf("min by (pod) ("+series+" + "+series+") / 2 < time()", "expiry", certificate, "renewal", certificate)
		if made[name].Expr != should {
			t.Errorf("%s is %q, expected %q", name, made[name].Expr, should)
		}
	}
	if made["AirflowSecretsExpiring"].Labels.Severity != "critical" {
		t.Error("AirflowSecretsExpiring is not critical, with hours left")
	}
	for values, should := range map[string]string{
		"certificates.secretName=own":                                                      " < 1209600",
		"certificates.certManager.enabled=true":                                            " < 1296000",
		"certificates.certManager.enabled=true,certificates.certManager.renewBefore=1h30m": " < 2700",
	} {
		given := ruled(t, values)
		if e := given["AirflowSecretsExpiring"].Expr; !strings.HasSuffix(e, should) {
			t.Errorf("%s: the certificate is watched by %q, expected %q", values, e, should)
		}
		for _, name := range []string{"AirflowSecretsNotRotated", "AirflowSecretsOutOfTouch", "AirflowSecretsConfigurationGone"} {
			if made[name].Expr == "" || given[name].Expr != "" {
				t.Errorf("%s: the alert %s is about what such a webhook does not look at, or is missing where it does", values, name)
			}
		}
	}
}

// backOff is how long a controller waits at most before it tries again to create a pod.
const backOff = 1000 * time.Second

// TestAlertOnRefusals holds its window to the longest back-off, or it would end while pods are refused, and its patience to
// more than the window, or a single mistake would set it off.
func TestAlertOnRefusals(t *testing.T) {
	a := ruled(t, "")["AirflowSecretsRefusing"]
	var window time.Duration
	for _, found := range regexp.MustCompile(`\[(\w+)\]|offset (\w+)`).FindAllStringSubmatch(a.Expr, -1) {
		w, err := time.ParseDuration(found[1] + found[2])
		if err != nil || window != 0 && w != window {
			t.Fatalf("expected one window in %s: %v", a.Expr, err)
		}
		window = w
	}
	patience, err := time.ParseDuration(a.For)
	if err != nil || window <= backOff || patience <= window {
		t.Errorf("it looks back %v and waits %s, expected more than %v, and more than that: %v", window, a.For, backOff, err)
	}
}

// TestAlertsSayWhatBecomesOfPods holds the alerts to the truth under each way to go on without a webhook.
func TestAlertsSayWhatBecomesOfPods(t *testing.T) {
	for values, should := range map[string][2]string{
		"webhook.failurePolicy=Fail":                                          {"do not start", "start without their secrets"},
		"webhook.failurePolicy=Ignore":                                        {"start without their secrets", "start without their secrets"},
		"webhook.failurePolicy=Ignore,validatingAdmissionPolicy.enabled=true": {"are refused by the API server's policy", "are refused by the API server's policy"},
	} {
		all := ruled(t, values)
		is := [2]string{all["AirflowSecretsDown"].Annotations.Summary, all["AirflowSecretsConfigurationGone"].Annotations.Summary}
		if !strings.HasSuffix(is[0], " pods "+should[0]+".") || !strings.HasSuffix(is[1], " pods "+should[1]+".") {
			t.Errorf("%s: without a replica, and without a configuration, %q, expected %q", values, is, should)
		}
	}
}
