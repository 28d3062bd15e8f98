package injector

import (
	"fmt"
	"path"
	"slices"

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
func (p *pod) fetcher(s settings, config contract.Config, targets []target, before former) ([]jsonpatch.Operation, error) {
	const list = "/spec/initContainers"
	at := slices.IndexFunc(p.Spec.InitContainers, container.isOurs)
	if at >= 0 {
		config.Warnings = before.keepWarnings(config.Warnings)
	}
	wanted, err := p.fetcherContainer(s, config, targets, before)
	switch {
	case err != nil:
		return nil, err
	case p.Spec.InitContainers == nil:
		return []jsonpatch.Operation{add(list, []any{wanted})}, nil
	case at < 0:
		return []jsonpatch.Operation{add(fmt.Sprintf("%s/%d", list, p.firstPlace()), wanted)}, nil
	}
	return p.mend(list, at, wanted, config, before.earlier)
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

// mend makes our container of an earlier pass what it would be if it were made now. What it has beyond that stays: the
// identity webhook of EKS puts its variables and its token there.
func (p *pod) mend(path string, at int, wanted initContainer, config, earlier contract.Config) ([]jsonpatch.Operation, error) {
	list, err := p.rawInitContainers()
	if err != nil {
		return nil, err
	}
	old := p.Spec.InitContainers[at]
	if earlier.Image == wanted.Image {
		wanted.Image = old.Image // maybe a mirror, by a webhook of the cluster that would not look again
	}
	wanted.ImagePullPolicy = "" // the API server has set one by now, and its AlwaysPullImages may have changed ours
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
	here := fmt.Sprintf("%s/%d", path, at)
	if sc := old.SecurityContext; wanted.SecurityContext.RunAsUser == nil && sc != nil && sc.RunAsUser != nil && *sc.RunAsUser == imageUser {
		operations = append(operations, remove(here+"/securityContext/runAsUser")) // the reason for it is gone
	}
	for _, i := range old.staleMounts(config, earlier) {
		mounts := there.(map[string]any)["volumeMounts"].([]any)
		there.(map[string]any)["volumeMounts"] = slices.Delete(mounts, i, i+1)
		operations = append(operations, remove(fmt.Sprintf("%s/volumeMounts/%d", here, i)))
	}
	return append(operations, merge(here, there, should)...), nil
}

// staleMounts are the indexes, the last one first, of the mounts by which an earlier pass gave our container an airflow.cfg
// that is another one now, or a place for the program that nobody runs any more.
func (c container) staleMounts(now, earlier contract.Config) (stale []int) {
	var file volumeMount
	if earlier.TakeOver != nil && earlier.TakeOver.ConfigFile != now.TakeOver.ConfigFile {
		file, _ = c.mountOf(earlier.TakeOver.ConfigFile)
	}
	for i, m := range slices.Backward(c.VolumeMounts) {
		if file.Name != "" && m.MountPath == file.MountPath || m.Name == contract.ExecVolumeName && now.Deliver != contract.DeliverEnv {
			stale = append(stale, i)
		}
	}
	return stale
}

// initContainer is what we write of a container. The lists hold typed elements of ours and, as they are written in the
// pod, those that come from Airflow's containers.
type initContainer struct {
	Name                     string                          `json:"name"`
	Image                    string                          `json:"image"`
	ImagePullPolicy          corev1.PullPolicy               `json:"imagePullPolicy,omitempty"`
	Command                  []string                        `json:"command"`
	Env                      []any                           `json:"env"`
	EnvFrom                  []any                           `json:"envFrom,omitempty"`
	Resources                corev1.ResourceRequirements     `json:"resources"`
	SecurityContext          *corev1.SecurityContext         `json:"securityContext"`
	TerminationMessagePolicy corev1.TerminationMessagePolicy `json:"terminationMessagePolicy"`
	VolumeMounts             []any                           `json:"volumeMounts"`
}

func (p *pod) fetcherContainer(s settings, config contract.Config, targets []target, before former) (initContainer, error) {
	text, err := config.Encode()
	know := identityOf(targets, s)
	before.addTo(&know)
	return initContainer{
		Name:                     contract.ContainerName,
		Image:                    s.image,
		ImagePullPolicy:          s.pullPolicy,
		Command:                  []string{contract.Command},
		Env:                      slices.Concat([]any{corev1.EnvVar{Name: contract.ConfigEnv, Value: text}}, p.downward(), know.env),
		EnvFrom:                  know.envFrom,
		Resources:                s.resources.requirements(p.guaranteed()),
		SecurityContext:          p.restricted(targets),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             slices.Concat([]any{corev1.VolumeMount{Name: contract.VolumeName, MountPath: contract.Directory}}, s.execMount(), s.tokenMount(), know.mounts),
	}, err
}

// downward are the variables by which the fetcher knows its pod, and the DAG and the task where KubernetesExecutor has
// annotated them.
func (p *pod) downward() []any {
	var env []any
	from := func(name, field string) {
		env = append(env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: field}}})
	}
	from(contract.NamespaceEnv, "metadata.namespace")
	from(contract.PodEnv, "metadata.name")
	for _, annotated := range []struct{ env, key string }{{contract.DAGEnv, "dag_id"}, {contract.TaskEnv, "task_id"}} {
		if _, ok := p.Metadata.Annotations[annotated.key]; ok {
			from(annotated.env, "metadata.annotations['"+annotated.key+"']")
		}
	}
	return env
}

