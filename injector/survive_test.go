package injector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// TestUnknownFieldsSurvive plants a field that no released type knows in every object of every pod, and looks for each of
// them afterwards in the very object it was planted in: the container of that name, the volume of that name.
func TestUnknownFieldsSurvive(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		planted := tree(t, pod)
		count := 0
		plant(planted, "", &count)
		text, _ := json.Marshal(planted)
		d := in.Decide(text, "airflow")
		if plain := in.Decide(pod, "airflow"); d.Code != plain.Code {
			t.Fatalf("with unknown fields %s (%s), without %s", d.Code, d.Message, plain.Code)
		}
		before, after := map[string][]string{}, map[string][]string{}
		places(planted, "", before)
		places(tree(t, pods.Apply(t, text, d)), "", after)
		for _, mark := range slices.Sorted(maps.Keys(before)) {
			at := before[mark][0]
			if strings.Contains(at, "KWARG__") || strings.Contains(at, "BACKEND_KWARGS") || strings.Contains(at, "_BACKEND]/valueFrom") {
				continue // an entry that has to go, or of which a second one has to, or its source
			}
			if strings.Contains(t.Name(), "option") && (strings.Contains(at, "_SECRET]") || strings.Contains(at, "SQL_ALCHEMY_CONN]") || strings.Contains(at, "_CMD]/valueFrom")) ||
				strings.Contains(string(pod), `"celery.broker_url=`) && strings.Contains(at, "CELERY__BROKER_URL]") ||
				(strings.HasSuffix(t.Name(), "/env-options") || strings.HasSuffix(t.Name(), "/told-by-an-option") || strings.HasSuffix(t.Name(), "/lost-references")) &&
					(strings.Contains(at, "FERNET_KEY]") || strings.Contains(at, "FROM_EMAIL]") || strings.Contains(at, "LOG_FOLDER]")) {
				continue // as what would win over an option's command, or over its variable
			}
			if !slices.Contains(after[mark], at) {
				t.Errorf("%s was planted in %s and is now in %q", mark, at, after[mark])
			}
		}
		if count < 4 {
			t.Fatalf("only %d fields were planted", count)
		}
	})
}

// plant adds a member to every object below a value; where Kubernetes has a map of texts it is a text.
func plant(v any, path string, count *int) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			plant(v[key], path+"/"+key, count)
		}
		*count++
		mark := fmt.Sprintf("planted-%d", *count)
		switch last := path[strings.LastIndex(path, "/")+1:]; last {
		case "annotations", "labels", "matchLabels", "nodeSelector", "requests", "limits":
			v[mark] = "1"
		default:
			v[mark] = map[string]any{"a": []any{1.5, nil, "ü$(X)"}}
		}
	case []any:
		for _, element := range v {
			plant(element, path, count)
		}
	}
}

// places maps each planted mark to where it is, list elements by their name.
func places(v any, path string, found map[string][]string) {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["name"].(string); ok {
			path += "[" + name + "]"
		}
		for key, value := range v {
			if strings.HasPrefix(key, "planted-") {
				found[key] = append(found[key], path+fmt.Sprint(value))
			}
			places(value, path+"/"+key, found)
		}
	case []any:
		for _, element := range v {
			places(element, path, found)
		}
	}
}

