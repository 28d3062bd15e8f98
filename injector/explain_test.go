package injector

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// explained are the settings of a pod with those annotations, by key.
func explained(t *testing.T, defaults string, annotations map[string]string) map[string]Setting {
	t.Helper()
	return byKey(explain(t, defaults, annotations))
}

func explain(t *testing.T, defaults string, annotations map[string]string) []Setting {
	t.Helper()
	in := &Injector{FetcherImage: "example.com/fetcher:1"}
	var err error
	if in.Defaults, err = ParseDefaults([]byte(defaults)); err != nil {
		t.Fatal(err)
	}
	pod, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": prefixed(annotations)}, "spec": map[string]any{"containers": []any{map[string]any{"name": "worker"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if d := in.Decide(pod, ""); d.Code != contract.Injected {
		t.Fatalf("the pod is not injected: %+v", d)
	}
	return in.Explain(pod)
}

func byKey(settings []Setting) map[string]Setting {
	all := map[string]Setting{}
	for _, s := range settings {
		all[s.Key] = s
	}
	return all
}

func TestExplain(t *testing.T) {
	const defaults = "timeout: 3m\nread: single\nimage: example.com/other:1\nlocked: [read, role-arn]"
	got := explained(t, defaults, map[string]string{"region": "eu-west-1", "timeout": "4m", "endpoint-url": "https://example.com"})
	for _, want := range []Setting{
		{Key: "inject", Value: "true", By: "the annotation"},
		{Key: "region", Value: "eu-west-1", By: "the annotation"},
		{Key: "timeout", Value: "4m", By: "the annotation"},
		{Key: "read", Value: "single", By: "cluster default", Locked: true},
		{Key: "sep", Value: "/", By: "built in", Open: true},
		{Key: "connections-prefix", Value: "airflow/connections", By: "built in", Open: true},
		{Key: "role-arn", Open: true, Locked: true},
		{Key: "external-id"},
		{Key: "endpoint-url", Hidden: true, By: "the annotation"},
		{Key: "image", Hidden: true, By: "cluster default"},
	} {
		if got[want.Key] != want {
			t.Errorf("%s is %+v, expected %+v", want.Key, got[want.Key], want)
		}
	}
	if image := explained(t, "{}", nil)["image"]; image.Value != "example.com/fetcher:1" || image.Hidden {
		t.Errorf("the image is %+v, expected the injector's own", image)
	}
}

// TestExplainIsWhole checks that each setting that can be made is explained, and nothing else.
func TestExplainIsWhole(t *testing.T) {
	var want, got []string
	for _, a := range Annotations() {
		if a.Supported && a.Key != Prefix+statusKey {
			want = append(want, strings.TrimPrefix(a.Key, Prefix))
		}
	}
	for _, s := range explain(t, "{}", nil) {
		got = append(got, s.Key)
	}
	if !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("explained are %v, expected %v", got, want)
	}
}

