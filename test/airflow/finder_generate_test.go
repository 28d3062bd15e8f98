package airflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// configuration is all that Airflow chooses its secrets backend by.
type configuration struct {
	env map[string]string
	// file is airflow.cfg, section → option → value; nil is no file. Airflow reads the values without the white space around them.
	file map[string]map[string]string
	// byDefault has all of the file's options in [DEFAULT], where each section finds them.
	byDefault bool
	workers   bool
}

const (
	awsBackend   = contract.SecretsManagerBackend
	localBackend = contract.LocalFilesystemBackend
	// envBackend is one that every Airflow has, and vaultBackend one that is not installed.
	envBackend   = "airflow.secrets.environment_variables.EnvironmentVariablesBackend"
	vaultBackend = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
)

// backendOptions are the options with the class, by their section.
var backendOptions = map[string]string{"secrets": "backend", "workers": "secrets_backend"}

func envName(section, option string) string {
	return strings.ToUpper("AIRFLOW__" + section + "__" + option)
}

// option is the value that counts.
func (c configuration) option(section, option string) (value string, ok bool) {
	if value, ok = c.env[envName(section, option)]; ok {
		return value, true
	}
	value, ok = c.file[section][option]
	return strings.TrimSpace(value), ok
}

// without is the configuration less the variables and the options of airflow.cfg that are of no account.
func (c configuration) without(env, inFile func(name string) bool) configuration {
	c.env = maps.Clone(c.env)
	maps.DeleteFunc(c.env, func(name, _ string) bool { return env(name) })
	c.file = maps.Clone(c.file)
	maps.DeleteFunc(c.file, func(section string, _ map[string]string) bool { return inFile(section) })
	return c
}

// text is airflow.cfg.
func (c configuration) text() *string {
	if c.file == nil {
		return nil
	}
	var options, sections strings.Builder
	for _, section := range slices.Sorted(maps.Keys(c.file)) {
		fmt.Fprintf(&sections, "[%s]\n", section)
		into := &sections
		if c.byDefault {
			into = &options
		}
		for _, option := range slices.Sorted(maps.Keys(c.file[section])) {
			fmt.Fprintf(into, "%s = %s\n", option, strings.ReplaceAll(c.file[section][option], "\n", "\n  "))
		}
	}
	text := sections.String()
	if c.byDefault {
		text = "[DEFAULT]\n" + options.String() + text
	}
	return &text
}

// generator makes configurations, most of them such as Airflow starts with.
type generator struct{ *inputs.Choices }

func generateConfiguration(input []byte) configuration {
	g := generator{inputs.From(input)}
	c := configuration{env: map[string]string{"TEAM": "blue"}, workers: g.OneIn(2)}
	odd := g.Below(24)
	if odd < 5 || g.OneIn(2) {
		c.file, c.byDefault = map[string]map[string]string{"core": {}}, g.OneIn(8)
	}
	first := inputs.Of(g.Choices, "secrets", "secrets", "workers")
	g.section(c, first, g.Below(4) < 3)
	if g.OneIn(3) {
		g.section(c, map[string]string{"secrets": "workers", "workers": "secrets"}[first], false)
	}
	if g.OneIn(8) {
		g.put(c, "core", "multi_team", inputs.Of(g.Choices, "True", "False", " true ", "T", "1", "0", "no", "", "true # blue and green", "false # true", "truth"))
	}
	if g.OneIn(20) {
		g.put(c, "core", "fernet_key_secret", "fernet")
		if g.OneIn(2) {
			g.put(c, "core", "fernet_key"+inputs.Of(g.Choices, "", "_cmd"), "true")
		}
	}
	if g.OneIn(6) {
		c.env[inputs.Of(g.Choices, "airflow__secrets__backend", "AIRFLOW__SECRETS__BACKEND_CMD", "AIRFLOW__SECRETS__BACKEND_SECRET", "AIRFLOW__SECRETS",
			"AIRFLOW__WORKERS__BACKEND", "AIRFLOW__SECRETS__SECRETS_BACKEND", "airflow__secrets__backend_kwarg__a", "AIRFLOW__SECRETS__BACKEND_KWARG")] = vaultBackend
	}
	c.addOdd(odd, first, backendOptions[first])
	return c
}

// addOdd adds what is met too rarely by itself.
func (c configuration) addOdd(kind int, section, option string) {
	switch kind {
	case 1: // a variable that is empty beats airflow.cfg
		c.env[envName(section, option)] = ""
		c.file[section] = map[string]string{option: awsBackend}
	case 4:
		c.env[envName(section, option)], c.env[envName(section, option+"_kwargs")] = awsBackend, ""
		c.file[section] = map[string]string{option + "_kwargs": `{"a": "b"}`}
	case 2, 3: // airflow.cfg has kwargs with a mistake, which do not matter to us where the backend is ours
		c.env[envName(section, option)] = []string{awsBackend, localBackend}[kind-2]
		c.file[section] = map[string]string{option + "_kwargs": "%{}"}
		delete(c.env, envName(section, option+"_kwargs"))
	}
}

