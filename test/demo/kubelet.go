package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

func (s *stage) runInitContainer() error {
	s.files = filepath.Join(s.dir, "secrets")
	view, log, err := s.fetch(s.patched, s.files, "")
	if err != nil {
		return err
	}
	s.out.detail("the image's /fetcher", "is bin/fetcher here")
	s.out.detail(contract.Directory, "is a temporary folder here; nothing else of the container is changed")
	s.out.detail("environment", "%d variables, the AWS keys from the Secret airflow-aws", len(view.Env))
	for _, line := range strings.Split(strings.TrimSpace(string(log)), "\n") {
		s.out.detail("log", "%s", line)
	}
	return nil
}

// fetch does what the kubelet does with an init container: gives it its environment, from the pod and from Secrets, and runs
// its command. Only the program and the folders lie elsewhere.
func (s *stage) fetch(patched []byte, files, execDirectory string) (view kubelet.View, log []byte, err error) {
	var pod corev1.Pod
	if err := json.Unmarshal(patched, &pod); err != nil {
		return view, nil, err
	}
	c := pod.Spec.InitContainers[0]
	program, err := s.program("fetcher")
	if err != nil {
		return view, nil, err
	}
	if len(c.Command) != 1 || c.Command[0] != contract.Command || len(c.Args) > 0 {
		return view, nil, fmt.Errorf("the container runs %v %v, expected %s", c.Command, c.Args, contract.Command)
	}
	if view, err = s.view(&pod, c.Name); err != nil {
		return view, nil, err
	}
	if err := moveFolders(view.Env, files, execDirectory); err != nil {
		return view, nil, err
	}
	command := exec.CommandContext(s.ctx, program)
	command.Env = view.Environ() // and nothing of this process's
	if log, err = command.CombinedOutput(); err != nil {
		return view, nil, fmt.Errorf("the init container: %w\n%s", err, log)
	}
	if err := noneOf(s.wanted, string(log)); err != nil {
		return view, nil, fmt.Errorf("the log of the init container: %w", err)
	}
	return view, log, nil
}

// view is what the kubelet gives a container of the pod.
func (s *stage) view(pod *corev1.Pod, name string) (kubelet.View, error) {
	var objects kubelet.Objects
	if err := objects.Add(s.secrets()); err != nil {
		return kubelet.View{}, err
	}
	return kubelet.ViewOf(pod, name, objects)
}

// secrets are the Kubernetes Secrets, and the ConfigMap, that the pod refers to.
func (s *stage) secrets() []byte {
	return fmt.Appendf(nil, `
apiVersion: v1
kind: Secret
metadata: {name: af-config-envs, namespace: airflow}
stringData: {AIRFLOW__CORE__EXECUTOR: CeleryExecutor, AIRFLOW__CORE__LOAD_EXAMPLES: "False"}
---
apiVersion: v1
kind: Secret
metadata: {name: airflow-aws, namespace: airflow}
stringData: {access-key: %q, secret-key: %q}
---
apiVersion: v1
kind: Secret
metadata: {name: af-postgresql, namespace: airflow}
stringData: {postgresql-password: of-the-chart}
---
apiVersion: v1
kind: Secret
metadata: {name: af-redis, namespace: airflow}
stringData: {redis-password: of-the-chart}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-root-ca.crt, namespace: airflow}
data: {ca.crt: the cluster's}
`, accessKey, s.secretKey)
}

// moveFolders changes the one thing that a run outside a cluster has to: where the files go, and the program if there is a
// place for it.
func moveFolders(env map[string]string, files, execDirectory string) error {
	config, err := contract.Decode(env[contract.ConfigEnv])
	if err != nil {
		return err
	}
	if config.Directory != contract.Directory {
		return fmt.Errorf("the configuration's folder is %s, expected %s", config.Directory, contract.Directory)
	}
	if (config.ExecDirectory == contract.ExecDirectory) != (execDirectory != "") {
		return fmt.Errorf("the configuration's folder for the program is %q", config.ExecDirectory)
	}
	config.Directory, config.ExecDirectory = files, execDirectory
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
