package contract_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

const (
	aws   = contract.SecretsManagerBackend
	local = contract.LocalFilesystemBackend
	vault = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
)

// TestFind looks for backends where Airflow looks, in the environment and in airflow.cfg, of which the names are here
// "section option".
func TestFind(t *testing.T) {
	tests := map[string]struct {
		env, cfg map[string]string
		workers  bool

		name, prefix string // of the option with the class, and connections_prefix; both are empty if there is no backend
		code         contract.Code
		says         string
	}{
		"nothing":            {},
		"in the environment": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_prefix": "env"}`}, name: "AIRFLOW__SECRETS__BACKEND", prefix: "env"},
		"in airflow.cfg":     {cfg: map[string]string{"secrets backend": aws, "secrets backend_kwargs": `{"connections_prefix": "cfg"}`}, name: "secrets backend", prefix: "cfg"},
		"class here, kwargs there": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws}, cfg: map[string]string{"secrets backend_kwargs": `{"connections_prefix": "cfg"}`},
			name: "AIRFLOW__SECRETS__BACKEND", prefix: "cfg"},
		"the environment beats airflow.cfg": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_prefix": "env"}`},
			cfg: map[string]string{"secrets backend": vault, "secrets backend_kwargs": `{"url": "x"}`}, name: "AIRFLOW__SECRETS__BACKEND", prefix: "env"},
		"an empty class is none":                   {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": ""}, cfg: map[string]string{"secrets backend": aws}},
		"kwargs without a class":                   {env: map[string]string{"AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_prefix": "env"}`}},
		"empty kwargs":                             {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": " "}, name: "AIRFLOW__SECRETS__BACKEND"},
		"a class with white space":                 {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws + "\n"}, name: "AIRFLOW__SECRETS__BACKEND"},
		"where tasks run, [workers] comes first":   {workers: true, env: map[string]string{"AIRFLOW__SECRETS__BACKEND": local, "AIRFLOW__WORKERS__SECRETS_BACKEND": aws}, name: "AIRFLOW__WORKERS__SECRETS_BACKEND"},
		"and has kwargs of its own":                {workers: true, env: map[string]string{"AIRFLOW__WORKERS__SECRETS_BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_prefix": "x"}`}, name: "AIRFLOW__WORKERS__SECRETS_BACKEND"},
		"where none run, [secrets] does":           {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__WORKERS__SECRETS_BACKEND": local}, name: "AIRFLOW__SECRETS__BACKEND"},
		"without [workers], workers use [secrets]": {workers: true, cfg: map[string]string{"secrets backend": aws}, name: "secrets backend"},
		"an argument of its own variable": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_prefix": "json"}`,
			"AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX": "variable", "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__CONNECTIONS_PREFIX": "not this"}, name: "AIRFLOW__SECRETS__BACKEND", prefix: "variable"},
		"LocalFilesystemBackend without files": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": local, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{}`}},
		"LocalFilesystemBackend with files":    {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": local, "AIRFLOW__SECRETS__BACKEND_KWARGS": `{"connections_file_path": "/hunter2"}`}, code: contract.ForeignBackend, says: "with files of its own (AIRFLOW__SECRETS__BACKEND_KWARGS)"},
		"LocalFilesystemBackend with ours":     {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": local, "AIRFLOW__SECRETS__BACKEND_KWARGS": contract.BackendKwargs(contract.Directory)}},
		"one of airflow.cfg":                   {cfg: map[string]string{"secrets backend": local, "secrets backend_kwargs": `{"variables_file_path": "/x"}`}, code: contract.ForeignBackend, says: "secrets backend is airflow.secrets.local_filesystem"},

		"another class":           {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": vault}, code: contract.ForeignBackend, says: "AIRFLOW__SECRETS__BACKEND is " + vault},
		"one that others run":     {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__WORKERS__SECRETS_BACKEND": vault}, code: contract.ForeignBackend, says: "AIRFLOW__WORKERS__SECRETS_BACKEND is " + vault},
		"no class at all":         {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": `{"token": "hunter2"}`}, code: contract.ForeignBackend, says: "not the name of a class"},
		"one in airflow.cfg":      {cfg: map[string]string{"secrets backend": vault}, code: contract.ForeignBackend, says: "secrets backend is " + vault},
		"that of two accounts":    {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": contract.SharedBackend}, name: "AIRFLOW__SECRETS__BACKEND"},
		"kwargs that are no JSON": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS": "hunter2"}, code: contract.InvalidKwargs, says: "AIRFLOW__SECRETS__BACKEND_KWARGS: expected a JSON object"},
		"kwargs of a command":     {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS_CMD": "cat /x"}, code: contract.InvalidKwargs, says: "AIRFLOW__SECRETS__BACKEND_KWARGS_CMD: expected the kwargs themselves"},
		"a command beats a file":  {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS_CMD": "cat /x"}, cfg: map[string]string{"secrets backend_kwargs": "{}"}, code: contract.InvalidKwargs, says: "_KWARGS_CMD"},
		"a text beats a command":  {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__SECRETS__BACKEND_KWARGS_CMD": "cat /x", "AIRFLOW__SECRETS__BACKEND_KWARGS": "{}"}, name: "AIRFLOW__SECRETS__BACKEND"},

		"several teams":             {env: map[string]string{"AIRFLOW__CORE__MULTI_TEAM": "True"}, code: contract.MultiTeam, says: "AIRFLOW__CORE__MULTI_TEAM"},
		"several teams, annotated":  {env: map[string]string{"AIRFLOW__CORE__MULTI_TEAM": "True # teams"}, code: contract.MultiTeam, says: "AIRFLOW__CORE__MULTI_TEAM"},
		"one team":                  {env: map[string]string{"AIRFLOW__CORE__MULTI_TEAM": "False"}},
		"an option of the backend":  {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET": "db"}, code: contract.OptionFromBackend, says: "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET: set the annotation airflow-secrets/config to database.sql_alchemy_conn=ID"},
		"one in airflow.cfg, too":   {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws}, cfg: map[string]string{"celery broker_url_secret": "broker"}, code: contract.OptionFromBackend, says: "celery broker_url_secret"},
		"one that is set as well":   {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__CORE__FERNET_KEY": "k", "AIRFLOW__CORE__FERNET_KEY_SECRET": "fernet"}, name: "AIRFLOW__SECRETS__BACKEND"},
		"an option of no backend":   {env: map[string]string{"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET": "db"}},
		"an option that ends in it": {env: map[string]string{"AIRFLOW__SECRETS__BACKEND": aws, "AIRFLOW__API_AUTH__JWT_SECRET": "x"}, name: "AIRFLOW__SECRETS__BACKEND"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			finder := contract.Finder{
				Places:  []contract.Lookup{contract.InEnv(func(name string) (string, bool) { value, ok := test.env[name]; return value, ok }), inCfg(test.cfg)},
				Env:     test.env,
				Workers: test.workers,
			}
			found, err := finder.Find()
			var why *contract.Error
			switch {
			case test.code == "" && err != nil, test.code != "" && (!errors.As(err, &why) || why.Code != test.code):
				t.Fatalf("error is %v, expected code %q", err, test.code)
			case err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("error is %v, expected %q and no value", err, test.says)
			case err != nil:
				return
			}
			prefix, _ := found.Kwargs["connections_prefix"].(string)
			if found.Name != test.name || prefix != test.prefix {
				t.Errorf("found %+v, expected %q with prefix %q", found, test.name, test.prefix)
			}
		})
	}
}

func inCfg(options map[string]string) contract.Lookup {
	return func(section, option string) (string, string, error) {
		name := section + " " + option
		if value, ok := options[name]; ok {
			return value, name, nil
		}
		return "", "", nil
	}
}

// A place that cannot be read ends the search, unless only its being there counts.
func TestFindWhatCannotBeRead(t *testing.T) {
	unreadable := errors.New("a reference to a variable")
	for name, fails := range map[string]bool{"secrets backend": true, "secrets backend_kwargs": true, "database sql_alchemy_conn": false} {
		finder := contract.Finder{Places: []contract.Lookup{func(section, option string) (string, string, error) {
			switch at := section + " " + option; at {
			case name:
				return "", at, unreadable
			case "secrets backend":
				return aws, at, nil
			}
			return "", "", nil
		}}}
		if _, err := finder.Find(); errors.Is(err, unreadable) != fails {
			t.Errorf("%s cannot be read: error is %v, expected one: %v", name, err, fails)
		}
	}
}

func TestOptionOfSecretEnv(t *testing.T) {
	for variable, want := range map[string]string{
		"AIRFLOW__CORE__FERNET_KEY_SECRET": "core.fernet_key", "AIRFLOW__API_AUTH__JWT_SECRET": "", "AIRFLOW__API_AUTH__JWT_SECRET_SECRET": "api_auth.jwt_secret",
		"AIRFLOW__CORE__FERNET_KEY": "", "AIRFLOW__CORE__DAGS_FOLDER_SECRET": "",
	} {
		if o, ok := contract.OptionOfSecretEnv(variable); ok != (want != "") || ok && o.String() != want {
			t.Errorf("%s is of the option %v (%v), expected %q", variable, o, ok, want)
		}
	}
}
