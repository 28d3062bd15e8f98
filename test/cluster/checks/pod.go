package checks

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
)

// isInjected says whether a pod, as JSON, has our init container.
func isInjected(pod []byte) bool {
	var read corev1.Pod
	if json.Unmarshal(pod, &read) != nil {
		return false
	}
	for _, container := range read.Spec.InitContainers {
		if container.Name == "airflow-secrets" {
			return true
		}
	}
	return false
}
