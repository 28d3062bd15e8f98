// Package certs keeps a webhook's serving certificate: self-made, with the caBundle by which API servers verify it, or as
// files have it.
//
// Of the two ways, SelfMade needs the Kubernetes API and nothing else, and Files needs nothing but the files. Both serve by
// GetCertificate, say by Ready whether reviews would get through, do their work in Run, and are collectors of metrics.
package certs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics. Each process has one certificate, so none of them has a label that could grow.
var (
	expiryMetric = prometheus.NewDesc("airflow_secrets_certificate_expiry_timestamp_seconds",
		"When a certificate ends, in seconds since 1970: the one that is served (serving), and where it is self-made the authority that has signed it (ca).",
		[]string{"certificate"}, nil)
	renewalMetric = prometheus.NewDesc("airflow_secrets_certificate_renewal_timestamp_seconds",
		"When another certificate is due, in seconds since 1970: in place of the one that is served (serving), and of the authority that has signed it (ca). Self-made only.",
		[]string{"certificate"}, nil)
	presentMetric = prometheus.NewDesc("airflow_secrets_configuration_present",
		"1 where the webhook configuration is there with a webhook in it. 0 where annotated pods start without their secrets, since no API server asks. Self-made only.", nil, nil)
	readyMetric = prometheus.NewDesc("airflow_secrets_certificate_ready",
		"1 where API servers would take the certificate that is served, as far as is known: of one from files only that it is valid now. Else 0.", nil, nil)
	contactMetric = prometheus.NewDesc("airflow_secrets_kubernetes_contact_timestamp_seconds",
		"When an object was last read from the API server, in seconds since 1970; it is read every 90 seconds or sooner.",
		[]string{"kind"}, nil)
)

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// oneIfNil is a readiness as a number.
func oneIfNil(err error) float64 {
	if err != nil {
		return 0
	}
	return 1
}