func TestTakeKwargs(t *testing.T) {
	for name, c := range map[string]struct {
		annotations map[string]string
		kwargs      string
		want        []Setting
	}{
		"they come before defaults, not before annotations": {
			map[string]string{"connections-prefix": "mine"}, `{"connections_prefix": "theirs", "variables_prefix": "theirs", "region_name": "eu-west-1", "sep": ""}`,
			[]Setting{{Key: "connections-prefix", Value: "mine", By: "the annotation"},
				{Key: "variables-prefix", Value: "theirs", By: "kwarg variables_prefix in ENV", Open: true},
				{Key: "region", Value: "eu-west-1", By: "kwarg region_name in ENV", Open: true},
				{Key: "sep", Value: "", By: "kwarg sep in ENV", Open: true}},
		},
		"null is none, and turns a prefix off": {
			nil, `{"connections_prefix": null, "region_name": null, "connections_lookup_pattern": "^a", "variables_lookup_pattern": ""}`,
			[]Setting{{Key: "connections-prefix", Value: "none", By: "kwarg connections_prefix in ENV", Open: true},
				{Key: "region", Open: true}, {Key: "connections-lookup-pattern", Open: true}, {Key: "variables-lookup-pattern", Open: true}},
		},
		"keys and addresses are not shown": {
			nil, `{"aws_access_key_id": "AKIA", "aws_secret_access_key": "hunter2", "profile_name": "p", "endpoint_url": "https://user:hunter2@example.com"}`,
			[]Setting{{Key: "credentials-secret", Hidden: true, By: "kwarg aws_access_key_id in ENV", Open: true},
				{Key: "endpoint-url", Hidden: true, By: "kwarg endpoint_url in ENV", Open: true}},
		},
		"a profile is shown": {nil, `{"profile_name": "p"}`, []Setting{{Key: "credentials-secret", Value: "p", By: "kwarg profile_name in ENV", Open: true}}},
		"what belongs to another one means nothing without it": {
			nil, `{"assume_role_kwargs": {"ExternalId": "x"}, "aws_session_token": "hunter2"}`,
			[]Setting{{Key: "role-arn", Open: true}, {Key: "credentials-secret", Open: true}},
		},
		"what has no annotation is named": {
			nil, `{"verify": true, "extra_conn_words": {"user": ["hunter2"]}}`,
			[]Setting{{Key: "backend-kwargs", Value: "extra_conn_words, verify", By: "kwargs in ENV", Open: true}},
		},
		"ids make a pattern moot": {
			map[string]string{"connections": "db"}, `{"connections_lookup_pattern": "^a", "variables_lookup_pattern": "^a"}`,
			[]Setting{{Key: "connections-lookup-pattern", Open: true}, {Key: "variables-lookup-pattern", Value: "^a", By: "kwarg variables_lookup_pattern in ENV", Open: true}},
		},
		"those of the annotation are instead of the pod's": {
			map[string]string{"backend-kwargs": `{"variables_prefix": "noted"}`}, `{"connections_prefix": "theirs", "variables_prefix": "theirs", "verify": true}`,
			[]Setting{{Key: "connections-prefix", Value: "airflow/connections", By: "built in"},
				{Key: "variables-prefix", Value: "noted", By: "kwarg variables_prefix in the annotation airflow-secrets/backend-kwargs"},
				{Key: "backend-kwargs", Hidden: true, By: "the annotation"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kwargs, err := contract.ParseKwargs(c.kwargs)
			if err != nil {
				t.Fatal(err)
			}
			got := byKey(TakeKwargs(explain(t, "{}", c.annotations), contract.Backend{Kwargs: kwargs, KwargsName: "ENV"}))
			for _, want := range c.want {
				if got[want.Key] != want {
					t.Errorf("%s is %+v, expected %+v", want.Key, got[want.Key], want)
				}
			}
		})
	}
}

// TestExplainAgreesWithTheTakeOver checks that a kwarg is said to decide something if and only if it changes what is read.
func TestExplainAgreesWithTheTakeOver(t *testing.T) {
	given := map[string]string{
		"connections_prefix": `"x"`, "variables_prefix": `null`, "connections_lookup_pattern": `"^x"`, "variables_lookup_pattern": `"^x"`, "sep": `"-"`,
		"region_name": `"us-east-1"`, "endpoint_url": `"https://example.com"`, "role_arn": `"arn:aws:iam::111122223333:role/x"`, "profile_name": `"x"`,
		"extra_conn_words": `{"user": ["x"]}`, "are_secret_values_urlencoded": `true`,
		"aws_session_token": `"x"`, "external_id": `"x"`,
	}
	for _, annotations := range []map[string]string{
		nil, {"region": "eu-west-1", "connections": "db"}, {"backend-kwargs": "{}"}, {"variables-prefix": "none"}, {"web-identity-role-arn": "arn:aws:iam::111122223333:role/r"},
		{"role-arn": "arn:aws:iam::111122223333:role/r", "sep": "/", "credentials-secret": "keys"},
	} {
		settings := explain(t, "{}", annotations)
		s, _ := new(Injector).settle(prefixed(annotations))
		for name, value := range given {
			kwargs, err := contract.ParseKwargs(`{"` + name + `": ` + value + `}`)
			if err != nil {
				t.Fatal(err)
			}
			config := contract.Config{Accounts: s.accounts(nil), TakeOver: &contract.TakeOver{Decided: s.decided()}}
			taken, _, err := config.TakeKwargs(contract.Backend{Kwargs: kwargs})
			if err != nil {
				t.Fatal(err)
			}
			changes := !reflect.DeepEqual(taken, config)
			if said := !slices.Equal(TakeKwargs(settings, contract.Backend{Kwargs: kwargs, KwargsName: "ENV"}), settings); said != changes {
				t.Errorf("with %v, the kwarg %s is said to decide something: %v, expected %v", annotations, name, said, changes)
			}
		}
	}
}

func TestTakeKwargsOfThePlugin(t *testing.T) {
	for name, c := range map[string]struct {
		annotations map[string]string
		kwargs      string
		want        []Setting
	}{
		"the connections prefixes are for all kinds": {
			nil, `{"connections_prefix": "own", "variables_prefix": "moot", "connections_prefix_shared": "core", "shared_account": 111122223333, "aws_region": "eu-west-1"}`,
			[]Setting{{Key: "connections-prefix", Value: "own", By: "kwarg connections_prefix in ENV", Open: true},
				{Key: "variables-prefix", Value: "own", By: "kwarg connections_prefix in ENV", Open: true},
				{Key: "config-prefix", Value: "own", By: "kwarg connections_prefix in ENV", Open: true},
				{Key: "shared-connections-prefix", Value: "core", By: "kwarg connections_prefix_shared in ENV", Open: true},
				{Key: "shared-variables-prefix", Value: "core", By: "kwarg connections_prefix_shared in ENV", Open: true},
				{Key: "shared-config-prefix", Value: "core", By: "kwarg connections_prefix_shared in ENV", Open: true},
				{Key: "shared-account", Value: "111122223333", By: "kwarg shared_account in ENV", Open: true},
				{Key: "shared-region", Value: "eu-west-1", By: "kwarg aws_region in ENV", Open: true}},
		},
		"what it has built in": {
			nil, `{}`,
			[]Setting{{Key: "connections-prefix", Value: "airflow/connections", By: "built in", Open: true},
				{Key: "variables-prefix", Value: "airflow/connections", By: "the plugin's default", Open: true},
				{Key: "shared-variables-prefix", Value: "airflow/connections", By: "the plugin's default", Open: true},
				{Key: "shared-region", Value: "eu-west-3", By: "the plugin's default", Open: true},
				{Key: "shared-account", Open: true}},
		},
		"annotations come before it": {
			map[string]string{"variables-prefix": "mine", "shared-variables-prefix": "theirs", "region": "eu-west-2"}, `{"connections_prefix": "own", "connections_prefix_shared": "core"}`,
			[]Setting{{Key: "variables-prefix", Value: "mine", By: "the annotation"},
				{Key: "shared-variables-prefix", Value: "theirs", By: "the annotation"},
				{Key: "shared-connections-prefix", Value: "core", By: "kwarg connections_prefix_shared in ENV", Open: true},
				{Key: "shared-region", Open: true}},
		},
		"null turns a kind off in both accounts": {
			nil, `{"connections_prefix": "own", "connections_prefix_shared": "core", "variables_prefix": null}`,
			[]Setting{{Key: "variables-prefix", Value: "none", By: "kwarg variables_prefix in ENV", Open: true},
				{Key: "shared-variables-prefix", Value: "none", By: "kwarg variables_prefix in ENV", Open: true},
				{Key: "shared-connections-prefix", Value: "core", By: "kwarg connections_prefix_shared in ENV", Open: true}},
		},
		"one pattern for all kinds": {
			map[string]string{"variables": "a"}, `{"connections_lookup_pattern": "^a", "config_lookup_pattern": "^moot"}`,
			[]Setting{{Key: "connections-lookup-pattern", Value: "^a", By: "kwarg connections_lookup_pattern in ENV", Open: true},
				{Key: "variables-lookup-pattern", Open: true},
				{Key: "config-lookup-pattern", Value: "^a", By: "kwarg connections_lookup_pattern in ENV", Open: true}},
		},
		"those of the annotation": {
			map[string]string{"backend-kwargs": `{"connections_prefix": "noted", "shared_account": "111122223333"}`, "shared-role-arn": "arn:aws:iam::111122223333:role/r"}, `{"connections_prefix": "theirs"}`,
			[]Setting{{Key: "variables-prefix", Value: "noted", By: "kwarg connections_prefix in the annotation airflow-secrets/backend-kwargs"},
				{Key: "shared-config-prefix", Value: "airflow/connections", By: "the plugin's default"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kwargs, err := contract.ParseKwargs(c.kwargs)
			if err != nil {
				t.Fatal(err)
			}
			got := byKey(TakeKwargs(explainAnyway(t, c.annotations), contract.Backend{Shared: true, Kwargs: kwargs, KwargsName: "ENV", Region: "eu-west-3"}))
			for _, want := range c.want {
				if got[want.Key] != want {
					t.Errorf("%s is %+v, expected %+v", want.Key, got[want.Key], want)
				}
			}
		})
	}
}

// TestExplainIsWhatThePluginComesTo holds the values that are explained against the configuration that is made of the same.
func TestExplainIsWhatThePluginComesTo(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"connections_prefix": "own"}`, `{"connections_prefix": "own", "variables_prefix": null}`, `{"config_prefix": null}`,
		`{"variables_prefix": "moot", "config_prefix": "moot"}`, `{"connections_prefix_shared": "core/"}`, `{"connections_prefix_shared": ""}`,
		`{"connections_lookup_pattern": "^a", "variables_lookup_pattern": "^b"}`, `{"variables_lookup_pattern": "^b"}`, `{"aws_region": "eu-west-1"}`, `{"region_name": "eu-west-1"}`, `{"sep": "-"}`,
	} {
		for _, annotations := range []map[string]string{
			{}, {"connections-prefix": "mine"}, {"variables-prefix": "mine", "shared-variables-prefix": "yours"}, {"shared-variables-prefix": "none"},
			{"region": "eu-west-2"}, {"shared-region": "eu-west-2", "shared-config-prefix": "options"}, {"shared-account": "222222222222"},
		} {
			if !strings.Contains(text, "null") || strings.Contains(text, "variables_prefix") { // null refuses options
				annotations = with(annotations, "config", "core.fernet_key=f")
			}
			if annotations["shared-account"] == "" {
				annotations = with(annotations, "shared-role-arn", "arn:aws:iam::111111111111:role/r")
			}
			kwargs, err := contract.ParseKwargs(text)
			if err != nil {
				t.Fatal(err)
			}
			kwargs["shared_account"] = "111111111111"
			s, _ := new(Injector).settle(prefixed(annotations))
			before := former{options: s.options, takeOver: contract.TakeOver{Decided: s.decided()}}
			config, err := s.contract(before)
			if err != nil {
				t.Fatal(err)
			}
			backend := contract.Backend{Shared: true, Kwargs: kwargs, KwargsName: "ENV", Region: "eu-west-3"}
			if config, _, err = config.TakeKwargs(backend); err != nil {
				t.Fatal(err)
			}
			explained := byKey(TakeKwargs(explainAnyway(t, annotations), backend))
			for key, want := range values(config) {
				noOptions := strings.HasSuffix(key, "config-prefix") && annotations["config"] == ""
				if got := explained[key].Value; got != want && !noOptions && !(key == "shared-region" && got == "" && want == explained["region"].Value) {
					t.Errorf("with %v and %s, %s is explained as %q and comes to %q", annotations, text, key, got, want)
				}
			}
		}
	}
}

// explainAnyway explains a pod, whether it would be refused or not.
func explainAnyway(t *testing.T, annotations map[string]string) []Setting {
	t.Helper()
	pod, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": prefixed(annotations)}, "spec": map[string]any{"containers": []any{map[string]any{"name": "worker"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return new(Injector).Explain(pod)
}

func with(annotations map[string]string, key, value string) map[string]string {
	all := maps.Clone(annotations)
	all[key] = value
	return all
}

// values are what a configuration has, by the keys of the settings.
func values(c contract.Config) map[string]string {
	all := map[string]string{"shared-account": c.Shared().ID, "shared-region": c.Shared().Region, "sep": c.Accounts[0].Separator}
	for _, a := range c.Accounts {
		start := strings.TrimPrefix(a.Name+"-", "own-")
		for kind, names := range map[string]*contract.Names{"connections": a.Connections, "variables": a.Variables, "config": a.Config} {
			all[start+kind+"-prefix"] = "none"
			if names != nil {
				all[start+kind+"-prefix"] = names.Prefix
			}
			if names != nil && a.Name == contract.OwnAccount && kind != "config" {
				all[kind+"-lookup-pattern"] = names.Pattern
			}
		}
	}
	return all
}

// TestExplainOptions checks that the options which variables take from the backend are told, each with its variable.
func TestExplainOptions(t *testing.T) {
	pod := func(annotation string) []byte {
		annotations := map[string]string{}
		if annotation != "" {
			annotations["config"] = annotation
		}
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": prefixed(annotations)}, "spec": map[string]any{"containers": []any{
			map[string]any{"name": "worker", "env": []any{
				map[string]any{"name": "AIRFLOW__CELERY__BROKER_URL_SECRET", "value": "broker"},
				map[string]any{"name": "AIRFLOW__CORE__FERNET_KEY_SECRET", "value": "fernet"},
			}}}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for annotation, want := range map[string]Setting{
		"":                        {Key: "config", Value: "celery.broker_url=broker,core.fernet_key=fernet", By: "AIRFLOW__CELERY__BROKER_URL_SECRET, AIRFLOW__CORE__FERNET_KEY_SECRET"},
		"core.fernet_key=another": {Key: "config", Value: "core.fernet_key=another,celery.broker_url=broker", By: "the annotation, AIRFLOW__CELERY__BROKER_URL_SECRET"},
	} {
		if got := byKey(new(Injector).Explain(pod(annotation)))["config"]; got != want {
			t.Errorf("with the annotation %q: %+v, expected %+v", annotation, got, want)
		}
	}
}

// prefixed are the annotations as a pod has them that asks for injection.
func prefixed(annotations map[string]string) map[string]string {
	all := map[string]string{Prefix + injectKey: "true"}
	for key, value := range annotations {
		all[Prefix+key] = value
	}
	return all
}

func TestFindAnnotation(t *testing.T) {
	for _, key := range []string{"timeout", Prefix + "timeout"} {
		if a, err := FindAnnotation(key); err != nil || a.Key != Prefix+"timeout" || a.Default != "2m" || !a.Supported {
			t.Errorf("%s is %+v and %v", key, a, err)
		}
	}
	for key, want := range map[string]string{
		"timeuot": "airflow-secrets/timeuot is no known annotation: did you mean airflow-secrets/timeout?",
		"":        "the key is empty, expected one such as region",
	} {
		if _, err := FindAnnotation(key); err == nil || err.Error() != want {
			t.Errorf("%q: %v, expected %s", key, err, want)
		}
	}
}