// section adds one's options, in the environment or in airflow.cfg, or other ones in both.
func (g generator) section(c configuration, section string, certain bool) {
	option := backendOptions[section]
	if certain || g.OneIn(2) {
		g.put(c, section, option, g.class())
	}
	if g.OneIn(6) {
		g.put(c, section, option, g.class())
	}
	for range g.Below(3) {
		g.put(c, section, option+"_kwargs", g.kwargs())
	}
	switch g.Below(16) {
	case 1:
		g.put(c, section, option+"_kwargs_cmd", `echo '{"from": "command"}'`)
	case 2:
		g.put(c, section, option+"_kwargs_secret", "kwargs")
	}
	if g.OneIn(3) {
		for _, key := range []string{"CONNECTIONS_PREFIX", "a", "Region_Name", "", "b_CMD"}[g.Below(4):][:1+g.Below(2)] {
			c.env[envName(section, option+"_kwarg__")+key] = inputs.Of(g.Choices, "x", "", " 1 ", "$TEAM", `{"a": 1}`)
		}
	}
}

// put sets an option in one of the places.
func (g generator) put(c configuration, section, option, value string) {
	if c.file == nil || g.OneIn(2) {
		c.env[envName(section, option)] = value
		return
	}
	if c.file[section] == nil {
		c.file[section] = map[string]string{}
	}
	c.file[section][option] = strings.ReplaceAll(value, "%", "%%")
}

func (g generator) class() string {
	if g.Below(8) < 6 {
		return awsBackend
	}
	return inputs.Of(g.Choices, "", localBackend, localBackend, " ", awsBackend+"\n", " "+localBackend, envBackend, vaultBackend, "SecretsManagerBackend", "$TEAM")
}

// kwargs gives JSON, or nearly JSON.
func (g generator) kwargs() string {
	text := g.space() + g.object(2) + g.space()
	switch g.Below(12) {
	case 1:
		return inputs.Of(g.Choices, "", " ", "\n", "\t \n")
	case 2:
		return inputs.Of(g.Choices, "null", "[]", "0", `""`, "false", "[1]", `"a"`, "5", "nil", "{'a': 1}", `{"a": 1,}`, `{a: 1}`, "{\"a\": \"\t\"}", `{"a": "\x"}`, `{"a": 01}`, "\u00a0{}", "\ufeff{}", "x")
	case 3:
		return text + inputs.Of(g.Choices, "}", "]", ",", "{}", "x", `"`, "\u00a0", "//", "\v")
	case 4:
		return text[:len(text)-1-g.Below(len(text)-1)]
	case 5, 6:
		return inputs.Of(g.Choices, `{"a": NaN}`, `{"b": [-Infinity]}`, `{"a": "\ud83d"}`, `{"\udE00a": 1}`, `{"a": `+strings.Repeat("1", 4301)+`}`)
	case 7:
		return inputs.Of(g.Choices, `{"a": "$TEAM"}`, `{"a": "${TEAM}"}`, `~/{}`, "$TEAM")
	}
	return text
}

func (g generator) space() string { return inputs.Of(g.Choices, "", "", " ", "\n", "\r\n\t") }

// object takes its names from few, so that some come twice.
func (g generator) object(depth int) string {
	var members []string
	for range g.Below(4) {
		name := inputs.Of(g.Choices, "connections_prefix", "a", "A", `\u0061`, "", "region_name", `\u00c9\n`, "a b")
		members = append(members, g.space()+`"`+name+`"`+g.space()+":"+g.value(depth))
	}
	return "{" + strings.Join(members, ",") + g.space() + "}"
}

func (g generator) value(depth int) string {
	kind := g.Below(8)
	switch {
	case kind == 1 && depth > 0:
		return g.object(depth - 1)
	case kind == 2 && depth > 0:
		return "[" + g.space() + g.value(depth-1) + ", " + g.value(depth-1) + "]"
	case kind == 3:
		return g.space() + inputs.Of(g.Choices, "true", "false", "null", "[]", "{}")
	case kind < 6:
		return inputs.Of(g.Choices, "0", "-0", "-0.0", "1", "1.0", "1.10", "1e3", "1E+3", "123456789012345678901234567890", "9007199254740993", "0.1e-400", "-1e400", "900719925474099267.0")
	}
	return `"` + inputs.Of(g.Choices, "airflow/connections", "", "^aws_$", "100%", `a\u0062\/\"\\`, `\ud83d\ude00`, " x ", `<&>`, "~", "$") + `"` + g.space()
}
