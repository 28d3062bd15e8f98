package pods

import (
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// changes are the ways in which generated pods differ from those they start from.
var changes = []func(object, *inputs.Choices){
	object.addEnv, object.addEnv, object.addEnv, object.repeatEnv, object.addContainer, object.addContainer, object.dropContainer,
	object.rename, object.emptyList, object.addEnvFrom, object.addMount, object.addVolume, object.secure, object.size, object.plant,
	object.plant, object.plant, object.argue, object.wrap, object.describe, object.addOption, object.addOption, object.refer,
}

// The names of containers that the charts and the tools beside Airflow give.
var (
	airflowNames = []string{"base", "scheduler", "worker", "triggerer", "dag-processor", "webserver", "api-server", "flower",
		"wait-for-airflow-migrations", "run-airflow-migrations", "create-user", "airflow-cleanup-pods", "airflow-scheduler", "airflow-web",
		"airflow-worker", "airflow-triggerer", "airflow-flower", "check-db", "wait-for-db-migrations", "db-migrations", "sync-airflow-users"}
	sideNames = []string{"git-sync", "git-sync-init", "dags-git-sync", "dags-git-clone", "worker-log-groomer", "scheduler-log-groomer",
		"triggerer-log-groomer", "dag-processor-log-groomer", "log-cleanup", "install-pip-packages", "volume-permissions", "pgbouncer",
		"metrics-exporter", "statsd", "redis", "worker-kerberos", "airflow-xcom-sidecar", "istio-proxy", "istio-init", "linkerd-proxy", "linkerd-init", "vault-agent"}
	plainNames = []string{"main", "second", "prepare", "agent", "x"}
	meshNames  = []string{"istio-proxy", "linkerd-proxy"}
)

// settings are annotations that can be followed, each with values for it.
var settings = []struct {
	key    string
	values []string
}{
	{"region", []string{"eu-central-1", "us-gov-west-1", ""}},
	{"connections-prefix", []string{"team/connections", "none", "a", "airflow//connections/"}},
	{"variables-prefix", []string{"team/variables", "none"}},
	{"config-prefix", []string{"team/config"}},
	{"sep", []string{"-", "__", "/"}},
	{"endpoint-url", []string{"https://vpce-1.example.com", "http://localhost:4566/$(X)", ""}},
	{"read", []string{"auto", "batch", "single"}},
	{"containers", []string{"", "base", "worker, airflow-worker,scheduler,airflow-scheduler,base,triggerer", "main,airflow-web"}},
	{"image", []string{"registry.example.com/a/fetcher:1.0.0", "fetcher"}},
	{"resources", []string{`{}`, `{"limits":{"memory":"128Mi"}}`, `{"limits":{"cpu":1},"requests":{"cpu":"0.5"}}`}},
	{"file-mode", []string{"0444", "0400", "440", "0644"}},
	{"timeout", []string{"1s", "90s", "10m"}},
	{"config", []string{"core.fernet_key=fernet", "celery.broker_url=celery/broker, database.sql_alchemy_conn=db/metadata", "core.fernet_key=team=a"}},
	{"deliver", []string{"env", "env", "files"}},
	{"connections", []string{"db,http/api", "db", "db,http/api", "api", "api", "db,Db,a=b"}},
	{"on-invalid", []string{"warn", "fail"}},
	{"entrypoint", []string{"/usr/bin/dumb-init -- /entrypoint", "/usr/bin/tini --  /start.sh", "/start", "/start", ""}},
	{"shared-account", []string{"444455556666", ""}},
	{"shared-role-arn", []string{"arn:aws:iam::444455556666:role/airflow"}},
	{"shared-connections", []string{"warehouse", "a,b"}},
	{"shared-connections-prefix", []string{"none", "none", "core/connections"}},
	{"shared-config-prefix", []string{"core/config"}},
	{"backend-kwargs", []string{`{"connections_prefix": "team", "sep": "/"}`, `{"shared_account": "444455556666"}`}},
	{"status", []string{"injected", "not-annotated", "forged\n\"" + PodCanary + "\""}},
}

// mistakes are annotations that cannot be followed. Those with a canary may not be repeated.
var mistakes = [][2]string{
	{"regoin", "eu-central-1"}, {"region", "eu-central-1a"}, {"timeout", "11m"}, {"file-mode", "0777"}, {"containers", "a,,b"}, {"containers", "not-there"},
	{"containers", "git-sync"}, {"resources", "{"}, {"image", "UPPER:CASE:"}, {"sep", ""}, {"read", "fast\n\"quoted\"; 'x'`\\"}, {"connections-prefix", ""},
	{"deliver", "environment"}, {"entrypoint", "/a \"$(B)\""}, {"config", "core.dags_folder=dags"}, {"config", "secrets.backend=a"}, {"config", "core.fernet_key_cmd=a"}, {"config", "core.fernet_key=../up"}, {"config", "core.fernet_key"}, {"config", "core.fernet_key=a,core.fernet_key=b"},
	{"shared-account", "44445555666"}, {"shared-role-arn", "arn:aws:iam::1:role/x"}, {"shared-external-id", "x y"}, {"shared-variables", ","}, {"", ""}, {"ü/ß", "\u2028\u0000"}, {"inject", "yes"}, {"inject", ""}, {"inject", "TRUE "},
	{"endpoint-url", "https://user:" + PodCanary + "@example.com"}, {"backend-kwargs", `{"aws_secret_access_key":"` + PodCanary + `"}`},
}

// annotate sets annotations of ours, most of which can be followed, and some of others.
func (o object) annotate(c *inputs.Choices) {
	const prefix = "airflow-secrets/"
	at := o.annotations()
	at["kubectl.kubernetes.io/last-applied-configuration"] = `{"password":"` + PodCanary + `"}`
	for range c.Below(4) {
		s := inputs.Of(c, settings...)
		at[prefix+s.key] = inputs.Of(c, s.values...)
	}
	if c.OneIn(3) {
		at[prefix+"deliver"] = "env"
		if c.OneIn(3) {
			at[prefix+"config"] = inputs.Of(c, "core.dags_folder=dags", "core.fernet_key=fernet,kubernetes_executor.namespace=a/b, logging.remote_base_log_folder=logs")
		}
	}
	if c.OneIn(10) {
		wrong := inputs.Of(c, mistakes...)
		at[prefix+wrong[0]] = wrong[1]
	}
	switch c.Below(64) {
	case 61:
		at[prefix+"inject"] = "false"
	case 62:
		delete(at, prefix+"inject")
	case 63:
		for key := range at {
			if strings.HasPrefix(key, prefix) {
				delete(at, key)
			}
		}
	}
}

// addContainer adds one anywhere among the main or the init containers.
func (o object) addContainer(c *inputs.Choices) {
	names := inputs.Of(c, airflowNames, sideNames, plainNames)
	added := object{"name": inputs.Of(c, names...), "image": inputs.Of(c, "apache/airflow:3.1.8", "example.com/x:1", "")}
	switch c.Below(8) {
	case 1:
		added["env"] = nil
	case 2:
		added["env"], added["volumeMounts"] = []any{}, []any{}
	case 3:
		added["env"] = []any{map[string]any{"name": "AIRFLOW__CORE__FERNET_KEY", "value": PodCanary}}
	case 4:
		added["resources"] = map[string]any{"limits": map[string]any{"cpu": "1", "memory": "1Gi"}}
	}
	key := "containers"
	if c.OneIn(2) {
		key = "initContainers"
	}
	switch {
	case key == "initContainers" && c.OneIn(3):
		added["name"], added["restartPolicy"] = inputs.Of(c, meshNames...), "Always"
	case c.OneIn(100):
		added["name"] = contract.ContainerName // which is ours
	}
	o.spec().insert(c, key, added)
}

func (o object) dropContainer(c *inputs.Choices) {
	key := inputs.Of(c, "initContainers", "containers")
	if len(o.spec().objects(key)) > 1 || c.OneIn(16) {
		o.spec().without(c, key)
	}
}

func (o object) rename(c *inputs.Choices) {
	o.any(c)["name"] = inputs.Of(c, inputs.Of(c, airflowNames, sideNames, plainNames)...)
}

// emptyList takes a list away in one of the three ways in which there can be none.
func (o object) emptyList(c *inputs.Choices) {
	from, key := o.any(c), inputs.Of(c, "env", "volumeMounts", "envFrom", "command", "args")
	if c.OneIn(4) {
		from, key = o.spec(), inputs.Of(c, "volumes", "initContainers")
	}
	switch c.Below(3) {
	case 0:
		delete(from, key)
	case 1:
		from[key] = nil
	case 2:
		from[key] = []any{}
	}
}

// addEnv adds a variable of the kinds that matter to us: those that choose the backend, that override it, that lead to
// AWS, and that have nothing to do with us and are nobody's business.
func (o object) addEnv(c *inputs.Choices) {
	of := contract.BackendEnv()[c.Below(2)]
	value := inputs.Of(c, "", takenCanary, `{"a": "`+takenCanary+`"}`, `{"connections_prefix": "team", "aws_access_key_id": "AKIA", "aws_secret_access_key": "`+takenCanary+`"}`)
	e := object{"name": "SECRET", "value": PodCanary}
	switch c.Below(10) {
	case 0:
		e["name"], e["value"] = of.KwargPrefix+inputs.Of(c, "SEP", "", "CONNECTIONS_PREFIX"), value
	case 1:
		e["name"], e["value"] = inputs.Of(c, of.Backend, of.Kwargs)+inputs.Of(c, "_CMD", "_SECRET"), value
	case 2:
		e["name"], e["value"] = of.Kwargs, inputs.Of(c, value, contract.BackendKwargs(contract.Directory))
	case 3:
		e["name"], e["value"] = of.Backend, inputs.Of(c, "", contract.LocalFilesystemBackend)
		if c.OneIn(2) {
			e["value"] = inputs.Of(c, contract.SecretsManagerBackend, contract.SecretsManagerBackend, contract.SecretsManagerBackend, "airflow.providers.hashicorp.secrets.vault.VaultBackend")
		}
	case 4, 5:
		e["name"] = inputs.Of(c, "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE", "AWS_CONFIG_FILE", "https_proxy", "NO_PROXY", "PROXY_PASSWORD")
		e["value"] = inputs.Of(c, "eu-west-1", takenCanary, "/token/token", "/etc/ssl/ca.pem", contract.Directory+"/files/config", contract.ExecDirectory+"/x", "/", "http://a:$(PROXY_PASSWORD)@b")
	case 6:
		e["name"] = inputs.Of(c, "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_DB", "X")
	case 7:
		e["name"], e["value"] = inputs.Of(c, "AIRFLOW__CORE__FERNET_KEY_SECRET", "AIRFLOW__CORE__MULTI_TEAM"), inputs.Of(c, takenCanary, "False", "True")
	}
	switch c.Below(8) {
	case 5:
		delete(e, "value") // which is empty to Kubernetes
	case 6:
		if name, _ := e["name"].(string); name != of.Backend || c.OneIn(8) {
			delete(e, "value")
			e["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": "s", "key": "k"}}
		}
	case 7:
		e["valueFrom"] = nil
	}
	if c.OneIn(3) {
		e["planted"] = "a field of a later Kubernetes"
	}
	o.any(c).insert(c, "env", e)
}

