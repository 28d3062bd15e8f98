package checks

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/image"
)

func TestSearch(t *testing.T) {
	decoys := []byte(strings.Join(forms(decoy), " "))
	for name, c := range map[string]struct {
		text  string
		found bool
	}{
		"nothing":         {"all is well", false},
		"plain":           {"x" + e2e.Canary + "x", true},
		"hexadecimal":     {fmt.Sprintf("%x", "pw="+e2e.Canary), true},
		"upper case":      {fmt.Sprintf("%X", e2e.Canary), true},
		"base64 at 0":     {base64.StdEncoding.EncodeToString([]byte(e2e.Canary)), true},
		"base64 at 1":     {base64.StdEncoding.EncodeToString([]byte("a" + e2e.Canary + "zz")), true},
		"base64 at 2":     {base64.URLEncoding.EncodeToString([]byte("ab" + e2e.Canary + "z")), true},
		"half the canary": {e2e.Canary[:len(e2e.Canary)/2], false},
	} {
		err := searchWithDecoy(map[string][]byte{"place": []byte(c.text), "other": decoys})
		if (err != nil) != c.found || c.found && !strings.Contains(err.Error(), "place shows") {
			t.Errorf("%s: %v, expected found to be %v", name, err, c.found)
		}
	}
}

func TestSearchFindsItsDecoy(t *testing.T) {
	all := forms(decoy)
	for missing := range all {
		text := strings.Join(slices.Delete(slices.Clone(all), missing, missing+1), " ")
		if err := searchWithDecoy(map[string][]byte{"place": []byte(text)}); err == nil || !strings.Contains(err.Error(), "does not find the decoy") {
			t.Errorf("without the decoy as %q: %v", all[missing], err)
		}
	}
}

