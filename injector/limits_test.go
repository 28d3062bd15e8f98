package injector

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// podOf is an annotated pod with something among its metadata, in its spec and in its container.
func podOf(metadata, spec, container string) string {
	return fmt.Sprintf(`{"kind":"Pod","metadata":{"annotations":{"airflow-secrets/inject":"true"}%s},"spec":{"containers":[{"name":"base","image":"apache/airflow:3.1.8"%s}]%s}}`, metadata, container, spec)
}

// many is a list or an object of so many elements, as a member that others come before.
func many(name, element string, n int) string {
	return fmt.Sprintf(`,"%s":[%s]`, name, strings.TrimSuffix(strings.Repeat(element+",", n), ","))
}

func manyMembers(name string, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `,"k%d":"1"`, i)
	}
	return fmt.Sprintf(`,"%s":{%s}`, name, text.String()[1:])
}

// Each limit lets through as many as it says, and one more is refused with a sentence that names it. Where a test's pod has
// some already, they count.
func TestLimits(t *testing.T) {
	in := &Injector{FetcherImage: "fetcher:test"}
	inInit := func(more string) string { return podOf("", `,"initContainers":[{"name":"i"`+more+`}]`, "") }
	for _, l := range limits {
		makers := map[string]func(n int) string{
			"metadata.annotations": func(n int) string {
				return strings.Replace(podOf("", "", ""), `"annotations":{`, strings.TrimPrefix(strings.TrimSuffix(manyMembers("annotations", n-1), "}"), ",")+",", 1)
			},
			"spec.containers": func(n int) string {
				return strings.Replace(podOf("", "", ""), `"containers":[`, `"containers":[`+strings.Repeat(`{"name":"c"},`, n-1), 1)
			},
			"spec.containers[].command":                func(n int) string { return podOf("", "", many("command", `""`, n)) },
			"spec.containers[].args":                   func(n int) string { return podOf("", "", many("args", `""`, n)) },
			"spec.containers[].env":                    func(n int) string { return podOf("", "", many("env", `{"name":"E"}`, n)) },
			"spec.containers[].envFrom":                func(n int) string { return podOf("", "", many("envFrom", `{}`, n)) },
			"spec.containers[].volumeMounts":           func(n int) string { return podOf("", "", many("volumeMounts", `{"name":"v"}`, n)) },
			"spec.containers[].resources.requests":     func(n int) string { return podOf("", "", `,"resources":{"x":1`+manyMembers("requests", n)+`}`) },
			"spec.containers[].resources.limits":       func(n int) string { return podOf("", "", `,"resources":{"x":1`+manyMembers("limits", n)+`}`) },
			"spec.initContainers":                      func(n int) string { return podOf("", many("initContainers", `{"name":"i"}`, n), "") },
			"spec.initContainers[].command":            func(n int) string { return inInit(many("command", `""`, n)) },
			"spec.initContainers[].args":               func(n int) string { return inInit(many("args", `""`, n)) },
			"spec.initContainers[].env":                func(n int) string { return inInit(many("env", `{"name":"E"}`, n)) },
			"spec.initContainers[].envFrom":            func(n int) string { return inInit(many("envFrom", `{}`, n)) },
			"spec.initContainers[].volumeMounts":       func(n int) string { return inInit(many("volumeMounts", `{"name":"v"}`, n)) },
			"spec.initContainers[].resources.requests": func(n int) string { return inInit(`,"resources":{"x":1` + manyMembers("requests", n) + `}`) },
			"spec.initContainers[].resources.limits":   func(n int) string { return inInit(`,"resources":{"x":1` + manyMembers("limits", n) + `}`) },
			"spec.volumes":                             func(n int) string { return podOf("", many("volumes", `{"name":"v"}`, n), "") },
			// Beside the list and its elements podOf has 9 values.
			"": func(n int) string { return podOf(many("unknown", "1", n-10), "", "") },
		}
		pod, ok := makers[l.path]
		if !ok {
			t.Fatalf("no pod for the limit of %q", l.path)
		}
		if d := in.Decide([]byte(pod(l.most)), ""); strings.Contains(d.Message, "at most in") {
			t.Errorf("%q, %d: %s", l.path, l.most, d.Message)
		}
		d := in.Decide([]byte(pod(l.most+1)), "")
		expected := fmt.Sprintf("%s: expected %d at most in the whole pod, found %d", strings.ReplaceAll(l.path, "[]", ""), l.most, l.most+1)
		if l.path == "" {
			expected = strings.Replace(expected, ":", "values of all kinds:", 1)
		}
		if d.Code != contract.InvalidPod || !strings.HasSuffix(d.Message, expected) {
			t.Errorf("%q, one more: %s", l.path, d.Message)
		}
	}
}