// repeatEnv gives a container one of its variables a second time, perhaps with another value.
func (o object) repeatEnv(c *inputs.Choices) {
	from := o.any(c)
	all := from.objects("env")
	if len(all) == 0 {
		return
	}
	e := inputs.Of(c, all...)
	again := object{"name": e["name"], "value": e["value"]}
	switch name, _ := e["name"].(string); {
	case strings.HasSuffix(name, "BACKEND") || !c.OneIn(2):
	case name == "SECRET" || strings.HasPrefix(name, "AIRFLOW") && !strings.Contains(name, "BACKEND") && !strings.HasSuffix(name, "_SECRET") && !strings.HasSuffix(name, "_TEAM"):
		again["value"] = PodCanary
	default: // it may lead to AWS or choose a backend, or be named by one that does
		again["value"] = takenCanary
	}
	from.insert(c, "env", again)
}

func (o object) addEnvFrom(c *inputs.Choices) {
	kind, name := inputs.Of(c, "secretRef", "configMapRef"), inputs.Of(c, "a", "b")
	o.any(c).insert(c, "envFrom", object{kind: map[string]any{"name": name}})
}

// addMount mounts a volume, rarely ours or over ours.
func (o object) addMount(c *inputs.Choices) {
	m := object{"name": inputs.Of(c, "token", "certificates"), "mountPath": inputs.Of(c, "/token", "/etc/ssl/", "/", "/var/run/secrets")}
	switch c.Below(16) {
	case 14:
		m = inputs.Of(c, object{"name": contract.VolumeName, "mountPath": contract.Directory}, object{"name": contract.ExecVolumeName, "mountPath": contract.ExecDirectory})
	case 15:
		m["mountPath"] = inputs.Of(c, contract.Directory, contract.ExecDirectory) + inputs.Of(c, "", "/x")
	}
	if to := o.any(c); !strings.Contains(string(encode(to)), `"mountPath":"`+m["mountPath"].(string)+`"`) { // a path can be mounted once
		to.insert(c, "volumeMounts", m)
	}
}

