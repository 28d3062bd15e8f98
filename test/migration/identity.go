package migration

import (
	"path"

	corev1 "k8s.io/api/core/v1"
)

// TokenFile is where the identity webhook of EKS puts the token of a service account with a role.
const TokenFile = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"

// AdmitRole adds what the identity webhook of EKS adds to a pod whose service account has a role.
func AdmitRole(pod *corev1.Pod, arn, region string) {
	seconds := int64(86400)
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "aws-iam-token", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: "sts.amazonaws.com", ExpirationSeconds: &seconds, Path: "token"}}}}}})
	for c := range ContainersOf(pod) {
		c.Env = append(c.Env,
			corev1.EnvVar{Name: "AWS_STS_REGIONAL_ENDPOINTS", Value: "regional"},
			corev1.EnvVar{Name: "AWS_DEFAULT_REGION", Value: region},
			corev1.EnvVar{Name: "AWS_REGION", Value: region},
			corev1.EnvVar{Name: "AWS_ROLE_ARN", Value: arn},
			corev1.EnvVar{Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: TokenFile})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "aws-iam-token", MountPath: path.Dir(TokenFile), ReadOnly: true})
	}
}