// However a pod is written, its elements are counted: the reader of the API server would find them too.
func TestLimitsFindWhatIsWrittenOddly(t *testing.T) {
	list := "[" + strings.Repeat("{},", 150) + "{}]"
	for name, pod := range map[string]string{
		"a name with escapes":             `{"spec":{"c\u006fntainers":[` + strings.Repeat("{},", 200) + `{}]}}`,
		"a list that is twice":            `{"spec":{"containers":` + list + `,"containers":` + list + `}}`,
		"an object for a list of lists":   `{"spec":{"containers":{"x":[]},"containers":[` + strings.Repeat("{},", 200) + `{}]}}`,
		"white space and quotes in texts": "{ \"x\" : \"\\\"{[,\" , \"spec\"\n:\t{ \"containers\" : [ " + strings.Repeat(" { } ,\n", 200) + " { } ] } }",
		"values of every kind":            `{"a":true,"b":null,"c":-1.5e3,"spec":{"containers":[` + strings.Repeat("null,", 200) + `1]}}`,
	} {
		if problems := tooMany([]byte(pod)); len(problems) != 1 || problems[0].subject != "spec.containers" {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// What is no JSON is somebody else's to refuse, and ends all the same.
func TestLimitsOfWhatIsNoJSON(t *testing.T) {
	for _, text := range []string{"", "}", "]", ",", `"`, `"\`, `{"`, `{"a`, "[", "1", "nul", `{"spec":{"\uZZZZ":[1]}}`, "\x00", "{,,}:"} {
		if problems := tooMany([]byte(text)); len(problems) > 0 {
			t.Errorf("%q: %v", text, problems)
		}
	}
}

// A pod of empty elements takes no more memory than its text, whatever list they are in.
func TestHostilePodsTakeLittleMemory(t *testing.T) {
	in := &Injector{FetcherImage: "fetcher:test"}
	for name, pod := range map[string]string{
		"containers":      strings.Replace(podOf("", "", ""), `"containers":[`, `"containers":[`+strings.Repeat(`{},`, 21_000), 1),
		"init containers": podOf("", many("initContainers", "{}", 1_000_000), ""),
		"variables":       podOf("", "", many("env", `{"name":""}`, 250_000)),
		"a tree of ours":  podOf("", `,"initContainers":[{"name":"airflow-secrets","command":["/airflow-secrets"],"x":[`+strings.Repeat("[],", 1_000_000)+`1]}]`, ""),
		"as many as the limits let through": podOf("", many("volumes", `{}`, 1000)+many("initContainers", `{"name":"","env":[{"name":"A"},{"name":"B"}]}`, 200),
			many("env", `{"name":"AIRFLOW__A__B"}`, 5000)+many("volumeMounts", `{}`, 2000)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		in.Decide([]byte(pod), "")
		runtime.ReadMemStats(&after)
		const bound = 64 << 20
		if made := after.TotalAlloc - before.TotalAlloc; made > bound {
			t.Errorf("%s: %d MiB for a pod of %d KiB, expected %d at most", name, made>>20, len(pod)>>10, bound>>20)
		} else {
			t.Logf("%s: %d KiB for a pod of %d KiB", name, made>>10, len(pod)>>10)
		}
	}
}
