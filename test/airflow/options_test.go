package airflow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
	"github.com/airflow-secrets/airflow-secrets/test/migration"
)

// option is one that the tests take from secrets; nothing but a mail to be sent ever needs it.
const option = "smtp.smtp_password"

const (
	optionSecret  = "AIRFLOW__SMTP__SMTP_PASSWORD_SECRET"
	optionCommand = "AIRFLOW__SMTP__SMTP_PASSWORD_CMD"
)

// taking makes Airflow take the option from its backend.
func taking(id string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		for c := range migration.ContainersOf(pod) {
			c.Env = append(c.Env, corev1.EnvVar{Name: optionSecret, Value: id})
		}
	}
}

// An option that the plugin has given in a worker's env is what it was, by a command with a file, whichever account it is
// from. One that the plugin could not give fails the pod: no file can say that there is none.
func TestOptions(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, w := buildFetcher(ctx, t), readPage(t).sharedWorld(t)
	w.putPairs(t)
	ids := append(idsOf(pairs(), func(pair) bool { return true }), w.putHardOptions(t)...)
	var before, after []step
	for _, id := range ids {
		before = append(before, step{Options: []string{option}, Environ: map[string]string{optionSecret: id}})
	}
	native := w.readNatively(ctx, t, before, taking("before-the-first-step"))

	w.enter(t, byRole)
	var expected []found
	var pod *corev1.Pod
	var folder string
	for i, id := range ids {
		answer := w.answerOfOption(t, id, native[i].Outcome)
		if answer == "none" || answer == "raises" {
			w.checkOptionFails(ctx, t, program, id)
			continue
		}
		pod = w.inject(t, w.takingOption(t, id))
		folder = w.mustFetch(ctx, t, program, pod)
		command := w.variable(t, pod, folder, optionCommand)
		after, expected = append(after, step{Options: []string{option}, Environ: map[string]string{optionCommand: command}}), append(expected, native[i])
	}
	for i, f := range w.readFiles(ctx, t, pod, folder, "", after) {
		if want := expected[i].Outcome; want.Fields == nil || f.Outcome.Fields["value"] != want.Fields["value"] {
			t.Errorf("the option is %v by %s, natively %v", f.Outcome, after[i].Environ[optionCommand], want)
		}
	}
	t.Logf("%d options the same, %d fail the pod", len(after), len(native)-len(after))
}

// answerOfOption is that of the table, to which it holds what the plugin gave for an option that is there. Of one that is not,
// Airflow goes on to its default. An id that the table does not have is there.
func (w *sharedWorld) answerOfOption(t *testing.T, id string, native outcome) string {
	t.Helper()
	p, ok := pairOf(id)
	if !ok {
		return native.answer()
	}
	answer := p.answerOf(string(contract.Options))
	if there := answer == contract.OwnAccount || answer == contract.SharedAccount; there && native.answer() != answer {
		t.Errorf("own %s, shared %s: the option is %s (%s), expected %s", p.own, p.shared, native.answer(), native.Absent, answer)
	}
	return answer
}

// takingOption is the worker that takes the option from its backend.
func (w *sharedWorld) takingOption(t *testing.T, id string) *corev1.Pod {
	t.Helper()
	pod := w.worker(t, byRole, nil)
	taking(id)(pod)
	return pod
}

// putHardOptions stores texts that a file or a command might change.
func (w *sharedWorld) putHardOptions(t *testing.T) (ids []string) {
	t.Helper()
	for i, text := range []string{
		"no line feed", "line feed\n", "\n\n around \r\n", " white space \t", `"quoted" 'text' $HOME ${HOME} ` + "`id` \\", "100% %(here)s %%",
		"-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n", "größe ☃ 😀", "a=b;c|d&e>f #g", "\x01\x7f\u0085",
	} {
		id := fmt.Sprintf("hard/option_%d", i)
		ids = append(ids, id)
		if i%2 == 0 {
			w.account.Put(region, fakeaws.Secret{Name: w.ownPrefix + id, String: text})
		} else {
			w.putShared(t, fakeaws.Secret{Name: w.sharedPrefix + id, String: text})
		}
	}
	return ids
}

// variable is one of the worker's, of a folder that has been filled.
func (w *sharedWorld) variable(t *testing.T, pod *corev1.Pod, folder, name string) string {
	t.Helper()
	for _, variable := range w.environ(t, pod, strings.TrimSuffix(folder, contract.Directory)) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	t.Fatalf("the worker has no variable %s", name)
	return ""
}

// checkOptionFails wants the secret named.
func (w *sharedWorld) checkOptionFails(ctx context.Context, t *testing.T, program, id string) {
	t.Helper()
	_, said := w.fetch(ctx, t, program, w.inject(t, w.takingOption(t, id)))
	isCode := slices.ContainsFunc([]contract.Code{contract.IDsMissing, contract.IDsUnusable}, func(c contract.Code) bool { return strings.HasPrefix(said, string(c)+": ") })
	if !isCode || !strings.Contains(said, "config "+id) {
		t.Errorf("the fetcher said %q, expected it to fail for the option %s", said, id)
	}
}

// An option that a Secret takes from the backend, by envFrom, is refused with the way out that the page has, and that way
// works.
func TestOptionsOutOfSight(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	program, page := buildFetcher(ctx, t), readPage(t)
	const annotation = "airflow-secrets/config"
	hidden := page.sharedWorld(t, func(v *migration.Community) { v.Airflow.Config[optionSecret] = "mail" })
	hidden.enter(t, byRole)
	_, said := hidden.fetch(ctx, t, program, hidden.inject(t, hidden.worker(t, byRole, nil)))
	for _, part := range []string{string(contract.OptionFromBackend) + ": ", optionSecret, annotation + " to " + option + "="} {
		if !strings.Contains(said, part) {
			t.Errorf("the fetcher said %q, expected it to have %q", said, part)
		}
	}
	w := page.sharedWorld(t)
	w.putShared(t, fakeaws.Secret{Name: w.sharedPrefix + "mail", String: "postgres://mail"})
	w.enter(t, byRole)
	pod := w.inject(t, w.worker(t, byRole, map[string]string{annotation: option + "=mail"}))
	folder := w.mustFetch(ctx, t, program, pod)
	got := w.readFiles(ctx, t, pod, folder, "", []step{{Options: []string{option}}})
	if value := got[0].Outcome.Fields["value"]; value != "'postgres://mail'" {
		t.Errorf("the option is %s", value)
	}
}
