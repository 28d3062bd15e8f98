package fetcher_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
)

const (
	awsClass = "AIRFLOW__SECRETS__BACKEND=" + contract.SecretsManagerBackend
	kwargs   = "AIRFLOW__SECRETS__BACKEND_KWARGS="
	cfgPath  = "/opt/airflow/airflow.cfg"
)

// setup is what Configure makes of an environment, and of an airflow.cfg where there is one.
func setup(t *testing.T, config contract.Config, cfg string, environ ...string) (fetcher.Setup, error) {
	t.Helper()
	text, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return fetcher.Configure(fetcher.Options{
		Environ: append(environ, contract.ConfigEnv+"="+text),
		ReadFile: func(path string) ([]byte, error) {
			if path != cfgPath || cfg == "" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(cfg), nil
		},
	})
}

func TestConfigureTakesOver(t *testing.T) {
	tests := map[string]struct {
		takeOver contract.TakeOver
		cfg      string
		environ  []string
		region   string // none: no annotation has it
		want     func(a *contract.Account)
		former   string
	}{
		"nothing": {want: func(*contract.Account) {}},
		"the environment's kwargs": {environ: []string{awsClass, kwargs + `{"connections_prefix": "team", "variables_prefix": null}`}, former: "AIRFLOW__SECRETS__BACKEND",
			want: func(a *contract.Account) { a.Connections.Prefix, a.Variables = "team", nil }},
		"a backend without kwargs": {environ: []string{awsClass}, former: "AIRFLOW__SECRETS__BACKEND", want: func(*contract.Account) {}},
		"those of airflow.cfg": {takeOver: contract.TakeOver{ConfigFile: cfgPath}, former: "[secrets] backend of airflow.cfg",
			cfg:  "[secrets]\nbackend = " + contract.SecretsManagerBackend + "\nbackend_kwargs = {\"connections_prefix\": \"team\",\n    \"sep\": \"-\"}\n",
			want: func(a *contract.Account) { a.Connections.Prefix, a.Separator = "team", "-" }},
		"those of [workers] there": {takeOver: contract.TakeOver{ConfigFile: cfgPath, Workers: true}, former: "[workers] secrets_backend of airflow.cfg",
			cfg: "[secrets]\nbackend = " + contract.SecretsManagerBackend + "\n[workers]\nsecrets_backend = " + contract.SecretsManagerBackend +
				"\nsecrets_backend_kwargs = {\"connections_prefix\": \"team\"}\n",
			want: func(a *contract.Account) { a.Connections.Prefix = "team" }},
		"an airflow.cfg that is not there":  {takeOver: contract.TakeOver{ConfigFile: cfgPath}, want: func(*contract.Account) {}},
		"an airflow.cfg that nobody mounts": {cfg: "no airflow.cfg at all", want: func(*contract.Account) {}},
		"an argument of its own": {takeOver: contract.TakeOver{Moved: []string{"AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX"}}, former: "AIRFLOW__SECRETS__BACKEND",
			environ: []string{awsClass, "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX=team"},
			want:    func(a *contract.Account) { a.Connections.Prefix = "team" }},
		"annotations come first": {takeOver: contract.TakeOver{Decided: []string{"connections-prefix"}}, former: "AIRFLOW__SECRETS__BACKEND",
			environ: []string{awsClass, kwargs + `{"connections_prefix": "team", "sep": "-"}`}, want: func(a *contract.Account) { a.Separator = "-" }},
		"the region of boto3": {environ: []string{awsClass, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=eu-west-1"}, former: "AIRFLOW__SECRETS__BACKEND",
			region: "none", want: func(a *contract.Account) { a.Region = "eu-west-1" }},
		"a region of an annotation": {environ: []string{awsClass, "AWS_DEFAULT_REGION=eu-west-1"}, former: "AIRFLOW__SECRETS__BACKEND", want: func(*contract.Account) {}},
		"a variable in other options does not matter": {takeOver: contract.TakeOver{ConfigFile: cfgPath}, former: "AIRFLOW__SECRETS__BACKEND",
			environ: []string{awsClass, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgres://$USER"}, cfg: "[core]\nfernet_key = $KEY\n", want: func(*contract.Account) {}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.config.TakeOver = &test.takeOver
			if test.region == "none" {
				p.config.Accounts[0].Region = ""
			}
			got, err := setup(t, p.config, test.cfg, test.environ...)
			if err != nil {
				t.Fatal(err)
			}
			test.want(&p.config.Accounts[0])
			want, _ := p.config.Encode()
			if text, _ := got.Config.Encode(); text != want {
				t.Errorf("the configuration is  %s\nexpected              %s", text, want)
			}
			if got.Former.Name != test.former {
				t.Errorf("the settings are those of %q, expected %q", got.Former.Name, test.former)
			}
		})
	}
}

func TestConfigureRefuses(t *testing.T) {
	tests := map[string]struct {
		takeOver contract.TakeOver
		cfg      string
		environ  []string
		code     contract.Code
		says     string
	}{
		"a foreign backend":           {environ: []string{"AIRFLOW__SECRETS__BACKEND=a.B"}, code: contract.ForeignBackend, says: "AIRFLOW__SECRETS__BACKEND is a.B"},
		"that of workers":             {environ: []string{"AIRFLOW__WORKERS__SECRETS_BACKEND=a.B"}, code: contract.ForeignBackend, says: "AIRFLOW__WORKERS__SECRETS_BACKEND is a.B"},
		"one in airflow.cfg":          {takeOver: contract.TakeOver{ConfigFile: cfgPath}, cfg: "[secrets]\nbackend=a.B\n", code: contract.ForeignBackend, says: "[secrets] backend of airflow.cfg is a.B"},
		"something pasted there":      {environ: []string{"AIRFLOW__SECRETS__BACKEND=canary/+==. x"}, code: contract.ForeignBackend, says: "not the name of a class"},
		"an argument by envFrom":      {environ: []string{awsClass, "AIRFLOW__SECRETS__BACKEND_KWARG__SEP=canary"}, code: contract.InvalidKwargs, says: "AIRFLOW__SECRETS__BACKEND_KWARG__SEP comes from a Secret or ConfigMap that the pod's envFrom names"},
		"one of workers, no backend":  {environ: []string{"AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__X=canary"}, code: contract.InvalidKwargs, says: "move it into AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS"},
		"kwargs with a mistake":       {environ: []string{awsClass, kwargs + `{"verify": "canary"}`}, code: contract.InvalidKwargs, says: "AIRFLOW__SECRETS__BACKEND_KWARGS: verify: expected true"},
		"kwargs with a variable":      {environ: []string{awsClass, kwargs + `{"connections_prefix": "${TEAM}/canary"}`}, code: contract.InvalidKwargs, says: "the environment variable TEAM"},
		"kwargs there, too":           {takeOver: contract.TakeOver{ConfigFile: cfgPath}, cfg: "[secrets]\nbackend=" + contract.SecretsManagerBackend + "\nbackend_kwargs={\"sep\": \"$TEAM canary\"}\n", code: contract.InvalidConfigFile, says: "[secrets] backend_kwargs of airflow.cfg: line 3: found the environment variable TEAM"},
		"an airflow.cfg that is none": {takeOver: contract.TakeOver{ConfigFile: cfgPath}, cfg: "canary\n", code: contract.InvalidConfigFile, says: cfgPath + ": line 1"},
		"a locked setting":            {takeOver: contract.TakeOver{Locked: []string{"sep"}}, environ: []string{awsClass, kwargs + `{"sep": "-"}`}, code: contract.InvalidKwargs, says: "sep is locked by an administrator"},
		"several teams":               {environ: []string{"AIRFLOW__CORE__MULTI_TEAM=true"}, code: contract.MultiTeam, says: "AIRFLOW__CORE__MULTI_TEAM"},
		"an option of the backend":    {environ: []string{awsClass, "AIRFLOW__CELERY__BROKER_URL_SECRET=canary"}, code: contract.OptionFromBackend, says: "AIRFLOW__CELERY__BROKER_URL_SECRET"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.config.TakeOver = &test.takeOver
			_, err := setup(t, p.config, test.cfg, test.environ...)
			expectCode(t, err, test.code, test.says)
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

// What comes by envFrom no patch can take from Airflow, and it prefers the option itself to a command.
func TestHiddenOptionsAreRefused(t *testing.T) {
	asked := contract.Option{Section: "core", Key: "fernet_key", ID: "fernet"}
	former := contract.Option{Section: "core", Key: "fernet_key", ID: "fernet", Former: true}
	tests := map[string]struct {
		option   contract.Option
		variable string
		refused  bool
	}{
		"nothing":                         {asked, "AIRFLOW__CORE__DAGS_FOLDER=canary", false},
		"the option itself":               {asked, "AIRFLOW__CORE__FERNET_KEY=canary", true},
		"even empty":                      {asked, "AIRFLOW__CORE__FERNET_KEY=", true},
		"a command, which ours replaces":  {asked, "AIRFLOW__CORE__FERNET_KEY_CMD=canary", false},
		"an id, which nobody asks for":    {asked, "AIRFLOW__CORE__FERNET_KEY_SECRET=canary", false},
		"the option, before the backend":  {former, "AIRFLOW__CORE__FERNET_KEY=canary", true},
		"a command, before the backend":   {former, "AIRFLOW__CORE__FERNET_KEY_CMD=canary", true},
		"its newer name":                  {contract.Option{Section: "core", Key: "sql_alchemy_conn", ID: "fernet"}, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD=canary", true},
		"an id, as the one that is taken": {former, "AIRFLOW__CORE__FERNET_KEY_SECRET=canary", false},
	}
	for name, test := range tests {
		p := newPod(t)
		p.config.TakeOver = &contract.TakeOver{}
		p.config.Options = []contract.Option{test.option}
		_, err := setup(t, p.config, "", awsClass, test.variable)
		if !test.refused {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		expectCode(t, err, contract.OptionOverridden, "comes from a Secret or ConfigMap that the pod's envFrom names, and Airflow prefers it to the secret fernet")
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows a value: %v", name, err)
		}
	}
}

// With variables Airflow starts by us, so that what envFrom hides can be taken from it. Probes have it all the same, which is
// told; so an option that comes by a command for their sake as well is refused. What nobody has asked to replace is not taken.
func TestConfigureOfVariablesThatEnvFromHides(t *testing.T) {
	asked := contract.Option{Section: "core", Key: "fernet_key", ID: "fernet"}
	former, old, plain := asked, contract.Option{Section: "core", Key: "sql_alchemy_conn", ID: "fernet"}, contract.Option{Section: "email", Key: "from_email", ID: "fernet"}
	former.Former = true
	tests := map[string]struct {
		option   contract.Option
		variable string
		code     contract.Code // empty: it is not refused
		unset    string        // and then Airflow does not have it
	}{
		"another variable":               {asked, "AIRFLOW__CORE__DAGS_FOLDER=canary", "", ""},
		"the option itself":              {asked, "AIRFLOW__CORE__FERNET_KEY=canary", contract.OptionOverridden, ""},
		"its newer name":                 {old, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD=canary", contract.OptionOverridden, ""},
		"an option that is a variable":   {plain, "AIRFLOW__EMAIL__FROM_EMAIL=canary", "", "AIRFLOW__EMAIL__FROM_EMAIL"},
		"a command, which ours replaces": {asked, "AIRFLOW__CORE__FERNET_KEY_CMD=canary", "", ""},
		"the option, before the backend": {former, "AIRFLOW__CORE__FERNET_KEY=canary", contract.OptionOverridden, ""},
		"an argument of the backend":     {asked, "AIRFLOW__SECRETS__BACKEND_KWARG__VARIABLES_PREFIX=airflow/variables", "", ""},
		"another backend":                {asked, "AIRFLOW__SECRETS__BACKEND=some.other.Backend", contract.ForeignBackend, ""},
		"another backend of workers":     {asked, "AIRFLOW__WORKERS__SECRETS_BACKEND=some.other.Backend", contract.ForeignBackend, ""},
		"another option of the backend":  {asked, "AIRFLOW__SMTP__SMTP_PASSWORD_SECRET=canary", contract.OptionFromBackend, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newEnvPod(t)
			p.put("airflow/connections/db", "http://db")
			p.put("airflow/config/fernet", "x")
			p.config.TakeOver = &contract.TakeOver{}
			p.config.Options = []contract.Option{test.option}
			p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"fernet"}}
			p.environ = []string{awsClass, test.variable}
			if strings.HasPrefix(test.variable, "AIRFLOW__SECRETS__BACKEND=") {
				p.environ = p.environ[1:]
			}
			err := p.run(t)
			if test.code != "" {
				expectCode(t, err, test.code)
				p.expectNothing(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			set, unset := p.variables(t)
			_, isSet := set[test.unset]
			if warnings := p.report(t).Warnings; (len(warnings) > 0) != (test.unset != "") || test.unset != "" && !strings.HasPrefix(warnings[0], test.unset+" comes from a Secret or ConfigMap") {
				t.Errorf("warnings are %q", warnings)
			}
			if taken := isSet || slices.Contains(unset, test.unset); taken != (test.unset != "") || len(unset) > 1 {
				t.Errorf("without %q, with %q, expected %q to be gone", unset, set, test.unset)
			}
			if strings.Contains(p.stdout.String()+p.stderr.String(), "canary") {
				t.Errorf("a value is shown: %s", &p.stderr)
			}
		})
	}
}

// Each is refused or taken for itself, and the warning reads well with any number of them.
func TestConfigureOfSeveralVariablesThatEnvFromHides(t *testing.T) {
	p := newEnvPod(t)
	p.config.TakeOver = &contract.TakeOver{}
	for _, key := range []string{"from_email", "subject_template"} {
		p.config.Options = append(p.config.Options, contract.Option{Section: "email", Key: key, ID: "x"})
	}
	hidden := []string{"AIRFLOW__EMAIL__SUBJECT_TEMPLATE=canary", "AIRFLOW__EMAIL__FROM_EMAIL=canary"}
	got, err := setup(t, p.config, "", hidden...)
	if want := "AIRFLOW__EMAIL__FROM_EMAIL, AIRFLOW__EMAIL__SUBJECT_TEMPLATE come from a Secret or ConfigMap"; err != nil || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], want) {
		t.Errorf("warnings are %q (%v), expected %q", got.Warnings, err, want)
	}
	p.config.Options = append(p.config.Options, contract.Option{Section: "celery", Key: "broker_url", ID: "x"})
	_, err = setup(t, p.config, "", append(hidden, "AIRFLOW__CELERY__BROKER_URL=canary")...)
	expectCode(t, err, contract.OptionOverridden, ": AIRFLOW__CELERY__BROKER_URL comes from")
}

// The plugin's kwargs in a Secret, with a way in and without one.
func TestConfigureTakesOverThePlugin(t *testing.T) {
	environ := []string{"AIRFLOW__SECRETS__BACKEND=" + contract.SharedBackend,
		kwargs + `{"connections_prefix": "org/tenant/prod/airflow", "shared_account": "222222222222", "connections_prefix_shared": "org/core/airflow"}`, "AWS_REGION=eu-west-1"}
	p := newPod(t)
	p.config.TakeOver = &contract.TakeOver{}
	_, err := setup(t, p.config, "", environ...)
	expectCode(t, err, contract.SharedUnreachable, "airflow-secrets/shared-role-arn", "airflow-secrets/shared-connections")

	p.config.Accounts = append(p.config.Accounts, contract.Account{Name: contract.SharedAccount, Separator: "/", Role: &contract.Role{ARN: "arn:aws:iam::222222222222:role/airflow"}})
	got, err := setup(t, p.config, "", environ...)
	if err != nil {
		t.Fatal(err)
	}
	shared := got.Shared()
	if shared == nil || shared.Region != "eu-west-1" || shared.Variables.SecretPrefix("/") != "org/core/airflow/" || got.Accounts[0].Variables.Prefix != "org/tenant/prod/airflow" {
		t.Errorf("the accounts are %+v", got.Accounts)
	}
}

func TestAnAirflowCfgElsewhereIsToldOf(t *testing.T) {
	for variable, warned := range map[string]bool{
		"AIRFLOW_CONFIG=/x/airflow.cfg": true, "AIRFLOW_HOME=/x": true, "AIRFLOW_CONFIG=" + cfgPath: false, "AIRFLOW_HOME=/opt/airflow": false, "AIRFLOW_HOME=": false,
	} {
		p := newPod(t)
		p.config.TakeOver = &contract.TakeOver{ConfigFile: cfgPath}
		got, err := setup(t, p.config, "", variable)
		if err != nil || (len(got.Warnings) == 1) != warned || warned && !strings.Contains(got.Warnings[0], "/x/airflow.cfg, which is not seen") {
			t.Errorf("%s: warnings %q (%v), expected one: %v", variable, got.Warnings, err, warned)
		}
	}
}

// An airflow.cfg that is there and cannot be read is no reason to go on without it.
func TestConfigureNeedsTheFile(t *testing.T) {
	p := newPod(t)
	p.config.TakeOver = &contract.TakeOver{ConfigFile: cfgPath}
	text, err := p.config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	denied := &fs.PathError{Op: "open", Path: cfgPath, Err: fs.ErrPermission}
	_, err = fetcher.Configure(fetcher.Options{Environ: []string{contract.ConfigEnv + "=" + text}, ReadFile: func(string) ([]byte, error) { return nil, denied }})
	expectCode(t, err, contract.InvalidConfigFile, cfgPath)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the cause is not in %v", err)
	}
}
