package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// runInitContainer does what the kubelet does with an init container: gathers its environment from the pod and from
// Secrets, expands it, and runs its command. Only the program and the folder lie elsewhere.
func (s *stage) runInitContainer() error {
	var pod corev1.Pod
	if err := json.Unmarshal(s.patched, &pod); err != nil {
		return err
	}
	c := pod.Spec.InitContainers[0]
	program, err := s.program("fetcher")
	if err != nil {
		return err
	}
	if len(c.Command) != 1 || c.Command[0] != contract.Command || len(c.Args) > 0 {
		return fmt.Errorf("the container runs %v %v, expected %s", c.Command, c.Args, contract.Command)
	}
	env, err := s.environment(c)
	if err != nil {
		return err
	}
	s.files = filepath.Join(s.dir, "secrets")
	if err := moveFolder(env, s.files); err != nil {
		return err
	}
	command := exec.CommandContext(s.ctx, program)
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	log, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the init container: %w\n%s", err, log)
	}
	if err := noneOf(s.wanted, string(log)); err != nil {
		return fmt.Errorf("the log of the init container: %w", err)
	}
	s.out.detail("the image's /fetcher", "is bin/fetcher here")
	s.out.detail(contract.Directory, "is a temporary folder here; nothing else of the container is changed")
	s.out.detail("environment", "%d variables, the AWS keys from the Secret airflow-aws", len(env))
	for _, line := range strings.Split(strings.TrimSpace(string(log)), "\n") {
		s.out.detail("log", "%s", line)
	}
	return nil
}

// secrets are the Kubernetes Secrets that the pod refers to.
func (s *stage) secrets() map[string]map[string]string {
	return map[string]map[string]string{
		"af-config-envs": {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
		"airflow-aws":    {"access-key": accessKey, "secret-key": s.secretKey},
	}
}

// environment is the container's, with values from Secrets and references expanded, and nothing of this process's.
func (s *stage) environment(c corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		if from.SecretRef == nil || s.secrets()[from.SecretRef.Name] == nil {
			return nil, fmt.Errorf("envFrom names %+v, which is not there", from)
		}
		for name, value := range s.secrets()[from.SecretRef.Name] {
			env[from.Prefix+name] = value
		}
	}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			env[e.Name] = expand(e.Value, env)
		case e.ValueFrom.SecretKeyRef != nil:
			value, ok := s.secrets()[e.ValueFrom.SecretKeyRef.Name][e.ValueFrom.SecretKeyRef.Key]
			if !ok {
				return nil, fmt.Errorf("%s comes from a key that is not there: %+v", e.Name, e.ValueFrom.SecretKeyRef)
			}
			env[e.Name] = value
		default:
			return nil, fmt.Errorf("%s comes from %+v, which the demo has not", e.Name, e.ValueFrom)
		}
	}
	return env, nil
}

// reference is what the kubelet replaces in a value: $$ by $, $(NAME) by a variable set before, if there is one.
var reference = regexp.MustCompile(`\$\$|\$\([^)]*\)`)

func expand(value string, env map[string]string) string {
	return reference.ReplaceAllStringFunc(value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		if known, ok := env[found[2:len(found)-1]]; ok {
			return known
		}
		return found
	})
}

// moveFolder changes the one thing that a run outside a cluster has to: where the files go.
func moveFolder(env map[string]string, to string) error {
	config, err := contract.Decode(env[contract.ConfigEnv])
	if err != nil {
		return err
	}
	if config.Directory != contract.Directory {
		return fmt.Errorf("the configuration's folder is %s, expected %s", config.Directory, contract.Directory)
	}
	config.Directory = to
	env[contract.ConfigEnv], err = config.Encode()
	return err
}

// noneOf says whose value is in a text where none may be.
func noneOf(values map[string]map[string]string, text string) error {
	for kind, byID := range values {
		for id, value := range byID {
			if len(value) > 8 && strings.Contains(text, value) {
				return fmt.Errorf("it shows the value of %s %s", kind, id)
			}
		}
	}
	return nil
}

// readFile reads one of the delivered files, which must have the mode that was asked for.
func (s *stage) readFile(name string) ([]byte, error) {
	path := filepath.Join(s.files, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm() != 0o444 {
		return nil, errors.New(path + " has mode " + info.Mode().String() + ", expected 0444")
	}
	return os.ReadFile(path)
}
