package airflow

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/corpus"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// oddity is something that the plugin does otherwise than its kwargs make believe.
type oddity struct {
	name   string
	kwargs string // as JSON
	// own and shared are the names of secrets: region, a colon and the name, or the name alone.
	own, shared []string
	change      func(*corev1.Pod)          // to the worker, before and after
	adapt       func(policy string) string // what the page's policies become; nil leaves them
	ids         []string
	// expected is kind and id → the account that it comes from, for every look-up that finds anything.
	expected map[string]string
	// alone are those of them that we find and the plugin does not: a way in by a role does not ask for ids.
	alone []string
}

func oddities() []oddity {
	return []oddity{{
		name:     "variables are looked up under the connections prefixes, whatever their own one is",
		kwargs:   `{"connections_prefix": "own/c", "variables_prefix": "own/v", "config_prefix": "own/o", "connections_prefix_shared": "shared/c", "shared_account": "222222222222"}`,
		own:      []string{"own/c/mine", "own/v/other", "airflow/variables/other"},
		shared:   []string{"shared/c/theirs", "shared/v/other", "own/v/other", "airflow/variables/other"},
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "without prefixes it is that of connections, too",
		kwargs:   `{"shared_account": 222222222222}`,
		own:      []string{"airflow/connections/mine", "airflow/variables/other"},
		shared:   []string{"airflow/connections/theirs", "airflow/variables/other"},
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name: "the pattern of connections is for the own account alone, and for variables, too",
		kwargs: `{"connections_prefix": "own", "connections_lookup_pattern": "^AWS_", "variables_lookup_pattern": "^never$",
			"connections_prefix_shared": "shared", "shared_account": "222222222222"}`,
		own:    []string{"own/aws_both", "own/both", "own/mine", "own/aws_mine"},
		shared: []string{"shared/aws_both", "shared/both", "shared/theirs"},
		ids:    []string{"aws_both", "both", "mine", "aws_mine", "theirs"},
		expected: map[string]string{
			"connections aws_both": "own", "connections both": "shared", "connections aws_mine": "own", "connections theirs": "shared",
			"variables aws_both": "own", "variables both": "shared", "variables aws_mine": "own", "variables theirs": "shared",
		},
	}, {
		name:     "separators at the end are dropped of the own prefix, and kept of the shared one",
		kwargs:   `{"connections_prefix": "own//", "connections_prefix_shared": "shared/", "shared_account": "222222222222"}`,
		own:      []string{"own/mine", "own///other"},
		shared:   []string{"shared//theirs", "shared/other"},
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "the separator is for both accounts",
		kwargs:   `{"connections_prefix": "own", "connections_prefix_shared": "shared", "sep": ".", "shared_account": "222222222222"}`,
		own:      []string{"own.mine", "own/other"},
		shared:   []string{"shared.theirs", "shared/other"},
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "variables that are turned off are asked for nowhere",
		kwargs:   `{"connections_prefix": "own", "variables_prefix": null, "connections_prefix_shared": "shared", "shared_account": "222222222222"}`,
		own:      []string{"own/mine"},
		shared:   []string{"shared/theirs"},
		ids:      []string{"mine", "theirs"},
		expected: map[string]string{"connections mine": "own", "connections theirs": "shared"},
	}, {
		name:   "without aws_region the shared region is AWS_REGION",
		kwargs: `{"connections_prefix": "own", "connections_prefix_shared": "shared", "shared_account": "222222222222", "aws_region": ""}`,
		own:    []string{otherRegion + ":own/mine", "own/other"},
		shared: []string{otherRegion + ":shared/theirs", "shared/other"},
		change: func(pod *corev1.Pod) {
			setEnv(pod, "AWS_REGION", otherRegion)
			setEnv(pod, "AWS_DEFAULT_REGION", otherRegion)
		},
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "without that, too, it is eu-central-1, wherever the own one is",
		kwargs:   `{"connections_prefix": "own", "connections_prefix_shared": "shared", "shared_account": "222222222222"}`,
		own:      []string{otherRegion + ":own/mine", "own/other"},
		shared:   []string{"eu-central-1:shared/theirs", otherRegion + ":shared/other"},
		change:   func(pod *corev1.Pod) { removeEnv(pod, "AWS_REGION"); setEnv(pod, "AWS_DEFAULT_REGION", otherRegion) },
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "aws_region is for the shared account alone, region_name for the own one",
		kwargs:   `{"connections_prefix": "own", "connections_prefix_shared": "shared", "shared_account": "222222222222", "aws_region": "eu-west-1", "region_name": "eu-central-1"}`,
		own:      []string{"eu-central-1:own/mine", otherRegion + ":own/other"},
		shared:   []string{otherRegion + ":shared/theirs", "eu-central-1:shared/other"},
		change:   func(pod *corev1.Pod) { setEnv(pod, "AWS_REGION", "eu-north-1") },
		ids:      []string{"mine", "theirs", "other"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
	}, {
		name:     "role_arn is for the own account alone",
		kwargs:   `{"connections_prefix": "own", "connections_prefix_shared": "shared", "shared_account": "222222222222", "role_arn": "arn:aws:iam::111122223333:role/reader"}`,
		own:      []string{"own/mine"},
		shared:   []string{"shared/theirs"},
		ids:      []string{"mine", "theirs"},
		expected: map[string]string{"connections mine": "own", "variables mine": "own", "connections theirs": "shared", "variables theirs": "shared"},
		adapt: func(policy string) string { // the pod may do nothing in its own account but assume that role
			return strings.NewReplacer("arn:aws:secretsmanager:eu-central-1:111122223333:secret:org/tenant/prod/airflow/*", "arn:aws:secretsmanager:*:111122223333:secret:nothing",
				`"Statement": [`, `"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::111122223333:role/reader"},`).Replace(policy)
		},
	}, {
		name:   "an id that ends as ARNs do is never found in the shared account",
		kwargs: `{"connections_prefix": "own", "connections_prefix_shared": "shared", "shared_account": "222222222222"}`,
		own:    []string{"own/mine-AbCdEf"},
		shared: []string{"shared/theirs-AbCdEf"},
		ids:    []string{"mine-AbCdEf", "theirs-AbCdEf"},
		expected: map[string]string{
			"connections mine-AbCdEf": "own", "variables mine-AbCdEf": "own", "connections theirs-AbCdEf": "shared", "variables theirs-AbCdEf": "shared",
		},
		alone: []string{"connections theirs-AbCdEf", "variables theirs-AbCdEf"},
	}}
}

func setEnv(pod *corev1.Pod, name, value string) {
	removeEnv(pod, name)
	for c := range migration.ContainersOf(pod) {
		c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
	}
}

func removeEnv(pod *corev1.Pod, name string) {
	for c := range migration.ContainersOf(pod) {
		c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name })
	}
}

