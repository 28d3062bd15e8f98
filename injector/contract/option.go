package contract

import (
	"path"
	"slices"
	"strings"
)

// Option is one of Airflow's own options that comes from a secret.
type Option struct {
	Section string `json:"section"`
	Key     string `json:"key"`
	// ID is what follows the prefix in the secret's name.
	ID string `json:"id"`
	// Former says that it stood in a variable for a secrets backend (_SECRET), and not in an annotation.
	Former bool `json:"former,omitempty"`
}

// String is the option as airflow-secrets/config names it.
func (o Option) String() string { return o.Section + "." + o.Key }

// Env is the variable that sets it. With _CMD at its end it names a command whose output is the value, with _SECRET an id in
// the secrets backend; Airflow prefers them in this order.
func (o Option) Env() string { return EnvName(o.Section, o.Key) }

// FromCommand says whether Airflow takes the option from a command's output. Any other one can only be set by its variable.
func (o Option) FromCommand() bool {
	_, ok := FindOption(o.String())
	return ok
}

// renamed maps options to their newer names, which Airflow prefers from some version on (deprecated_options of its
// AirflowConfigParser).
var renamed = map[string]Option{
	"core.sql_alchemy_conn":       {Section: "database", Key: "sql_alchemy_conn"},
	"core.dataset_manager_kwargs": {Section: "core", Key: "asset_manager_kwargs"},
	"webserver.secret_key":        {Section: "api", Key: "secret_key"},
}

// Rivals are the variables that Airflow prefers to a command that gives the option.
func (o Option) Rivals() []string {
	rivals := []string{o.Env()}
	if newer, ok := renamed[o.String()]; ok {
		rivals = append(rivals, newer.Env(), newer.Env()+"_CMD", newer.Env()+"_SECRET")
	}
	return rivals
}

// Command is what Airflow runs to get the value from its file: no shell, and no newline added.
func (o Option) Command(directory string) string {
	return "cat " + path.Join(directory, OptionsDirectory, o.ID)
}

// sensitiveOptions are those that Airflow takes from a command's output, or from a backend: conf.sensitive_config_values on
// 2.8 to 3.3, with the providers that add to them. On every other option it ignores _CMD and _SECRET.
var sensitiveOptions = options(
	"api.secret_key", "api_auth.jwt_secret", "atlas.password", "celery.broker_url", "celery.flower_basic_auth", "celery.result_backend",
	"celery_broker_transport_options.sentinel_kwargs", "celery_result_backend_transport_options.sentinel_kwargs", "core.asset_manager_kwargs",
	"core.dataset_manager_kwargs", "core.fernet_key", "core.internal_api_secret_key", "core.sql_alchemy_conn", "database.sql_alchemy_conn",
	"database.sql_alchemy_conn_async", "database.sql_alchemy_engine_args", "logging.remote_task_handler_kwargs",
	"opensearch.password", "sentry.sentry_dsn", "smtp.smtp_password", "webserver.secret_key",
)

func options(names ...string) []Option {
	var all []Option
	for _, name := range names {
		section, key, _ := strings.Cut(name, ".")
		all = append(all, Option{Section: section, Key: key})
	}
	return all
}

// FindOption finds one of the options that Airflow takes from a command's output, by section.key.
func FindOption(name string) (Option, bool) {
	i := slices.IndexFunc(sensitiveOptions, func(o Option) bool { return o.String() == name })
	if i < 0 {
		return Option{}, false
	}
	return sensitiveOptions[i], true
}

// OptionNames lists them.
func OptionNames() []string {
	names := make([]string, len(sensitiveOptions))
	for i, o := range sensitiveOptions {
		names[i] = o.String()
	}
	return names
}

// OptionOfSecretEnv finds the option that a variable takes from the secrets backend, such as
// AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET.
func OptionOfSecretEnv(variable string) (Option, bool) {
	name, ok := strings.CutSuffix(variable, "_SECRET")
	i := slices.IndexFunc(sensitiveOptions, func(o Option) bool { return o.Env() == name })
	if !ok || i < 0 {
		return Option{}, false
	}
	return sensitiveOptions[i], true
}
