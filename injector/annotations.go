package injector

import (
	"slices"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Prefix starts every annotation of ours.
const Prefix = "airflow-secrets/"

// The two keys that are no settings: the question and the answer.
const (
	injectKey = "inject"
	statusKey = "status"
)

// row is one annotation: all that parsing, validation, the cluster's defaults and the reference need to know of it.
type row struct {
	key  string // without Prefix
	name string // with it
	// set parses a value into the settings; its error says only what was expected. A nil one is not built yet.
	set     func(*settings, string) error
	builtIn string // the default, written as a user would write it
	doc     string // one line
	example string
	hidden  bool // the value may hold a secret, so it is never repeated
	podOnly bool // cannot be a cluster default
}

// exclusive are keys of which a pod may have one.
var exclusive = [][2]string{
	{"connections", "connections-lookup-pattern"},
	{"variables", "variables-lookup-pattern"},
	{"credentials-secret", "web-identity-role-arn"},
}

// table is every annotation there is, in the order of its documentation.
var table = named(
	[]row{
		{key: injectKey, set: ignore, podOnly: true, example: "true", doc: "`true` asks for secrets, `false` declines. Any other key below needs it."},
	},
	perKind(func(kind string) row {
		return row{key: kind + "-prefix", set: into(parsePrefix, func(s *settings) *prefix { return &s.namesOf(kind).prefix }),
			builtIn: "airflow/" + kind, example: "team-a/" + kind, doc: prefixDoc(kind)}
	}),
	[]row{
		{key: "sep", set: into(parseSeparator, func(s *settings) *string { return &s.separator }),
			builtIn: "/", example: "-", doc: "What stands between the prefix and the Airflow id in a secret's name."},
	},
	perKind(func(kind string) row {
		return row{key: kind + "-lookup-pattern", set: into(parsePattern, func(s *settings) *string { return &s.namesOf(kind).pattern }),
			example: "^aws_", doc: patternDoc(kind)}
	}),
	[]row{
		{key: "connections", set: into(parseIDs, func(s *settings) *[]string { return &s.connections.ids }),
			example: "db,http/api", doc: "These connection ids instead of all under the prefix, so that nothing has to be listed. One that cannot be delivered fails the pod."},
		{key: "variables", set: into(parseIDs, func(s *settings) *[]string { return &s.variables.ids }),
			example: "region", doc: "These variable ids instead of all under the prefix, in the same way."},
		{key: "config", set: into(parseOptions, func(s *settings) *[]contract.Option { return &s.options }),
			example: "celery.broker_url=broker", doc: "Options of Airflow's own to deliver, each as `section.key=id`, with commas between them, by the names that they have in your version of Airflow: one by a former name is beaten by the current one, or not read at all. Those that Airflow takes from a command (`_CMD`) come in files: " + optionDoc() + ". " +
				"Any other one but the secrets backend itself needs `deliver: env`; its secret then comes before what the container has for it, be it in `env`, where it is removed, or by `envFrom`."},
		{key: "shared-account", set: into(parseAccount, func(s *settings) *string { return &s.shared.account }),
			example: "444455556666", doc: "The account whose secrets back up those of the pod's own. It needs `shared-role-arn`, or ids."},
		{key: "shared-region", set: into(parseRegion, func(s *settings) *string { return &s.shared.region }),
			example: "eu-central-1", doc: "The shared account's region; by default that of the pod's own."},
		{key: "shared-role-arn", set: into(parseRole, func(s *settings) *string { return &s.shared.roleARN }),
			example: "arn:aws:iam::444455556666:role/airflow", doc: "A role there that may list and read its secrets. Without one, nothing can be discovered there. An empty one is none, whatever the cluster's default is: ids are then read by ARN."},
		{key: "shared-external-id", set: into(parseExternalID, func(s *settings) *string { return &s.shared.externalID }),
			example: "team-a", doc: "The external id that the role of `shared-role-arn` asks for."},
	},
	perKind(func(kind string) row {
		return row{key: "shared-" + kind + "-prefix", set: into(parseSharedPrefix, func(s *settings) **prefix { return &s.sharedOf(kind).prefix }),
			example: "core/" + kind, doc: sharedDoc(kind)}
	}),
	[]row{
		{key: "shared-connections", set: into(parseIDs, func(s *settings) *[]string { return &s.shared.connections.ids }),
			example: "warehouse", doc: "These connection ids of the shared account. Without a role there they are read by ARN, which the secrets' resource policies and their key have to allow."},
		{key: "shared-variables", set: into(parseIDs, func(s *settings) *[]string { return &s.shared.variables.ids }),
			example: "region", doc: "These variable ids of the shared account, in the same way."},
		{key: "region", set: into(parseRegion, func(s *settings) *string { return &s.region }),
			example: "eu-central-1", doc: "The AWS region; by default what the container's environment says."},
		{key: "endpoint-url", set: into(parseEndpoint, func(s *settings) *string { return &s.endpointURL }), hidden: true,
			example: "https://vpce-0a1b.secretsmanager.eu-central-1.vpce.amazonaws.com", doc: "The address of Secrets Manager and STS instead of AWS's public ones."},
		{key: "role-arn", set: into(parseRole, func(s *settings) *string { return &s.roleARN }),
			example: "arn:aws:iam::111122223333:role/airflow", doc: "A role to assume from the identity the pod has."},
		{key: "external-id", set: into(parseExternalID, func(s *settings) *string { return &s.externalID }),
			example: "team-a", doc: "The external id that the role of `role-arn` asks for."},
		{key: "web-identity-role-arn", set: into(parseRole, func(s *settings) *string { return &s.webIdentityRoleARN }),
			example: "arn:aws:iam::111122223333:role/airflow", doc: "A role to assume with a service account token (audience `sts.amazonaws.com`) that only the init container sees."},
		{key: "credentials-secret", set: into(parseSecretName, func(s *settings) *string { return &s.credentialsSecret }),
			example: "airflow-aws", doc: "A Kubernetes Secret with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and maybe `AWS_SESSION_TOKEN`, which only the init container gets."},
		{key: "read", set: into(parseRead, func(s *settings) *contract.Read { return &s.read }),
			builtIn: string(contract.ReadAuto), example: "single", doc: "`auto` reads what it discovers in batches, where that is allowed and saves calls, and ids that are listed one by one; `batch` always in batches, `single` never."},
		{key: "backend-kwargs", set: into(parseKwargs, func(s *settings) *map[string]any { return &s.kwargs }), hidden: true, podOnly: true,
			example: `{"connections_prefix": "team-a"}`, doc: "SecretsManagerBackend's kwargs as JSON, instead of those that the pod has and of the keys that say the same. It may not hold access keys."},
		{key: "deliver", set: into(parseDeliver, func(s *settings) *contract.Deliver { return &s.deliver }),
			builtIn: string(contract.DeliverFiles), example: "env", doc: "`files` that Airflow reads, or `env`: environment variables that are set before each container's own command, at a constant cost per look-up, " +
				"but seen by every child process, and neither by exec probes nor by lifecycle hooks: see [env.md](env.md)."},
		{key: "containers", set: into(parseContainers, func(s *settings) *[]string { return &s.containers }),
			example: "worker,wait-for-airflow-migrations", doc: "The containers that run Airflow; by default they are recognised by name, then by AIRFLOW__ variables."},
		{key: "entrypoint", set: into(parseEntrypoint, func(s *settings) *[]string { return &s.entrypoint }),
			builtIn: "/usr/bin/dumb-init -- /entrypoint", example: `["/usr/bin/tini", "--", "/start airflow"]`,
			doc: "With `deliver: env`, the image's entrypoint, which a container that names no command runs: words with spaces between them, or a JSON list as in a Dockerfile. An empty one is for an image that has none; its containers need args, or a command. A pod of KubernetesPodOperator needs this, or a command, where its image is not Airflow's."},
		{key: "image", set: into(parseImage, func(s *settings) *string { return &s.image }), hidden: true,
			example: "registry.example.com/airflow-secrets-fetcher:1.0.0", doc: "The init container's image; by default the one the webhook was started with."},
		{key: "resources", set: into(parseResources, func(s *settings) *resources { return &s.resources }),
			builtIn: defaultResources, example: `{"limits": {"memory": "128Mi"}}`,
			doc: "The init container's requests and limits, as Kubernetes writes them; what is not given keeps its default. In a Guaranteed pod the requests are raised to the limits."},
		{key: "file-mode", set: into(parseFileMode, func(s *settings) *contract.FileMode { return &s.fileMode }),
			builtIn: "0444", example: "0440", doc: "The mode of the files. The volume is mounted only where it is needed, and read-only there. Containers with different users need `0444`, or `0440` with an fsGroup: the files belong to the user of the init container."},
		{key: "files", set: into(parseFiles, func(s *settings) *[]contract.File { return &s.files }),
			example: "ca.pem=team-a/ca#pem", doc: "Extra secrets as raw files below `" + contract.Directory + "/" + contract.FilesDirectory + "`, text or binary, each as `path=name-or-ARN`, or with `#key` for one member of a JSON object."},
		{key: "on-missing", set: into(parseResponse, func(s *settings) *contract.Response { return &s.onMissing }),
			example: "warn", doc: "`fail` or `warn`: a secret that is asked for by id or name is not there. By default it fails. Options in `config` always have to be there: Airflow would not start without."},
		{key: "on-invalid", set: into(parseResponse, func(s *settings) *contract.Response { return &s.onInvalid }),
			example: "fail", doc: "`fail` or `warn`: a value that Airflow cannot use. By default one that was discovered is left out with a warning, and one that was asked for by id fails."},
		{key: "on-empty", set: into(parseResponse, func(s *settings) *contract.Response { return &s.onEmpty }),
			example: "warn", doc: "`fail` or `warn`: nothing at all was found, not even something to leave out. By default it fails; where the prefixes come from the kwargs of a backend, it warns."},
		{key: "timeout", set: into(parseTimeout, func(s *settings) *time.Duration { return &s.timeout }),
			builtIn: "2m", example: "5m", doc: "How long the init container may try in all, from 1s to 10m; Airflow gives a queued task 10m."},
		{key: "refresh", example: "5m", doc: "How often long-lived pods read their secrets anew, or `off`."},
		{key: statusKey, set: ignore, podOnly: true, doc: "Set by airflow-secrets: `injected`, or why the pod was left alone. Never read."},
	},
)

// named puts the parts of the table together and gives each row its name.
func named(parts ...[]row) []row {
	all := slices.Concat(parts...)
	for i := range all {
		all[i].name = Prefix + all[i].key
	}
	return all
}

// perKind repeats a row for each kind of thing that Airflow looks up.
func perKind(of func(kind string) row) []row {
	return []row{of("connections"), of("variables"), of("config")}
}

func prefixDoc(kind string) string {
	if kind == "config" {
		return "The names of the secrets of the options in `config` start with this and the separator."
	}
	return "Every secret whose name starts with this and the separator is read as one of the " + kind + ". `none` turns the kind off; an empty one needs the ids in `" + kind + "`."
}

func sharedDoc(kind string) string {
	if kind == "config" {
		return "The prefix of the options in `config` in the shared account; without it none are looked for there."
	}
	return "The prefix of the " + kind + " in the shared account; without it, and without ids, none are shared."
}

// optionDoc lists the options that Airflow takes from a command.
func optionDoc() string { return "`" + strings.Join(contract.OptionNames(), "`, `") + "`" }

func patternDoc(kind string) string {
	if kind == "config" {
		return "It has no effect: options are named one by one."
	}
	return "Only those of the " + kind + " whose id matches this (Python's re.match, ignoring case) are read."
}

// into makes a parser and a place in the settings into a row's set.
func into[T any](parse func(string) (T, error), place func(*settings) *T) func(*settings, string) error {
	return func(s *settings, value string) error {
		parsed, err := parse(value)
		if err == nil {
			*place(s) = parsed
		}
		return err
	}
}

func ignore(*settings, string) error { return nil }

// rowOf finds a key's row.
func rowOf(key string) (row, bool) {
	i := slices.IndexFunc(table, func(r row) bool { return r.key == key })
	if i < 0 {
		return row{}, false
	}
	return table[i], true
}

// wrong says what is the matter with a key itself, whatever its value.
func wrong(key string) string {
	r, known := rowOf(key)
	switch {
	case !known:
		return "no known annotation" + nearest(key)
	case r.set == nil:
		return "not supported yet: remove it"
	}
	return ""
}

// ours lists the keys of ours among a pod's annotations, in order.
func ours(annotations map[string]string) []string {
	var keys []string
	for name := range annotations {
		if key, ok := strings.CutPrefix(name, Prefix); ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
