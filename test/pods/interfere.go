package pods

import (
	"slices"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// interferences are what other webhooks and people do to a pod that we have patched. All that happens to pods anyhow may
// happen then too, but for what would make the pod one to be refused.
var interferences = []func(object, *inputs.Choices){
	object.addContainer, object.addEnvFrom, object.addEnvFrom, object.describe, object.size, object.plant, object.plant,
	object.addIdentity, object.addIdentity, object.addProxies, object.proxyFirst, object.override, object.addOption, object.writable, object.mirror, object.moveOurs,
	object.spoilOurs, object.unwire, object.forgeStatus, object.resettle, object.redeliver, object.redeliver, object.reverse,
	object.narrow, object.wrapForeign, object.wrapForeign,
}

// ours is the container that we added, or an object that is in no pod.
func (o object) ours() object {
	for _, c := range o.spec().objects("initContainers") {
		if c["name"] == contract.ContainerName {
			return c
		}
	}
	return object{}
}

// wired are the containers that read our files.
func (o object) wired() []object {
	return slices.DeleteFunc(o.containers(), func(c object) bool {
		return !slices.ContainsFunc(c.objects("env"), func(e object) bool { return e["name"] == contract.BackendEnv()[0].Backend })
	})
}

// addIdentity does what the identity webhook of EKS does: to every container, ours too.
func (o object) addIdentity(c *inputs.Choices) {
	for _, container := range o.containers() {
		container.insert(c, "env", object{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/airflow"})
		container.insert(c, "env", object{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/eks/token"})
		if !slices.ContainsFunc(container.objects("volumeMounts"), func(m object) bool { return m["mountPath"] == "/eks" }) {
			container.insert(c, "volumeMounts", object{"name": "eks", "mountPath": "/eks", "readOnly": true})
		}
	}
	o.spec().insert(c, "volumes", object{"name": "eks", "emptyDir": map[string]any{}})
}

func (o object) addProxies(c *inputs.Choices) {
	for _, container := range o.wired() {
		container.insert(c, "env", object{"name": inputs.Of(c, "HTTPS_PROXY", "no_proxy"), "value": inputs.Of(c, "", "http://proxy:3128")})
	}
}

// proxyFirst adds a native mesh proxy, which we then have to stand behind.
func (o object) proxyFirst(c *inputs.Choices) {
	o.spec().insert(c, "initContainers", object{"name": inputs.Of(c, meshNames...), "image": "mesh", "restartPolicy": "Always"})
}

// override adds variables that win over ours.
func (o object) override(c *inputs.Choices) {
	for _, container := range o.wired() {
		of := contract.BackendEnv()[c.Below(2)]
		container.insert(c, "env", object{"name": inputs.Of(c, of.KwargPrefix+"X", of.Kwargs+"_CMD", of.Kwargs), "value": takenCanary})
	}
}

func (o object) writable(*inputs.Choices) {
	for _, container := range o.wired() {
		for _, m := range container.objects("volumeMounts") {
			delete(m, "readOnly")
		}
	}
}

// mirror turns the images to a mirror, and fills in what an API server fills in.
func (o object) mirror(*inputs.Choices) {
	for _, container := range o.containers() {
		container["image"] = "mirror.example.com/x:1"
		container["imagePullPolicy"] = "IfNotPresent"
		container["terminationMessagePath"] = "/dev/termination-log"
	}
}

// moveOurs puts our container anywhere among the others.
func (o object) moveOurs(c *inputs.Choices) {
	list, _ := o.spec()["initContainers"].([]any)
	for i, element := range list {
		if element, _ := element.(map[string]any); element["name"] == contract.ContainerName {
			list = slices.Delete(list, i, i+1)
			o.spec()["initContainers"] = slices.Insert(list, c.Below(len(list)+1), any(element))
			return
		}
	}
}

// spoilOurs changes our container, but for what it is recognised by.
func (o object) spoilOurs(c *inputs.Choices) {
	ours := o.ours()
	switch c.Below(5) {
	case 0:
		ours[inputs.Of(c, "volumeMounts", "securityContext", "resources", "terminationMessagePolicy", "envFrom")] = nil
	case 1:
		delete(ours, inputs.Of(c, "volumeMounts", "securityContext", "resources", "terminationMessagePolicy", "envFrom"))
	case 2:
		ours["securityContext"] = map[string]any{"runAsUser": 1000, "runAsNonRoot": false}
	case 3:
		ours["resources"] = map[string]any{"requests": map[string]any{"cpu": "2", "ephemeral-storage": "1Gi"}}
	case 4:
		for _, e := range ours.objects("env") {
			e["value"] = inputs.Of(c, "", "{}", "spoilt")
		}
	}
}

// unwire takes a list of a wired container away, which then has to be told by its name.
func (o object) unwire(c *inputs.Choices) {
	all := slices.DeleteFunc(o.wired(), func(container object) bool {
		name, _ := container["name"].(string)
		return !slices.Contains(airflowNames, name)
	})
	if len(all) > 0 {
		inputs.Of(c, all...)[inputs.Of(c, "env", "volumeMounts", "command")] = inputs.Of[any](c, nil, []any{})
	}
}

func (o object) forgeStatus(c *inputs.Choices) {
	o.annotations()["airflow-secrets/status"] = inputs.Of(c, "", "forged", "declined")
}

// resettle changes what the pod asks for.
func (o object) resettle(c *inputs.Choices) {
	s := inputs.Of(c, settings...)
	o.annotations()["airflow-secrets/"+s.key] = inputs.Of(c, s.values...)
}

// redeliver asks for the other way of delivery.
func (o object) redeliver(*inputs.Choices) {
	const key = "airflow-secrets/deliver"
	if o.annotations()[key] == "env" {
		o.annotations()[key] = "files"
	} else {
		o.annotations()[key] = "env"
	}
}

// narrow asks for one container where there were several.
func (o object) narrow(c *inputs.Choices) {
	if all := o.wired(); len(all) > 0 {
		o.annotations()["airflow-secrets/containers"] = inputs.Of(c, all...)["name"]
	}
}

// wrapForeign puts another program before a container's command, as webhooks of secrets' stores do; some move all that was
// there to the args.
func (o object) wrapForeign(c *inputs.Choices) {
	to := o.any(c)
	command, _ := to["command"].([]any)
	args, _ := to["args"].([]any)
	switch {
	case to["name"] == contract.ContainerName || len(command) == 0:
	case c.OneIn(2):
		to["command"], to["args"] = []any{"/vault/vault-env"}, append(slices.Clone(command), args...)
	default:
		to["command"] = append([]any{"/vault/vault-env"}, command...)
	}
}

// reverse turns the order of the containers round.
func (o object) reverse(c *inputs.Choices) {
	list, _ := o.spec()[inputs.Of(c, "containers", "initContainers")].([]any)
	slices.Reverse(list)
}
