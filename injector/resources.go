package injector

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"
)

// resourceNames are those that make a pod Guaranteed.
var resourceNames = []string{"cpu", "memory"}

// knownResources are those that a container which only fetches and writes can need; a quota may count the last one.
var knownResources = append(slices.Clone(resourceNames), "ephemeral-storage")

func parseResources(value string) (resources, error) {
	expected := errors.New(`JSON of requests and limits on cpu, memory and ephemeral-storage, such as {"limits": {"memory": "128Mi"}}, where no request is above its limit`)
	var r, given resources
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(defaultResources), &r); err != nil {
		return resources{}, err
	}
	if strict, err := kjson.UnmarshalStrict([]byte(value), &given); err != nil || len(strict) > 0 {
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
// the memory holds the files too, and with deliver: env the program's copy, since tmpfs pages are charged to the container
// that writes them: with as much as may be fetched, in a cgroup of its own, up to 54 MB were charged (2 MB of quotes, each of which is escaped). The CPU is for TLS handshakes: at 100m
// they would take ten times as long.
const defaultResources = `{"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}`

// requirements is what the init container gets. In a Guaranteed pod its requests equal its limits, or the pod would fall
// to Burstable because of it.
func (r resources) requirements(guaranteed bool) corev1.ResourceRequirements {
	list := func(quantities map[string]resource.Quantity) corev1.ResourceList {
		out := corev1.ResourceList{}
		for name, q := range quantities {
			out[corev1.ResourceName(name)] = q
		}
		return out
	}
	requests := r.Requests
	if guaranteed {
		requests = r.Limits
	}
	return corev1.ResourceRequirements{Requests: list(requests), Limits: list(r.Limits)}
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