func TestCommandsOf(t *testing.T) {
	dir := t.TempDir()
	const text = "# x\n\n```sh\nrm -rf everything\n```\n\n<!-- make e2e runs this: install -->\n```sh\nmake build   # or not\n\nhelm install a b\n```\n\n```sh\nmore\n```\n"
	if err := os.WriteFile(filepath.Join(dir, readme), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := commandsOf(dir, readme, "install")
	if want := []string{"make build", "helm install a b"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v, expected %q", got, err, want)
	}
	if got, err := commandsOf(dir, readme, "uninstall"); err == nil {
		t.Errorf("%q for a block that is not there", got)
	}
}

func TestOutcome(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(asked, answered int, injected bool, denied string) answer {
		return answer{start.Add(time.Duration(asked) * time.Millisecond), start.Add(time.Duration(answered) * time.Millisecond), injected, denied}
	}
	fine := []answer{at(0, 10, true, ""), at(50, 60, true, "")}
	for name, c := range map[string]struct {
		answers []answer
		longest time.Duration
		window  time.Duration
		ok      bool
	}{
		"all injected":            {fine, 0, 0, true},
		"none at all":             {nil, 0, 0, false},
		"before it began":         {[]answer{at(-10, 0, false, "no"), fine[0]}, 0, 0, true},
		"after its end":           {[]answer{fine[0], at(1000, 1010, false, "no")}, 0, 0, true},
		"answered after its end":  {[]answer{fine[0], at(999, 1010, false, "no")}, 0, 11 * time.Millisecond, false},
		"one uninjected":          {append(fine, at(100, 110, false, "")), time.Hour, 0, false},
		"one denied":              {append(fine, at(100, 130, false, "no")), 0, 30 * time.Millisecond, false},
		"denied, but not long":    {append(fine, at(100, 130, false, "no"), at(150, 400, false, "no")), 300 * time.Millisecond, 300 * time.Millisecond, true},
		"denied for longer":       {append(fine, at(100, 130, false, "no"), at(150, 401, false, "no")), 300 * time.Millisecond, 301 * time.Millisecond, false},
		"an early one ends last":  {append(fine, at(100, 500, false, "no"), at(150, 160, false, "no")), time.Hour, 400 * time.Millisecond, true},
		"denied for no long time": {append(fine, at(100, 100, false, "no")), 0, 0, false},
	} {
		o := (&traffic{answers: c.answers}).between(start, start.Add(time.Second))
		if err := o.judge(c.longest); (err == nil) != c.ok || o.window != c.window {
			t.Errorf("%s: %v with a window of %v, expected ok to be %v and %v", name, err, o.window, c.ok, c.window)
		}
	}
}

func TestExpectOthers(t *testing.T) {
	pods := func(uids ...types.UID) (all []corev1.Pod) {
		for _, uid := range uids {
			all = append(all, corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
		}
		return all
	}
	for name, c := range map[string]struct {
		before, after []corev1.Pod
		ok            bool
	}{
		"replaced":         {pods("a", "b"), pods("c", "d"), true},
		"as before":        {pods("a", "b"), pods("a", "b"), false},
		"one of them left": {pods("a", "b"), pods("c", "b"), false},
		"none":             {pods("a", "b"), nil, false},
	} {
		if err := expectOthers(c.before, c.after); (err == nil) != c.ok {
			t.Errorf("%s: %v, expected ok to be %v", name, err, c.ok)
		}
	}
}

func TestExpectBare(t *testing.T) {
	bare := image.Content{Config: image.Config{User: "65532:65532", Entrypoint: []string{"/webhook"}}, Files: map[string]int64{"webhook": 5}}
	for name, c := range map[string]struct {
		change func(*image.Content)
		want   string
	}{
		"bare":             {func(*image.Content) {}, ""},
		"a shell":          {func(c *image.Content) { c.Files = map[string]int64{"webhook": 5, "bin/sh": 1} }, "expected /webhook alone"},
		"nothing":          {func(c *image.Content) { c.Files = nil }, "expected /webhook alone"},
		"root":             {func(c *image.Content) { c.Config.User = "0" }, "its user"},
		"root by default":  {func(c *image.Content) { c.Config.User = "" }, "its user"},
		"a user by name":   {func(c *image.Content) { c.Config.User = "nobody" }, "its user"},
		"something before": {func(c *image.Content) { c.Config.Entrypoint = []string{"/bin/sh", "/webhook"} }, "its entrypoint"},
	} {
		changed := bare
		c.change(&changed)
		err := expectBare(changed, "webhook")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
}

func TestIsOurs(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		ours   bool
	}{
		"ours by name":         {`{"metadata": {"name": "airflow-secrets"}}`, true},
		"ours by label":        {`{"metadata": {"name": "x", "labels": {"app.kubernetes.io/name": "airflow-secrets"}}}`, true},
		"somebody's":           {`{"metadata": {"name": "kubernetes"}}`, false},
		"a node with images":   {`{"metadata": {"name": "node"}, "status": {"images": [{"names": ["airflow-secrets-webhook"]}]}}`, false},
		"a pod that was asked": {`{"metadata": {"name": "x", "namespace": "e2e-x", "annotations": {"airflow-secrets/inject": "true"}}}`, false},
	} {
		if _, ours := isOurs([]byte(c.object)); ours != c.ours {
			t.Errorf("%s: %v, expected %v", name, ours, c.ours)
		}
	}
}

func TestClocks(t *testing.T) {
	if got, err := clock("1795325039.898242\n"); err != nil || got.UnixMicro() != 1795325039898242 {
		t.Errorf("the clock is %v, %v", got, err)
	}
	if _, err := clock("%N"); err == nil {
		t.Error("%N is read as a time")
	}
	const log = `{"time":"2026-11-22T05:42:20.1Z","msg":"fetching"}` + "\n" + `{"time":"2026-11-22T05:42:20.25Z","duration":"21ms"}` + "\nin words\n"
	if got, err := fetcherEnded(log); err != nil || got.Nanosecond() != 250_000_000 {
		t.Errorf("the fetcher ended at %v, %v", got, err)
	}
	if _, err := fetcherEnded("in words\n"); err == nil {
		t.Error("a log without a duration has an end")
	}
}

func TestCompare(t *testing.T) {
	ms := func(init, total int) lap {
		return lap{time.Duration(init) * time.Millisecond, time.Duration(total) * time.Millisecond}
	}
	noop := []lap{ms(300, 900), ms(310, 1900), ms(5000, 9000)}
	told, err := compare([]lap{ms(400, 1900), ms(420, 1000), ms(9000, 10000)}, noop)
	if err != nil || !strings.Contains(told, "110 ms more") || !strings.Contains(told, "1900 and 1900 ms") {
		t.Errorf("%s, %v", told, err)
	}
	if told, err := compare([]lap{ms(1400, 1900), ms(1420, 1000), ms(9000, 10000)}, noop); err == nil {
		t.Errorf("%s is no error", told)
	}
}

func TestQualified(t *testing.T) {
	for name, want := range map[string]string{
		"one:1":                  "docker.io/library/one:1",
		"team/one:1":             "docker.io/team/one:1",
		"ghcr.io/team/one:1":     "ghcr.io/team/one:1",
		"localhost:5000/one@sha": "localhost:5000/one@sha",
	} {
		if got := qualified(name); got != want {
			t.Errorf("%s is %s, expected %s", name, got, want)
		}
	}
}