func (o object) addVolume(c *inputs.Choices) {
	v := object{"name": inputs.Of(c, "token", "certificates"), "emptyDir": map[string]any{}}
	switch c.Below(16) {
	case 14:
		v = object{"name": inputs.Of(c, contract.VolumeName, contract.ExecVolumeName), "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "1Mi"}}
	case 15:
		v["name"] = inputs.Of(c, contract.VolumeName, contract.ExecVolumeName)
	}
	o.spec().insert(c, "volumes", v)
}

// secure says who the pod, or a container, runs as.
func (o object) secure(c *inputs.Choices) {
	from := o.any(c)
	if c.OneIn(2) {
		from = o.spec()
	}
	from["securityContext"] = inputs.Of[any](c, nil, map[string]any{}, map[string]any{"runAsUser": 0}, map[string]any{"runAsUser": 50000, "runAsGroup": 0},
		map[string]any{"runAsUser": 1000, "fsGroup": 0}, map[string]any{"runAsNonRoot": true})
}

// size gives one container, or all of them, requests and limits.
func (o object) size(c *inputs.Choices) {
	resources := inputs.Of[any](c, nil, map[string]any{}, map[string]any{"limits": map[string]any{"cpu": 1, "memory": "1Gi"}},
		map[string]any{"limits": map[string]any{"cpu": "1", "memory": "1Gi"}, "requests": map[string]any{"cpu": "1000m", "memory": "1024Mi"}},
		map[string]any{"requests": map[string]any{"cpu": "0", "example.com/gpu": "1"}}, map[string]any{"limits": nil})
	if c.OneIn(64) {
		resources = map[string]any{"limits": map[string]any{"cpu": "a lot"}} // which is no pod
	}
	all := o.containers()
	if c.OneIn(2) {
		all = []object{o.any(c)}
	}
	for _, container := range all {
		container["resources"] = resources
	}
}

// plant adds a field that no released type knows, in any kind of object that has a name or is the pod's own.
func (o object) plant(c *inputs.Choices) {
	from := inputs.Of(c, o, o.in("metadata"), o.spec(), o.any(c), o.any(c), o.any(c))
	if under := from.objects(inputs.Of(c, "env", "volumeMounts", "envFrom", "volumes", "ports", "containers")); len(under) > 0 && c.OneIn(2) {
		from = inputs.Of(c, under...)
	}
	from[inputs.Of(c, "planted", "Env", "x-<&>", "~1/~0")] = inputs.Of[any](c, "ü$(X)", nil, map[string]any{"a": []any{1.5, nil, 1 << 60}}, []any{}, true)
}

// argue plants the canary where Airflow 3 has its token.
func (o object) argue(c *inputs.Choices) {
	o.any(c)[inputs.Of(c, "args", "command")] = []any{"python", "--token", PodCanary}
}

// wrap gives a container a command that our program stands before, however it got there.
func (o object) wrap(c *inputs.Choices) {
	command := inputs.Of(c, nil, []any{"/usr/bin/dumb-init", "--", "/entrypoint"}, []any{"python", "--token", PodCanary})
	for range 1 + c.Below(2) {
		command = append([]any{wrapper[0], wrapper[1], wrapper[2]}, command...)
	}
	o.any(c)[inputs.Of(c, "command", "command", "args")] = command
}

// refer has a container name a variable in another one's value, or in what it runs.
func (o object) refer(c *inputs.Choices) {
	name := "$(AIRFLOW__" + inputs.Of(c, "CORE__FERNET_KEY", "CORE__DAGS_FOLDER", "SECRETS__BACKEND_KWARGS", "SECRETS__BACKEND_CMD") + ")"
	if to := o.any(c); c.OneIn(2) {
		to.insert(c, "env", object{"name": "REFERS", "value": inputs.Of(c, "", "$$") + name})
	} else {
		to[inputs.Of(c, "args", "command")] = []any{"airflow", "--of=" + name}
	}
}

// describe changes what tells the pod apart from others.
func (o object) describe(c *inputs.Choices) {
	m := o.in("metadata")
	switch c.Below(4) {
	case 0:
		m["name"] = "worker-0"
	case 1:
		delete(m, "name")
		m["generateName"] = "a\n\"b-"
	case 2:
		m["labels"] = map[string]any{"token": PodCanary, "kubernetes_pod_operator": "True"}
	case 3:
		o.annotations()["planted"] = PodCanary
	}
}
