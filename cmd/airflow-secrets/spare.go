package main

import (
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Nobody wants to hand an access key to a command that only prints a policy. So this file tells what decides our
// container's settings, and has to be given, from what does not.

// airflowOption starts the variables that decide the settings.
const airflowOption = "AIRFLOW__"

// dollarName is how a value names another variable.
var dollarName = regexp.MustCompile(`\$\(([^)]+)\)`)

// spare makes optional what does not decide the settings: only an identity, a proxy or the like comes from there. It gives
// the names of the variables that the container had not done without before.
func spare(c *corev1.Container) (spared []string) {
	needed := map[string]bool{}
	refer := func(text string) {
		for _, found := range dollarName.FindAllStringSubmatch(text, -1) {
			needed[found[1]] = true
		}
	}
	file := configFile(c)
	c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return file == "" || !strings.HasPrefix(file+"/", path.Clean(m.MountPath)+"/")
	})
	for _, m := range c.VolumeMounts {
		refer(m.SubPathExpr)
	}
	for i := range slices.Backward(c.Env) { // values refer to variables before them
		switch e := &c.Env[i]; {
		case needed[e.Name] || strings.HasPrefix(e.Name, airflowOption):
			refer(e.Value)
		case makeOptional(e.ValueFrom):
			spared = append(spared, e.Name)
		}
	}
	return spared
}

// configFile is where the container has airflow.cfg, if it has. That its configuration cannot be read is Configure's to say.
func configFile(c *corev1.Container) string {
	for _, e := range slices.Backward(c.Env) {
		if config, err := contract.Decode(e.Value); e.Name == contract.ConfigEnv && err == nil && config.TakeOver != nil {
			return config.TakeOver.ConfigFile
		}
	}
	return ""
}

// spareAll makes everything optional.
func spareAll(c *corev1.Container) []string {
	yes := true
	c.VolumeMounts = nil
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil {
			from.SecretRef.Optional = &yes
		}
		if from.ConfigMapRef != nil {
			from.ConfigMapRef.Optional = &yes
		}
	}
	for _, e := range c.Env {
		makeOptional(e.ValueFrom)
	}
	return nil
}

// makeOptional says whether it has changed anything.
func makeOptional(from *corev1.EnvVarSource) bool {
	var optional **bool
	switch {
	case from == nil:
		return false
	case from.SecretKeyRef != nil:
		optional = &from.SecretKeyRef.Optional
	case from.ConfigMapKeyRef != nil:
		optional = &from.ConfigMapKeyRef.Optional
	default:
		return false
	}
	was := *optional != nil && **optional
	yes := true
	*optional = &yes
	return !was
}
