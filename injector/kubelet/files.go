package kubelet

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// files gathers what the container's mounts show, by path. A mount hides what another shows at its place or below, and
// the deeper one of two comes later, whatever their order in the pod: so container runtimes sort them.
func (k *kubelet) files(c corev1.Container, env map[string]value) map[string]value {
	mounts := slices.Clone(c.VolumeMounts)
	slices.SortStableFunc(mounts, func(a, b corev1.VolumeMount) int { return cmp.Compare(depth(a.MountPath), depth(b.MountPath)) })
	files := map[string]value{}
	for _, m := range mounts {
		maps.DeleteFunc(files, func(name string, _ value) bool { return below(m.MountPath, name) })
		volume := k.volume(m.Name)
		if len(volume) == 0 {
			continue
		}
		subPath := k.subPath(m, env)
		if subPath.unknown != "" {
			files[path.Join("/", m.MountPath)] = value{unknown: subPath.unknown}
			continue
		}
		for name, v := range volume {
			if below(subPath.text, name) {
				files[path.Join("/", m.MountPath, strings.TrimPrefix(absolute(name), absolute(subPath.text)))] = v
			}
		}
	}
	return files
}

// subPath is the part of the volume that a mount shows: all of it where that is empty.
func (k *kubelet) subPath(m corev1.VolumeMount, env map[string]value) value {
	if m.SubPathExpr == "" {
		return value{text: m.SubPath}
	}
	expanded, undefined := expand(m.SubPathExpr, env)
	for _, name := range undefined {
		k.miss("the variable " + name + " in the subPathExpr of " + m.MountPath)
	}
	return expanded
}

// absolute is a path with one slash before each of its names: that of a root is empty.
func absolute(name string) string { return strings.TrimSuffix(path.Join("/", name), "/") }

func depth(name string) int { return strings.Count(absolute(name), "/") }

// below says whether a file is the place, or in it.
func below(place, file string) bool {
	return strings.HasPrefix(absolute(file)+"/", absolute(place)+"/")
}

// volume is what the pod's volume of that name holds, path in the volume → content.
func (k *kubelet) volume(name string) map[string]value {
	i := slices.IndexFunc(k.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	switch v := k.pod.Spec.Volumes[i]; {
	case v.Secret != nil:
		return k.entries(secretKind, v.Secret.SecretName, v.Secret.Items, v.Secret.Optional)
	case v.ConfigMap != nil:
		return k.entries(configMapKind, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional)
	case v.DownwardAPI != nil:
		return k.downward(v.DownwardAPI.Items)
	case v.Projected != nil:
		files := map[string]value{}
		for _, source := range v.Projected.Sources {
			maps.Copy(files, k.projection(source))
		}
		return files
	}
	return nil
}

// entries are those of a Secret or ConfigMap, each in a file named as its key, or only the items, each at its path.
func (k *kubelet) entries(kind, name string, items []corev1.KeyToPath, optional *bool) map[string]value {
	o, ok := k.object(kind, name, optional)
	if !ok {
		return nil
	}
	files := map[string]value{}
	if len(items) == 0 {
		for key, text := range o.files {
			files[key] = value{text: text}
		}
	}
	for _, item := range items {
		text, ok := o.files[item.Key]
		if !ok {
			k.missKey(kind, name, item.Key, optional)
			continue
		}
		files[item.Path] = value{text: text}
	}
	return files
}

// projection is one source of a projected volume. Tokens and certificates are made by a cluster.
func (k *kubelet) projection(source corev1.VolumeProjection) map[string]value {
	switch {
	case source.Secret != nil:
		return k.entries(secretKind, source.Secret.Name, source.Secret.Items, source.Secret.Optional)
	case source.ConfigMap != nil:
		return k.entries(configMapKind, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
	case source.DownwardAPI != nil:
		return k.downward(source.DownwardAPI.Items)
	case source.ServiceAccountToken != nil:
		return map[string]value{source.ServiceAccountToken.Path: {unknown: "a token of the service account"}}
	case source.ClusterTrustBundle != nil:
		return map[string]value{source.ClusterTrustBundle.Path: {unknown: "certificates of the cluster"}}
	case source.PodCertificate != nil:
		files := map[string]value{}
		for _, name := range []string{source.PodCertificate.CredentialBundlePath, source.PodCertificate.KeyPath, source.PodCertificate.CertificateChainPath} {
			if name != "" {
				files[name] = value{unknown: "a certificate of the pod"}
			}
		}
		return files
	}
	return nil
}
