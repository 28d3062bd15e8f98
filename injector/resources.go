package injector

import (
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// resourceNames are those that make a pod Guaranteed.
var resourceNames = []string{"cpu", "memory"}

// knownResources are those that a container which only fetches and writes can need; a quota may count the last one.
var knownResources = append(slices.Clone(resourceNames), "ephemeral-storage")

// setResources also remembers whether the limit of memory is given, since the default depends on how secrets are delivered.
func setResources(s *settings, value string) error {
	var given resources
	parsed, err := parseResources(value, &given)
	if err == nil {
		_, limited := given.Limits["memory"]
		s.resources, s.openMemory = parsed, !limited || value == defaultResources
	}
	return err
}

func parseResources(value string, given *resources) (resources, error) {
	expected := errors.New(`JSON of requests and limits on cpu, memory and ephemeral-storage, such as {"limits": {"memory": "128Mi"}}, where no request is above its limit`)
	var r resources
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(defaultResources), &r); err != nil {
		return resources{}, err
	}
	if strict, err := kjson.UnmarshalStrict([]byte(value), given); err != nil || len(strict) > 0 {
		return resources{}, expected
	}
	for _, side := range []struct{ to, from map[string]resource.Quantity }{{r.Requests, given.Requests}, {r.Limits, given.Limits}} {
		for name, q := range side.from {
			if !slices.Contains(knownResources, name) || q.Sign() <= 0 {
				return resources{}, expected
			}
			side.to[name] = q
		}
	}
	for name, request := range r.Requests {
		if limit, limited := r.Limits[name]; limited && request.Cmp(limit) > 0 {
			return resources{}, expected
		}
	}
	return r, nil
}

// defaultResources stand in for what an annotation leaves out. There are limits because a ResourceQuota asks for them;
// the memory holds the files too, since tmpfs pages are charged to the container that writes them. The CPU is for TLS
// handshakes: at 100m they would take ten times as long.
const (
	defaultResources = `{"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "` + defaultMemory + `"}}`
	defaultMemory    = "64Mi"
	// envMemory is the limit in its place where the container also writes a copy of its own program into memory, about 11 MB,
	// and the variables.
	envMemory = "96Mi"
)

// requirements is what the init container gets. In a Guaranteed pod its requests equal its limits, or the pod would fall
// to Burstable because of it.
func (s settings) requirements(guaranteed bool) corev1.ResourceRequirements {
	r := s.resources
	list := func(quantities map[string]resource.Quantity) corev1.ResourceList {
		out := corev1.ResourceList{}
		for name, q := range quantities {
			out[corev1.ResourceName(name)] = q
		}
		return out
	}
	requests, limits := list(r.Requests), list(r.Limits)
	if s.deliver == contract.DeliverEnv && s.openMemory {
		limits[corev1.ResourceMemory] = resource.MustParse(envMemory)
	}
	if guaranteed {
		requests = maps.Clone(limits)
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

// guaranteed says whether every container's requests equal its limits, on cpu and memory (Kubernetes' QoS class). A
// limit without a request is its own request.
func (p *pod) guaranteed() bool {
	return !slices.ContainsFunc(slices.Concat(p.mainContainers(), p.initContainers()), func(t target) bool {
		return slices.ContainsFunc(resourceNames, func(name string) bool {
			limit, ok := t.Resources.Limits[name]
			request, requested := t.Resources.Requests[name]
			return !ok || limit.IsZero() || requested && request.Cmp(limit) != 0
		})
	})
}