// tokenSeconds is how long a service account token of ours is good for. The kubelet has it renewed long before; no less
// than ten minutes can be asked for.
const tokenSeconds = 3600

func (s *settings) tokenMount() []any {
	if s.webIdentityRoleARN == "" {
		return nil
	}
	return []any{corev1.VolumeMount{Name: contract.TokenVolumeName, MountPath: contract.TokenDirectory, ReadOnly: true}}
}

// token is the volume of a service account token for AWS, as EKS's identity webhook makes one.
func token() corev1.Volume {
	seconds := int64(tokenSeconds)
	return corev1.Volume{Name: contract.TokenVolumeName, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: "sts.amazonaws.com", ExpirationSeconds: &seconds, Path: path.Base(contract.TokenFile)}}},
	}}}
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
	if effective := p.user(sc.RunAsUser); effective != nil && *effective == 0 {
		user := int64(imageUser) // Airflow as root is the pod's choice; we need not be
		sc.RunAsUser = &user
	}
	return sc
}

// userProblems are containers whose user, as far as the pod tells, is not the one that our container writes the files as, where
// only their owner may read them. A group that may read them is the pod's affair: it may come from an image.
func (p *pod) userProblems(s settings, targets []target) (problems []problem) {
	if s.fileMode&0o044 != 0 {
		return nil
	}
	ours := p.user(p.restricted(targets).RunAsUser)
	for _, t := range targets {
		var own *int64
		if t.SecurityContext != nil {
			own = t.SecurityContext.RunAsUser
		}
		if user := p.user(own); user != nil && *user != *ours { // where one is known, so is ours
			problems = append(problems, problem{code: contract.InvalidAnnotations, subject: s.subject("file-mode"), found: s.fileMode.String(),
				expected: fmt.Sprintf("one by which user %d of the container %s may read what user %d owns, such as 0444, or 0440 with an fsGroup", *user, shown(t.Name), *ours)})
		}
	}
	return problems
}

// user is the one that a container runs as that names its own, or none; nil if only the image knows.
func (p *pod) user(own *int64) *int64 {
	if own == nil && p.Spec.SecurityContext != nil {
		return p.Spec.SecurityContext.RunAsUser
	}
	return own
}

// inMemory is a volume that the fetcher fills.
func inMemory(name string, bytes int64) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: resource.NewQuantity(bytes, resource.BinarySI)}}}
}

// volumes adds those in memory that the fetcher fills, and that of a token of ours where one is asked for. That of the
// program goes again where an earlier pass has added it and nobody runs it any more.
func (p *pod) volumes(s settings, targets []target) []jsonpatch.Operation {
	wanted := []corev1.Volume{inMemory(contract.VolumeName, contract.VolumeBytes)}
	var operations []jsonpatch.Operation
	if s.deliver == contract.DeliverEnv {
		wanted = append(wanted, inMemory(contract.ExecVolumeName, contract.ExecVolumeBytes))
	} else {
		operations = p.removeVolume(contract.ExecVolumeName, targets)
	}
	if s.webIdentityRoleARN != "" {
		wanted = append(wanted, token())
	}
	missing := slices.DeleteFunc(wanted, func(v corev1.Volume) bool {
		return slices.ContainsFunc(p.Spec.Volumes, func(there volume) bool { return there.Name == v.Name })
	})
	return append(operations, appendTo("/spec/volumes", p.Spec.Volumes != nil, missing)...)
}
