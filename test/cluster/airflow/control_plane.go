package airflow

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// startAirflow3 starts Airflow 3 with KubernetesExecutor for user A, with the chart's airflow.cfg and pod template, and waits
// for its API. Only the pods of tasks are annotated and have an identity at AWS: what a task finds, it has found itself.
func (p *place) startAirflow3(ctx context.Context, role string, annotations map[string]string) (*api, error) {
	var values migration.Official
	if err := p.page.Decode("userA after", &values); err != nil {
		return nil, err
	}
	maps.Copy(values.AirflowPodAnnotations, annotations)
	values.Config["workers"] = map[string]string{"execution_api_timeout": "60"} // seconds; two cores do all at once here
	if err := p.applyFile(ctx, "official.yaml", "DATABASE", "sqlite:////data/airflow.db"); err != nil {
		return nil, err
	}
	config, err := p.config(ctx, values, role)
	if err != nil {
		return nil, err
	}
	if err := p.apply(ctx, config); err != nil {
		return nil, err
	}
	if err := p.applyFile(ctx, "control-plane.yaml", "IMAGE", airflow3.Reference, "BUSYBOX", e2e.BusyBoxImage); err != nil {
		return nil, err
	}
	if _, err := p.Kubectl(ctx, "-n", p.namespace, "wait", "--for=condition=Ready", "pod/airflow", "--timeout=240s"); err != nil {
		return nil, err
	}
	return p.connect(ctx)
}

// config is the chart's ConfigMap: airflow.cfg, for a release in this namespace, and the template of the pods of tasks.
func (p *place) config(ctx context.Context, values migration.Official, role string) (*corev1.ConfigMap, error) {
	config, err := values.ConfigMap()
	if err != nil {
		return nil, err
	}
	config.Data["airflow.cfg"] = p.settle(config.Data["airflow.cfg"])
	template, err := values.Pod("userA-podtemplate-af-config.json")
	if err != nil {
		return nil, err
	}
	api, err := p.address(ctx, "af-api-server")
	if err != nil {
		return nil, err
	}
	template.Namespace = p.namespace
	release(template, airflow3)
	fromConfigMap(template)
	withHost(template, api, "af-api-server")
	p.withRole(template, role)
	text, err := json.Marshal(template)
	config.Data["pod_template_file.yaml"] = string(text)
	return config, err
}

// settle does to airflow.cfg what the release's namespace and another Airflow among the values change there.
func (p *place) settle(cfg string) string {
	cfg = regexp.MustCompile(`(?m)^namespace = airflow$`).ReplaceAllLiteralString(cfg, "namespace = "+p.namespace)
	return regexp.MustCompile(`(?m)^worker_container_tag = .*$`).ReplaceAllLiteralString(cfg, "worker_container_tag = "+airflow3.release)
}
