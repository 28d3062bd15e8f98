package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// The steps of a pod that gets environment variables.

// workerName is the container that runs Airflow.
const workerName = "airflow-worker"

// postEnvPod has the worker's command stand behind our program, and otherwise be as it was.
func (s *stage) postEnvPod() error {
	asked := map[string]string{
		"airflow-secrets/deliver": "env",
		"airflow-secrets/config":  "celery.broker_url=broker,logging.remote_base_log_folder=logs",
	}
	pod, _, err := s.annotated(asked)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		s.out.detail("asked", "%s: %s", key, asked[key])
	}
	review, err := s.webhook.post(s.ctx, pod)
	if err != nil {
		return err
	}
	if !review.Allowed {
		return fmt.Errorf("the answer is %+v", review.Result)
	}
	var before corev1.Pod
	if err := json.Unmarshal(pod, &before); err != nil {
		return err
	}
	_, patched, after, err := apply(pod, review)
	if err != nil {
		return err
	}
	was, is := workerOf(before), workerOf(after)
	if !slices.Equal(is.Command, contract.Exec(was.Command)) || !slices.Equal(is.Args, was.Args) {
		return fmt.Errorf("the worker runs %q %q, expected its own command behind %q", is.Command, is.Args, contract.Exec(nil))
	}
	s.envPod = patched
	s.out.detail("container "+workerName, "ran  %s", strings.Join(slices.Concat(was.Command, was.Args), " "))
	s.out.detail("", "runs %s", strings.Join(slices.Concat(is.Command, is.Args), " "))
	return nil
}

func workerOf(pod corev1.Pod) corev1.Container {
	for _, c := range pod.Spec.Containers {
		if c.Name == workerName {
			return c
		}
	}
	return corev1.Container{}
}

func (s *stage) runEnvInitContainer() error {
	s.envFiles, s.envExecs = filepath.Join(s.dir, "files"), filepath.Join(s.dir, "exec")
	if _, _, err := s.fetch(s.envPod, s.envFiles, s.envExecs); err != nil {
		return err
	}
	for _, file := range []string{filepath.Join(s.envExecs, contract.EnvFile), filepath.Join(s.envExecs, contract.ExecProgram), filepath.Join(s.envFiles, contract.OptionsDirectory, "broker")} {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		s.out.detail(strings.NewReplacer(s.envExecs, contract.ExecDirectory, s.envFiles, contract.Directory).Replace(file), "%d bytes, %s", info.Size(), info.Mode())
	}
	text, err := os.ReadFile(filepath.Join(s.envFiles, contract.OptionsDirectory, "broker"))
	if err == nil && string(text) != s.wanted["config"]["broker"] {
		err = errors.New("the option celery.broker_url did not arrive as it is in the store")
	}
	return err
}

// startWorker runs the container's command as the kubelet does. Of the image, which is not here, this program stands in for
// the first command, /usr/bin/dumb-init, and tells what reached it.
func (s *stage) startWorker() error {
	var pod corev1.Pod
	if err := json.Unmarshal(s.envPod, &pod); err != nil {
		return err
	}
	worker := workerOf(pod)
	view, err := s.view(&pod, workerName)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	image := filepath.Join(s.dir, standInName)
	if err := os.Symlink(self, image); err != nil {
		return err
	}
	elsewhere := strings.NewReplacer(contract.ExecDirectory, s.envExecs, "/usr/bin/"+standInName, image)
	var line []string
	for _, word := range worker.Command {
		line = append(line, elsewhere.Replace(word))
	}
	command := exec.CommandContext(s.ctx, line[0], slices.Concat(line[1:], worker.Args)...)
	command.Env = view.Environ()
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("the worker: %w", err)
	}
	var reached started
	if err := json.Unmarshal(output, &reached); err != nil {
		return fmt.Errorf("reading what the worker's command says: %w", err)
	}
	return s.checkWorker(reached, command.Process.Pid, slices.Concat(worker.Command[len(contract.Exec(nil))+1:], worker.Args))
}

// checkWorker holds what reached the command against the store.
func (s *stage) checkWorker(reached started, pid int, args []string) error {
	if reached.PID != pid || !slices.Equal(reached.Args, args) {
		return fmt.Errorf("process %d got the arguments %q, expected process %d and %q", reached.PID, reached.Args, pid, args)
	}
	s.out.detail("process", "the same one, and it is dumb-init now: %s", strings.Join(args, " "))
	same := map[string]string{
		"AIRFLOW_CONN_WAREHOUSE":                   s.wanted["connections"]["warehouse"],
		"AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": s.wanted["config"]["logs"],
	}
	for id, value := range s.wanted["variables"] {
		same["AIRFLOW_VAR_"+strings.ToUpper(id)] = value
	}
	for _, name := range slices.Sorted(maps.Keys(same)) {
		if value, there := reached.Env[name]; !there || value != same[name] {
			return fmt.Errorf("%s is not as it is in the store (there: %t)", name, there)
		}
		s.out.detail(name, "as in AWS, all %d characters", len(same[name]))
	}
	connections := 0
	for id := range s.wanted["connections"] {
		if reached.Env["AIRFLOW_CONN_"+strings.ToUpper(id)] != "" {
			connections++
		}
	}
	if connections != len(s.wanted["connections"]) {
		return fmt.Errorf("%d connections arrived, expected %d", connections, len(s.wanted["connections"]))
	}
	s.out.detail("AIRFLOW_CONN_...", "%d, of each connection one", connections)
	backend, there := reached.Env["AIRFLOW__SECRETS__BACKEND"]
	broker := "cat " + contract.Directory + "/" + contract.OptionsDirectory + "/broker"
	if !there || backend != "" || reached.Env["AIRFLOW__CELERY__BROKER_URL_CMD"] != broker {
		return fmt.Errorf("the backend is %q, and the broker comes by %q", backend, reached.Env["AIRFLOW__CELERY__BROKER_URL_CMD"])
	}
	s.out.detail("AIRFLOW__CELERY__BROKER_URL_CMD", "%s, which the liveness probe runs as well", broker)
	s.out.detail("AIRFLOW__SECRETS__BACKEND", "empty: Airflow has no backend to ask first")
	return nil
}

// standInName is what this program is called where it stands in for a command of the image.
const standInName = "dumb-init"

// started is what a command knows of itself.
type started struct {
	PID  int
	Args []string
	Env  map[string]string
}

// standIn writes it down for the demo alone, which shows no value.
func standIn(w io.Writer) int {
	self := started{PID: os.Getpid(), Args: os.Args[1:], Env: map[string]string{}}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		self.Env[name] = value
	}
	if err := json.NewEncoder(w).Encode(self); err != nil {
		return 1
	}
	return 0
}