func tree(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// others are what other webhooks do to a pod between our first pass and the second.
var others = map[string]func(pod map[string]any){
	"prepends an init container": func(pod map[string]any) {
		prepend(pod, "initContainers", map[string]any{"name": "before-all", "image": "example.com/x:1"})
	},
	"prepends a native mesh proxy": func(pod map[string]any) {
		prepend(pod, "initContainers", map[string]any{"name": "istio-proxy", "image": "istio/proxyv2", "restartPolicy": "Always"})
	},
	"prepends a container that runs Airflow": func(pod map[string]any) {
		prepend(pod, "containers", map[string]any{"name": "triggerer", "image": "apache/airflow:2.10.0"})
	},
	"gives every container the identity of EKS": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if strings.Contains(fmt.Sprint(c["env"]), "AWS_ROLE_ARN") {
				return // it has one already
			}
			add(c, "env", map[string]any{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/airflow"})
			add(c, "env", map[string]any{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token/token"})
			add(c, "volumeMounts", map[string]any{"name": "token", "mountPath": "/token", "readOnly": true})
		})
		add(spec(pod), "volumes", map[string]any{"name": "token", "emptyDir": map[string]any{}})
	},
	"sets a backend in every container of Airflow's": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				add(c, "env", map[string]any{"name": "AIRFLOW__SECRETS__BACKEND_KWARG__SEP", "value": "-"})
				add(c, "env", map[string]any{"name": "AIRFLOW__SECRETS__BACKEND", "value": ""})
			}
		})
	},
	"gives every container of Airflow's other kwargs": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				add(c, "env", map[string]any{"name": "AIRFLOW__SECRETS__BACKEND_KWARGS", "value": `{"connections_prefix": "other"}`})
				add(c, "env", map[string]any{"name": "AIRFLOW__SECRETS__BACKEND", "value": contract.SecretsManagerBackend})
			}
		})
	},
	"mounts another airflow.cfg": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				add(c, "env", map[string]any{"name": "AIRFLOW_CONFIG", "value": "/other/airflow.cfg"})
				add(c, "volumeMounts", map[string]any{"name": "other", "mountPath": "/other"})
			}
		})
		add(spec(pod), "volumes", map[string]any{"name": "other", "configMap": map[string]any{"name": "other"}})
	},
	"takes requests and limits off": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				delete(c, "resources")
			}
		})
	},
	"adds a proxy to every container of Airflow's": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				add(c, "env", map[string]any{"name": "HTTPS_PROXY", "value": "http://proxy:3128"})
				add(c, "envFrom", map[string]any{"configMapRef": map[string]any{"name": "more"}})
			}
		})
	},
	"names a user for the pod": func(pod map[string]any) {
		spec(pod)["securityContext"] = map[string]any{"runAsUser": 1000650000}
	},
	"asks for another image": func(pod map[string]any) {
		annotations(pod)["airflow-secrets/image"] = "example.com/fetcher:2"
	},
	"takes our command for its own": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			command, _ := c["command"].([]any)
			if c["name"] != contract.ContainerName && len(command) > 0 && command[0] != contract.Exec(nil)[0] {
				c["command"] = append([]any{contract.Exec(nil)[0], contract.Exec(nil)[1], contract.Exec(nil)[2]}, command...)
			}
		})
	},
	"gives every container a command of its own": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				c["command"] = []any{"/usr/bin/dumb-init", "--", "/entrypoint"}
			}
		})
	},
	"takes the commands off": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				c["command"] = []any{}
			}
		})
	},
	"puts another program before the commands": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				c["command"] = append([]any{"/vault/vault-env"}, commandOf(pod, c)...)
			}
		})
	},
	"moves the commands to the args of another program": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				c["command"], c["args"] = []any{"/vault/vault-env"}, append(commandOf(pod, c), list(c, "args")...)
			}
		})
	},
	"moves the commands to the args of another program and asks for the other delivery": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) {
			if c["name"] != contract.ContainerName {
				c["command"], c["args"] = []any{"/vault/vault-env"}, append(commandOf(pod, c), list(c, "args")...)
			}
		})
		redeliver(pod)
	},
	"asks for variables": func(pod map[string]any) { annotations(pod)["airflow-secrets/deliver"] = "env" },
	"asks for files":     func(pod map[string]any) { annotations(pod)["airflow-secrets/deliver"] = "files" },
	"asks for variables behind another entrypoint": func(pod map[string]any) {
		annotations(pod)["airflow-secrets/deliver"], annotations(pod)["airflow-secrets/entrypoint"] = "env", "/start"
	},
	"forges the status":        func(pod map[string]any) { annotations(pod)["airflow-secrets/status"] = "forged" },
	"changes an annotation":    func(pod map[string]any) { annotations(pod)["airflow-secrets/timeout"] = "42s" },
	"writes to our own volume": func(pod map[string]any) { eachContainer(pod, makeWritable) },
	"adds defaults to ours": func(pod map[string]any) {
		eachContainer(pod, func(c map[string]any) { c["imagePullPolicy"] = "IfNotPresent" })
	},
}

