package airflow

import (
	"cmp"
	"context"
	"maps"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// The plugin of user B: its backend, and the package that the backend is in.
const (
	pluginBackend = "SharedSecretsManagerBackend"
	pluginPackage = "airflow_aws_shared_secrets"
)

// userB is a team on SharedSecretsManagerBackend, whose kwargs are in the Secret that the community chart makes.
func userB() user {
	return user{"userB", "userB-statefulset-af-worker.json", "airflow-worker", "userB-deployment-af-scheduler.json", (*world).giveRole, func(string) bool { return true }}
}

// sharedWorld is that of user B: a second account has secrets for many teams, encrypted with a key of its own.
type sharedWorld struct {
	*world
	page   *page
	shared *fakeaws.Account
	key    string // its ARN
	// ownPrefix and sharedPrefix start the names of secrets, separator included.
	ownPrefix, sharedPrefix string
	// adapt makes of the page's policies those of a user who has other regions or prefixes. Nil leaves them.
	adapt func(policy string) string
	// closed is the shared account once the plugin is gone: neither its secrets nor its key let another account in.
	closed bool
}

const keyID = "0987dcba-09fe-87dc-65ba-ab0987654321"

const otherRegion = "eu-west-1"

// The ways into the shared account: the values of user B by which a pod gets in, and before them the plugin, which asks for
// one id at a time.
const (
	natively  = "before"
	byRole    = "after"
	byDefault = "after, with the role among the defaults of the cluster"
	byIDs     = "after, with ids"
)

// sharedWorld is that of the page. More may change the values, which are then those of every way in.
func (p *page) sharedWorld(t *testing.T, more ...func(*migration.Community)) *sharedWorld {
	t.Helper()
	before, after, byTheirIDs := p.community(t, "userB before"), p.community(t, "userB after"), p.community(t, "userB after")
	byTheirIDs.Airflow.PodAnnotations = p.annotations(t, "userB annotations by ids")
	asDefault := p.community(t, "userB after")
	delete(asDefault.Airflow.PodAnnotations, "airflow-secrets/shared-role-arn")
	values := map[string]chart{}
	for way, v := range map[string]migration.Community{natively: before, byRole: after, byDefault: asDefault, byIDs: byTheirIDs} {
		for _, change := range more {
			change(&v)
		}
		values[way] = v
	}
	w := &sharedWorld{world: newWorld(t, userB(), values), page: p, ownPrefix: "org/tenant/prod/airflow/", sharedPrefix: "org/core/airflow/"}
	addSecret(t, values[byRole].(migration.Community), &w.objects)
	w.shared = w.aws.Account("222222222222")
	w.putKey(t)
	return w
}

// putKey makes the key that the policies of the page name, in each region that is used here.
func (w *sharedWorld) putKey(t *testing.T) {
	t.Helper()
	for _, in := range []string{otherRegion, region} {
		w.key = w.shared.KMSKey(in, fakeaws.KMSKey{ID: keyID, Policy: w.page.block(t, "userB key policy")})
	}
	for _, name := range []string{"userB policy before", "userB shared role"} {
		if !strings.Contains(w.page.block(t, name), w.key) {
			t.Errorf("docs/migration.md, block %q does not have the key %s", name, w.key)
		}
	}
}

// putShared stores a secret in the shared account, as the team that owns it does.
func (w *sharedWorld) putShared(t *testing.T, s fakeaws.Secret) (arn string) {
	t.Helper()
	return w.putSharedIn(t, region, s)
}

func (w *sharedWorld) putSharedIn(t *testing.T, in string, s fakeaws.Secret) (arn string) {
	t.Helper()
	s.KMSKey = cmp.Or(s.KMSKey, strings.Replace(w.key, region, in, 1))
	if !w.closed {
		s.ResourcePolicy = w.page.block(t, "userB resource policy")
	}
	return w.shared.Put(in, s)
}

// enter gives everybody the policies of a way in, as the page has them.
func (w *sharedWorld) enter(t *testing.T, way string) {
	t.Helper()
	w.defaults = injector.Defaults{}
	switch way {
	case natively, byIDs:
		w.giveRole(w.policy(t, "userB policy before"))
		return
	case byDefault:
		var err error
		if w.defaults, err = injector.ParseDefaults([]byte(w.page.block(t, "userB defaults"))); err != nil {
			t.Fatal(err)
		}
	}
	w.giveRole(w.policy(t, "userB policy after"))
	arn := w.shared.Role(fakeaws.Role{Name: "airflow-secrets", TrustPolicy: w.page.block(t, "userB shared trust"), Policies: []string{w.policy(t, "userB shared role")}})
	if named := w.values[byRole].(migration.Community).Airflow.PodAnnotations["airflow-secrets/shared-role-arn"]; named != arn {
		t.Errorf("docs/migration.md names the role %s, expected %s", named, arn)
	}
}

// policy is a block of the page, unless the world has one of its own instead.
func (w *sharedWorld) policy(t *testing.T, name string) string {
	t.Helper()
	text := w.page.block(t, name)
	if w.adapt != nil {
		text = w.adapt(text)
	}
	return text
}

// worker is user B's, as the chart renders it, with more annotations. Its database needs no server.
func (w *sharedWorld) worker(t *testing.T, way string, more map[string]string) *corev1.Pod {
	t.Helper()
	pod := w.pod(t, w.chart, way)
	maps.Copy(pod.Annotations, more)
	for c := range migration.ContainersOf(pod) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", Value: "sqlite:////opt/airflow/airflow.db"})
	}
	return pod
}

