package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// downward are fields of the pod.
func (k *kubelet) downward(items []corev1.DownwardAPIVolumeFile) map[string]value {
	files := map[string]value{}
	for _, item := range items {
		switch {
		case item.FieldRef != nil:
			files[item.Path] = k.field(item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			files[item.Path] = value{unknown: "the resource " + item.ResourceFieldRef.Resource}
		}
	}
	return files
}

// field is a field of the pod, as a fieldRef names it (pkg/fieldpath). A label or annotation that is not there is empty; what
// the pod gets later, such as an address, is unknown.
func (k *kubelet) field(name string) value {
	if list, key, ok := strings.Cut(strings.TrimSuffix(name, "']"), "['"); ok {
		switch list {
		case "metadata.labels":
			return value{text: k.pod.Labels[key]}
		case "metadata.annotations":
			return value{text: k.pod.Annotations[key]}
		}
	}
	var text string
	switch name {
	case "metadata.labels":
		return value{text: lines(k.pod.Labels)}
	case "metadata.annotations":
		return value{text: lines(k.pod.Annotations)}
	case "metadata.name":
		text = k.pod.Name
	case "metadata.namespace":
		text = k.pod.Namespace
	case "metadata.uid":
		text = string(k.pod.UID)
	case "spec.nodeName":
		text = k.pod.Spec.NodeName
	case "spec.serviceAccountName":
		if text = k.pod.Spec.ServiceAccountName; text == "" {
			text = "default" // the API server fills it in
		}
	}
	if text == "" {
		return value{unknown: "the field " + name}
	}
	return value{text: text}
}

// lines is how a downwardAPI volume writes labels and annotations.
func lines(values map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, fmt.Sprintf("%s=%q", key, values[key]))
	}
	return strings.Join(lines, "\n")
}