// TestOthersInBetween holds a second pass over a pod that others have changed to the same end as one pass over that pod.
func TestOthersInBetween(t *testing.T) {
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		if in.Decide(pod, "airflow").Code != contract.Injected {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(others)) {
			if strings.Contains(t.Name(), "/told-by-") && strings.Contains(name, "that runs Airflow") {
				continue // a name from the charts tells more than what told before, and what is wired is not unwired
			}
			if strings.HasSuffix(t.Name(), "/kwargs-with-a-reference") && strings.Contains(name, "other kwargs") ||
				strings.HasSuffix(t.Name(), "/config-file-out-of-sight") && strings.Contains(name, "airflow.cfg") {
				continue // a variable that our container has for what was there before stays, and harms nobody
			}
			if strings.HasSuffix(t.Name(), "/env-cluster-default") && strings.Contains(name, "another program") {
				continue // it has another entrypoint there
			}
			if strings.HasSuffix(t.Name(), "/cluster-defaults") && strings.Contains(name, "image") {
				continue // it is locked there
			}
			final, changed := change(t, pod, others[name]), change(t, pass(t, in, pod), others[name])
			if d := in.Decide(final, "airflow"); !d.Allowed() {
				if again := in.Decide(changed, "airflow"); again.Message != d.Message {
					t.Errorf("%s: the final pod is refused: %s; after a pass before: %s", name, d.Message, again.Message)
				}
				continue
			}
			once, twice := pass(t, in, final), pass(t, in, changed)
			if a, b := normal(t, once), normal(t, twice); !reflect.DeepEqual(a, b) {
				one, _ := json.MarshalIndent(a, "", " ")
				two, _ := json.MarshalIndent(b, "", " ")
				t.Errorf("%s: one pass over the final pod gives\n%s\na pass before and after gives\n%s", name, one, two)
			}
			if again := in.Decide(twice, "airflow"); len(again.Operations) > 0 {
				t.Errorf("%s: a third pass still has operations: %v", name, again.Operations)
			}
		}
	})
}

// TestMirrorsImageStays keeps what a webhook of the cluster made of the image, as long as the image asked for is the same.
func TestMirrorsImageStays(t *testing.T) {
	const mirror = "mirror.example.com/fetcher:test"
	everyPod(t, func(t *testing.T, in *injector.Injector, pod []byte) {
		if in.Decide(pod, "airflow").Code != contract.Injected || strings.Contains(t.Name(), "/cluster-defaults") || strings.Contains(t.Name(), "/every-setting") {
			return // the last two name an image of their own
		}
		mirrored := change(t, pass(t, in, pod), func(pod map[string]any) {
			eachContainer(pod, func(c map[string]any) {
				if c["name"] == contract.ContainerName {
					c["image"] = mirror
				}
			})
		})
		if d := in.Decide(mirrored, "airflow"); len(d.Operations) > 0 {
			t.Errorf("a mirrored image is changed: %v", d.Operations)
		}
		newer := &injector.Injector{Defaults: in.Defaults, FetcherImage: "fetcher:newer"}
		if again := string(pass(t, newer, mirrored)); strings.Contains(again, mirror) || !strings.Contains(again, `"fetcher:newer"`) {
			t.Errorf("another image is asked for and not there: %s", again)
		}
	})
}