// pluginRelease is the one release that the plugin is installed with, beside the other packages: requirements/2.8.1.txt.
func pluginRelease(t *testing.T) version {
	t.Helper()
	found, err := worker.Choose("2.8.1")
	if err != nil {
		t.Fatal(err)
	}
	return version{found[0]}
}

// readNatively looks things up by the real plugin, in the pod that there was before. Changes are made to it.
func (w *sharedWorld) readNatively(ctx context.Context, t *testing.T, steps []step, changes ...func(*corev1.Pod)) []found {
	t.Helper()
	v := pluginRelease(t)
	w.enter(t, natively)
	pod := w.worker(t, natively, nil)
	for _, change := range changes {
		change(pod)
	}
	return v.read(ctx, t, v.install(ctx, t), w.environ(t, pod, t.TempDir()), job{Backend: pluginBackend, Steps: steps})
}

// readFiles looks things up in the files of a folder, or of those that the steps have, where the plugin is not installed.
// Nobody then asks AWS.
func (w *sharedWorld) readFiles(ctx context.Context, t *testing.T, pod *corev1.Pod, folder, mount string, steps []step) []found {
	t.Helper()
	v := pluginRelease(t)
	root := strings.TrimSuffix(folder, contract.Directory)
	w.aws.Forget()
	environ := w.environ(t, pod, root)
	if mount != "" {
		for i := range environ {
			environ[i] = strings.ReplaceAll(environ[i], folder, mount)
		}
	}
	files := v.read(ctx, t, v.install(ctx, t), environ, job{
		Backend: "LocalFilesystemBackend", Mount: mount, Steps: steps, Without: []string{pluginPackage},
	})
	if calls := w.aws.Requests(); len(calls) > 0 {
		t.Errorf("Airflow has made %d calls to AWS, %s first, expected none", len(calls), calls[0].Operation)
	}
	return files
}

// Without a way into the shared account user B's pod is refused with both ways named: by the init container where a Secret
// names the backend, before AWS is asked; by the webhook where the pod does. With each of them it works, for the chart's
// other pods as well.
func TestSharedAccountNeedsAWayIn(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, page := buildFetcher(ctx, t), readPage(t)
	w := page.sharedWorld(t)
	expected := w.putNamed(t)
	for _, chart := range []string{w.chart, w.another} {
		t.Run(chart, func(t *testing.T) {
			w.enter(t, byRole)
			w.checkNoWayIn(ctx, t, program, w.without(t, chart, "airflow-secrets/shared-role-arn"))
			for _, way := range []string{byRole, byDefault, byIDs} {
				w.checkWayIn(ctx, t, program, chart, way, expected)
			}
		})
	}
	t.Run("when all is removed that was for the plugin", func(t *testing.T) {
		w := page.sharedWorld(t, func(v *migration.Community) { v.Airflow.ExtraPipPackages = nil })
		w.closed = true
		w.shared.KMSKey(region, fakeaws.KMSKey{ID: keyID})
		w.checkWayIn(ctx, t, program, w.chart, byRole, w.putNamed(t))
	})
}

