package airflow

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

// What Airflow takes from no command is refused, since it would go on with its default without a word: on the one side what
// Airflow does, on the other what we say.
func TestOptionsThatIgnoreCommands(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	ignoring := []string{"core.dags_folder", "core.executor", "core.parallelism", "logging.base_log_folder", "logging.remote_base_log_folder", "database.sql_alchemy_schema"}
	for _, name := range ignoring {
		_, d := decideWorker(t, map[string]string{"config": "core.fernet_key=fernet," + name + "=id"}, nil, nil)
		if d.Code != contract.InvalidAnnotations || !strings.Contains(d.Message, strings.Join(contract.OptionNames(), ", ")) || !strings.Contains(d.Message, "deliver: env") {
			t.Errorf("%s: the pod is %s: %s; expected it to be refused, with the options that can be delivered", name, d.Code, d.Message)
		}
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	commands := map[string]string{}
	for _, name := range append(ignoring, "core.fernet_key") {
		commands[variableOf(name)+"_CMD"] = "cat " + file
	}
	for _, v := range chosenVersions(t) {
		t.Run(v.Name, func(t *testing.T) {
			sensitive, got := v.options(ctx, t, nil, []optionRun{{Env: map[string]string{}, Options: ignoring}, {Env: commands, Options: append(ignoring, "core.fernet_key")}})
			for i := range sensitive {
				if text := got[i][1]["core.fernet_key"]; text != hex.EncodeToString([]byte("from the file")) {
					t.Errorf("core.fernet_key is %s, expected what the command gives", text)
				}
				for _, name := range ignoring {
					if was, is := got[i][0][name], got[i][1][name]; was != is || strings.HasPrefix(was, "!") || sensitive[i][name] {
						t.Errorf("%s was %s, and with a command it is %s", name, was, is)
					}
				}
			}
		})
	}
}

// A variable of a Secret that only the kubelet knows wins over our command, even an empty one.
func TestPlainOptionsWin(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	const name, command = "core.fernet_key", "echo from the command"
	for _, v := range chosenVersions(t) {
		t.Run(v.Name, func(t *testing.T) {
			var runs []optionRun
			for _, plain := range []string{"", "plain"} {
				runs = append(runs, optionRun{Env: map[string]string{variableOf(name): plain, variableOf(name) + "_CMD": command}, Options: []string{name}, value: plain})
			}
			_, got := v.options(ctx, t, nil, runs)
			for _, parser := range got {
				for i, run := range runs {
					if parser[i][name] != hex.EncodeToString([]byte(run.value)) {
						t.Errorf("%s is %s, expected the plain one, %q", name, parser[i][name], run.value)
					}
				}
			}
		})
	}
}

type hiddenCase struct {
	annotated bool   // or else by a variable for the backend
	hidden    string // name=value
	code      contract.Code
}

// hiddenCases are variables that a Secret has, and what they make of a pod that gets core.fernet_key from one.
func hiddenCases() map[string]hiddenCase {
	return map[string]hiddenCase{
		"nothing that matters":                 {true, "AIRFLOW__CORE__EXECUTOR=LocalExecutor", ""},
		"the option itself":                    {true, "AIRFLOW__CORE__FERNET_KEY=key", contract.OptionOverridden},
		"the option itself, empty":             {true, "AIRFLOW__CORE__FERNET_KEY=", contract.OptionOverridden},
		"another command, which ours hides":    {true, "AIRFLOW__CORE__FERNET_KEY_CMD=cat key", ""},
		"an id, which the annotation replaces": {true, "AIRFLOW__CORE__FERNET_KEY_SECRET=id", ""},
		"an id of another option":              {true, "AIRFLOW__WEBSERVER__SECRET_KEY_SECRET=id", contract.OptionFromBackend},
		"the former option itself":             {false, "AIRFLOW__CORE__FERNET_KEY=key", contract.OptionOverridden},
		"another command for a former option":  {false, "AIRFLOW__CORE__FERNET_KEY_CMD=cat key", contract.OptionOverridden},
		"an id of another than the former one": {false, "AIRFLOW__WEBSERVER__SECRET_KEY_SECRET=id", contract.OptionFromBackend},
	}
}

// What comes before the secret and hides from the webhook, the fetcher refuses by its name, and never by its value.
func TestHiddenOptions(t *testing.T) {
	for what, c := range hiddenCases() {
		t.Run(what, func(t *testing.T) {
			name, value, _ := strings.Cut(c.hidden, "=")
			var objects kubelet.Objects
			secret, err := json.Marshal(corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
				ObjectMeta: metav1.ObjectMeta{Name: "hiding", Namespace: "airflow"}, Data: map[string][]byte{name: []byte(value)}})
			if err := errors.Join(err, objects.Add(secret)); err != nil {
				t.Fatal(err)
			}
			annotations := map[string]string{"config": "core.fernet_key=fernet"}
			env := []corev1.EnvVar{{Name: "AIRFLOW__SECRETS__BACKEND", Value: contract.SecretsManagerBackend}}
			if !c.annotated {
				annotations, env = nil, append(env, corev1.EnvVar{Name: "AIRFLOW__CORE__FERNET_KEY_SECRET", Value: "fernet"})
			}
			pod := injectWorker(t, annotations, env, []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "hiding"}}}})
			setup, err := fetcher.Configure(fetcher.Options{Environ: environOf(viewOf(t, pod, contract.ContainerName, objects)), ReadFile: os.ReadFile})
			var why *contract.Error
			switch {
			case c.code == "" && err == nil:
				if ids := setup.Accounts[0].Config.IDs; !slices.Equal(ids, []string{"fernet"}) {
					t.Errorf("the fetcher asks for the options %q, expected fernet", ids)
				}
			case !errors.As(err, &why) || why.Code != c.code || !strings.Contains(err.Error(), name+":") && !strings.Contains(err.Error(), name+" "):
				t.Errorf("the fetcher says %v, expected %s with %s", err, c.code, name)
			}
		})
	}
}
