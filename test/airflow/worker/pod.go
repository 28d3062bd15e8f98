package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// Store is where a worker's secrets are, and who may read them.
type Store struct {
	URL    string // of Secrets Manager
	Region string
	Keys   fakeaws.Keys
	// ConnectionsPrefix and VariablesPrefix are as a user writes them.
	ConnectionsPrefix, VariablesPrefix string
	// Kwargs are more keyword arguments that SecretsManagerBackend has. The worker that we inject has them in an annotation.
	Kwargs map[string]any
	// Deliver is how the worker that we inject gets them. Empty: as files.
	Deliver contract.Deliver
	// Annotations are more of them, without our prefix.
	Annotations map[string]string
}

// kwargs are all of the backend's keyword arguments, as JSON.
func (s Store) kwargs() (string, error) {
	all := map[string]any{"connections_prefix": s.ConnectionsPrefix, "variables_prefix": s.VariablesPrefix}
	maps.Copy(all, s.Kwargs)
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("encoding the backend's kwargs: %w", err)
	}
	return string(text), nil
}

// NativeEnviron is the environment of a container that uses SecretsManagerBackend.
func (s Store) NativeEnviron() ([]string, error) {
	kwargs, err := s.kwargs()
	if err != nil {
		return nil, err
	}
	environ := []string{
		"AWS_ENDPOINT_URL=" + s.URL, "AWS_DEFAULT_REGION=" + s.Region, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=" + s.Keys.ID, "AWS_SECRET_ACCESS_KEY=" + s.Keys.Secret,
	}
	for _, v := range contract.BackendEnv() {
		environ = append(environ, v.Backend+"=airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend", v.Kwargs+"="+kwargs)
	}
	return environ, nil
}

// Pod is as much of an injected pod as the two containers' environments and commands are.
type Pod struct {
	Spec struct {
		InitContainers, Containers []struct {
			Command []string
			Env     []envVar
		}
	}
}

type envVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Inject makes the pod that our webhook would make of an annotated worker whose secrets are in the store.
func Inject(s Store) (Pod, error) {
	worker, err := annotated(s)
	if err != nil {
		return Pod{}, err
	}
	before, err := json.Marshal(worker)
	if err != nil {
		return Pod{}, fmt.Errorf("encoding the worker's pod: %w", err)
	}
	in := injector.Injector{FetcherImage: "airflow-secrets-fetcher:dev"}
	decision := in.Decide(before, "default")
	if decision.Code != contract.Injected {
		return Pod{}, fmt.Errorf("injecting the worker's pod: %s: %s", decision.Code, decision.Message)
	}
	operations, err := json.Marshal(decision.Operations)
	if err != nil {
		return Pod{}, fmt.Errorf("encoding the operations: %w", err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		return Pod{}, fmt.Errorf("decoding the operations: %w", err)
	}
	after, err := patch.Apply(before)
	if err != nil {
		return Pod{}, fmt.Errorf("patching the worker's pod: %w", err)
	}
	var pod Pod
	if err := json.Unmarshal(after, &pod); err != nil {
		return Pod{}, fmt.Errorf("decoding the patched pod: %w", err)
	}
	return pod, nil
}

func annotated(s Store) (pod map[string]any, err error) {
	annotations := map[string]string{
		"airflow-secrets/inject": "true", "airflow-secrets/region": s.Region, "airflow-secrets/endpoint-url": s.URL,
	}
	if len(s.Kwargs) > 0 {
		annotations["airflow-secrets/backend-kwargs"], err = s.kwargs()
	} else {
		annotations["airflow-secrets/connections-prefix"], annotations["airflow-secrets/variables-prefix"] = s.ConnectionsPrefix, s.VariablesPrefix
	}
	if s.Deliver != "" {
		annotations["airflow-secrets/deliver"] = string(s.Deliver)
	}
	for key, value := range s.Annotations {
		annotations["airflow-secrets/"+key] = value
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "worker", "annotations": annotations},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "worker", "image": "apache/airflow", "env": []envVar{
			{"AWS_ACCESS_KEY_ID", s.Keys.ID}, {"AWS_SECRET_ACCESS_KEY", s.Keys.Secret},
		}}}},
	}, err
}

// Environ is the environment of Airflow's container, with the files in directory. The AWS keys are left out, so that
// nothing but the files can answer.
func (p Pod) Environ(directory string) []string {
	var environ []string
	for _, e := range p.Spec.Containers[0].Env {
		if !strings.HasPrefix(e.Name, "AWS_") {
			environ = append(environ, e.moved(directory))
		}
	}
	return environ
}

// Under is what stands before the container's own command, with the files in directory: the program that sets the variables.
func (p Pod) Under(directory string) []string {
	var command []string
	for _, word := range p.Spec.Containers[0].Command[:len(contract.Exec(nil))] {
		command = append(command, strings.ReplaceAll(word, contract.Directory, directory))
	}
	return command
}

// Fetch runs our init container as the pod says, with program as its command, and directory as the folder that it fills.
func (p Pod) Fetch(ctx context.Context, program, directory string) error {
	command := exec.CommandContext(ctx, program)
	command.Env = []string{} // a nil one would be ours
	for _, e := range p.Spec.InitContainers[0].Env {
		command.Env = append(command.Env, e.moved(directory))
	}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("running the fetcher: %w\n%s", err, output)
	}
	return nil
}

// moved writes the variable for a process outside of a pod, where the folder lies elsewhere, and contract.ExecDirectory, whose
// name starts the same, beside it.
func (e envVar) moved(directory string) string {
	return e.Name + "=" + strings.ReplaceAll(e.Value, contract.Directory, directory)
}

// BuildFetcher builds the init container's program into a folder and gives its path.
func BuildFetcher(ctx context.Context, folder string) (program string, err error) {
	program = filepath.Join(folder, "fetcher")
	command := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/fetcher")
	command.Dir, command.Env = root(), append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the fetcher: %w\n%s", err, output)
	}
	return program, nil
}