// What the plugin does, we do, where its kwargs are taken over.
func TestPluginOddities(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, page := buildFetcher(ctx, t), readPage(t)
	t.Run("oddities", func(t *testing.T) {
		for _, o := range oddities() {
			t.Run(o.name, func(t *testing.T) {
				t.Parallel()
				o.run(ctx, t, program, page)
			})
		}
	})
}

func (o oddity) run(ctx context.Context, t *testing.T, program string, page *page) {
	t.Helper()
	w := page.sharedWorld(t, func(v *migration.Community) { v.Airflow.Config["AIRFLOW__SECRETS__BACKEND_KWARGS"] = o.kwargs })
	w.account.Role(fakeaws.Role{Name: "reader"})
	w.adapt = func(policy string) string {
		if o.adapt != nil {
			policy = o.adapt(policy)
		}
		return strings.NewReplacer(":eu-central-1:", ":*:", "org/tenant/prod/airflow/*", "*", "org/core/airflow/*", "*").Replace(policy)
	}
	o.put(t, w)
	change := o.change
	if change == nil {
		change = func(*corev1.Pod) {}
	}
	steps := []step{{Connections: o.ids, Variables: o.ids}}
	native := w.readNatively(ctx, t, steps, change)
	w.enter(t, byRole)
	worker := w.worker(t, byRole, nil)
	change(worker)
	pod := w.inject(t, worker)
	folder := w.mustFetch(ctx, t, program, pod)
	files := w.readFiles(ctx, t, pod, folder, "", steps)
	o.check(t, "the plugin", native, func(thing string) bool { return !slices.Contains(o.alone, thing) })
	o.check(t, "our files", files, func(string) bool { return true })
	if len(o.alone) == 0 {
		compare(t, pluginRelease(t), native, files, newDifferences(corpus.Corpus{}, readReport(t, folder)))
	}
}

// put stores the secrets: those that are expected to be found tell their account, and those that must not be found do, too.
func (o oddity) put(t *testing.T, w *sharedWorld) {
	t.Helper()
	place := func(text string) (in, name string) {
		if in, name, ok := strings.Cut(text, ":"); ok {
			return in, name
		}
		return region, text
	}
	for _, text := range o.own {
		in, name := place(text)
		w.account.Put(in, fakeaws.Secret{Name: name, String: "postgres://" + contract.OwnAccount})
	}
	for _, text := range o.shared {
		in, name := place(text)
		w.putSharedIn(t, in, fakeaws.Secret{Name: name, String: "postgres://" + contract.SharedAccount})
	}
}

// check holds what was found against what is expected, which nothing but an expected find may meet.
func (o oddity) check(t *testing.T, who string, all []found, finds func(thing string) bool) {
	t.Helper()
	for _, f := range all {
		thing, want := f.Kind+" "+f.ID, ""
		if finds(thing) {
			want = o.expected[thing]
		}
		got := f.Outcome.answer()
		if got != want && (want != "" || f.Outcome.Fields != nil) {
			t.Errorf("%s by the chain %s: %s of %s (%s), expected %q", thing, f.Chain, got, who, f.Outcome.Absent, want)
		}
	}
}