func (w *sharedWorld) checkWayIn(ctx context.Context, t *testing.T, program, chart, way string, expected map[string]string) {
	t.Helper()
	w.enter(t, way)
	given := deliveries(readReport(t, w.mustFetch(ctx, t, program, w.inject(t, w.pod(t, chart, way)))))
	for id, account := range expected {
		if given[id] != account {
			t.Errorf("%s: %s comes from %q, expected %q", way, id, given[id], account)
		}
	}
}

// putNamed stores a secret for each id that the page names, in the account whose annotation names it: kind and id → account.
func (w *sharedWorld) putNamed(t *testing.T) (expected map[string]string) {
	t.Helper()
	expected = map[string]string{}
	annotations := w.page.annotations(t, "userB annotations by ids")
	for _, kind := range []string{"connections", "variables"} {
		for id := range strings.SplitSeq(annotations["airflow-secrets/"+kind], ",") {
			w.account.Put(region, fakeaws.Secret{Name: w.ownPrefix + id, String: "postgres://" + id})
			expected[kind+" "+id] = contract.OwnAccount
		}
		for id := range strings.SplitSeq(annotations["airflow-secrets/shared-"+kind], ",") {
			w.putShared(t, fakeaws.Secret{Name: w.sharedPrefix + id, String: "postgres://" + id})
			expected[kind+" "+id] = contract.SharedAccount
		}
	}
	return expected
}

// deliveries maps kind and id to the account.
func deliveries(report contract.Report) map[string]string {
	all := map[string]string{}
	for kind, list := range map[string][]contract.Delivered{"connections": report.Connections, "variables": report.Variables, "config": report.Config} {
		for _, d := range list {
			all[kind+" "+d.ID] = d.Account
		}
	}
	return all
}

// without is one of the chart's pods less an annotation.
func (w *sharedWorld) without(t *testing.T, chart, annotation string) *corev1.Pod {
	t.Helper()
	pod := w.pod(t, chart, byRole)
	delete(pod.Annotations, annotation)
	return pod
}

func (w *sharedWorld) checkNoWayIn(ctx context.Context, t *testing.T, program string, pod *corev1.Pod) {
	t.Helper()
	folder, said := w.fetch(ctx, t, program, w.inject(t, pod))
	checkBothWays(t, said)
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is there (%v), expected none", err)
	}
	if calls := w.aws.Requests(); len(calls) > 0 {
		t.Errorf("AWS was asked %d times, expected not at all", len(calls))
	}
	kwargs := w.values[byRole].(migration.Community).Airflow.Config["AIRFLOW__SECRETS__BACKEND_KWARGS"]
	for c := range migration.ContainersOf(pod) {
		c.EnvFrom = nil
		c.Env = append(c.Env, corev1.EnvVar{Name: "AIRFLOW__SECRETS__BACKEND", Value: contract.SharedBackend}, corev1.EnvVar{Name: "AIRFLOW__SECRETS__BACKEND_KWARGS", Value: kwargs})
	}
	decision := w.decide(t, pod)
	checkBothWays(t, string(decision.Code)+": "+decision.Message)
}

func checkBothWays(t *testing.T, said string) {
	t.Helper()
	for _, part := range []string{string(contract.SharedUnreachable) + ": ", "the connections and the variables of the account 222222222222", "airflow-secrets/shared-variables", "airflow-secrets/shared-role-arn", "airflow-secrets/shared-connections"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is said, expected it to have %q", said, part)
		}
	}
}
