package injector

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// imageUser is the user of the fetcher's image and of Airflow's.
const imageUser = 50000

// fetcher gives the operations that put our init container where it belongs, or mend the one that is there.
//
// It stands first, so that a mesh that takes over the network later does not cut it off; but behind a native mesh proxy,
// which is up and carrying the network by then.
func (p *pod) fetcher(s settings, targets []target, warnings []string) ([]jsonpatch.Operation, error) {
	const path = "/spec/initContainers"
	at := slices.IndexFunc(p.Spec.InitContainers, container.isOurs)
	if at >= 0 {
		warnings = p.Spec.InitContainers[at].keepWarnings(warnings)
	}
	wanted, err := p.fetcherContainer(s, targets, warnings)
	switch {
	case err != nil:
		return nil, err
	case p.Spec.InitContainers == nil:
		return []jsonpatch.Operation{add(path, []any{wanted})}, nil
	case at < 0:
		return []jsonpatch.Operation{add(fmt.Sprintf("%s/%d", path, p.firstPlace()), wanted)}, nil
	}
	return p.mend(path, at, wanted)
}

// firstPlace is our index among the init containers, not counting our own.
func (p *pod) firstPlace() int {
	place := 0
	for i, t := range p.initContainers() {
		if t.RestartPolicy == string(corev1.ContainerRestartPolicyAlways) && isOneOf(meshProxies, t.Name) {
			place = i + 1
		}
	}
	return place
}

// mend makes our container of an earlier pass what it would be if it were made now. What others have added to it stays:
// the identity webhook of EKS puts its variables and its token there.
func (p *pod) mend(path string, at int, wanted initContainer) ([]jsonpatch.Operation, error) {
	list, err := p.rawInitContainers()
	if err != nil {
		return nil, err
	}
	// The image may have been turned to a mirror by a webhook of the cluster's, which would not look again.
	wanted.Image = p.Spec.InitContainers[at].Image
	there, err := document(list[at])
	if err != nil {
		return nil, fmt.Errorf("reading our container: %w", err)
	}
	should, err := document(wanted)
	if err != nil {
		return nil, fmt.Errorf("encoding our container: %w", err)
	}
	var operations []jsonpatch.Operation
	if place := p.firstPlace(); place != at {
		operations = []jsonpatch.Operation{remove(fmt.Sprintf("%s/%d", path, at)), add(fmt.Sprintf("%s/%d", path, place), list[at])}
		at = place
	}
	return append(operations, merge(fmt.Sprintf("%s/%d", path, at), there, should)...), nil
}

// keepWarnings puts the warnings of the pass that made the container before those of this one: what they were about may
// be gone by now.
func (c container) keepWarnings(warnings []string) []string {
	config, _ := c.env(contract.ConfigEnv)
	earlier, err := contract.Decode(config.Value)
	if err != nil {
		return warnings
	}
	kept := slices.Clone(earlier.Warnings)
	for _, w := range warnings {
		if !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// initContainer is what we write of a container. The lists hold typed elements of ours and, as they are written in the
// pod, those that come from Airflow's containers.
type initContainer struct {
	Name                     string                          `json:"name"`
	Image                    string                          `json:"image"`
	Command                  []string                        `json:"command"`
	Env                      []any                           `json:"env"`
	EnvFrom                  []any                           `json:"envFrom,omitempty"`
	Resources                corev1.ResourceRequirements     `json:"resources"`
	SecurityContext          *corev1.SecurityContext         `json:"securityContext"`
	TerminationMessagePolicy corev1.TerminationMessagePolicy `json:"terminationMessagePolicy"`
	VolumeMounts             []any                           `json:"volumeMounts"`
}

func (p *pod) fetcherContainer(s settings, targets []target, warnings []string) (initContainer, error) {
	config, err := s.contract(warnings).Encode()
	know := identityOf(targets)
	return initContainer{
		Name:                     contract.ContainerName,
		Image:                    s.image,
		Command:                  []string{contract.Command},
		Env:                      append([]any{corev1.EnvVar{Name: contract.ConfigEnv, Value: config}}, know.env...),
		EnvFrom:                  know.envFrom,
		Resources:                s.resources.requirements(p.guaranteed()),
		SecurityContext:          p.restricted(targets),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             append([]any{corev1.VolumeMount{Name: contract.VolumeName, MountPath: contract.Directory}}, know.mounts...),
	}, err
}

// restricted is what Pod Security's level of that name asks of a container. It names a user only where the pod or one of
// Airflow's containers does: OpenShift refuses users outside the namespace's range.
func (p *pod) restricted(targets []target) *corev1.SecurityContext {
	yes, no := true, false
	sc := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		ReadOnlyRootFilesystem:   &yes,
		RunAsNonRoot:             &yes,
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	named := func(t target) bool { return t.SecurityContext != nil && t.SecurityContext.RunAsUser != nil }
	if i := slices.IndexFunc(targets, named); i >= 0 {
		sc.RunAsUser, sc.RunAsGroup = targets[i].SecurityContext.RunAsUser, targets[i].SecurityContext.RunAsGroup
	}
	effective := sc.RunAsUser
	if effective == nil && p.Spec.SecurityContext != nil {
		effective = p.Spec.SecurityContext.RunAsUser
	}
	if effective != nil && *effective == 0 {
		user := int64(imageUser) // Airflow as root is the pod's choice; we need not be
		sc.RunAsUser = &user
	}
	return sc
}

// addVolume adds the volume in memory that the fetcher fills.
func (p *pod) addVolume() []jsonpatch.Operation {
	if slices.ContainsFunc(p.Spec.Volumes, func(v volume) bool { return v.Name == contract.VolumeName }) {
		return nil
	}
	limit := resource.NewQuantity(contract.VolumeBytes, resource.BinarySI)
	return appendTo("/spec/volumes", p.Spec.Volumes != nil, []corev1.Volume{{
		Name:         contract.VolumeName,
		VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: limit}},
	}})
}

// identity is what Airflow's containers know of the way to AWS, as the document writes it.
type identity struct {
	env, envFrom, mounts []any
}

// identityOf collects it over all targets, the main container's word first. The variables of envFrom come along whole:
// only the fetcher can see what they hide.
func identityOf(targets []target) identity {
	var know identity
	var seen, paths []string
	add := func(list *[]any, key string, raw json.RawMessage) {
		if !slices.Contains(seen, key) {
			seen = append(seen, key)
			*list = append(*list, raw)
		}
	}
	for _, t := range targets {
		for i, e := range t.Env {
			if !leadsToAWS(e.Name) || slices.ContainsFunc(t.Env[i+1:], func(later envVar) bool { return later.Name == e.Name }) {
				continue
			}
			add(&know.env, "env "+e.Name, e.raw)
			paths = append(paths, e.Value)
		}
		for _, source := range t.EnvFrom {
			add(&know.envFrom, "envFrom "+string(source), source)
		}
		for _, m := range t.VolumeMounts {
			if m.holdsAny(paths) {
				add(&know.mounts, "mount "+m.MountPath, m.raw)
			}
		}
	}
	return know
}

// leadsToAWS says whether the AWS SDK, or the HTTP client below it, reads a variable.
func leadsToAWS(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY":
		return true
	}
	return strings.HasPrefix(name, "AWS_")
}

// holdsAny says whether one of the files lies in the mounted volume: a token, a CA bundle, a profile.
func (m volumeMount) holdsAny(paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		return path == m.MountPath || strings.HasPrefix(path, strings.TrimSuffix(m.MountPath, "/")+"/")
	})
}
