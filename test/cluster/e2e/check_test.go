package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/kube"
)

func TestSelect(t *testing.T) {
	checks := []Check{{Name: "install", Always: true}, {Name: "one"}, {Name: "two"}}
	for only, want := range map[string]string{"": "install one two", "two": "install two", "one,two": "install one two", "install": "install"} {
		var names []string
		if only != "" {
			names = strings.Split(only, ",")
		}
		selected, err := Select(checks, names)
		var got []string
		for _, check := range selected {
			got = append(got, check.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("--only %q selects %q, %v, expected %q", only, got, err, want)
		}
	}
	if _, err := Select(checks, []string{"one", "three", "four"}); err == nil || !strings.Contains(err.Error(), "three, four") {
		t.Errorf("%v, expected the unknown names", err)
	}
}

func TestRun(t *testing.T) {
	var ran []string
	check := func(name string, err error) Check {
		return Check{Name: name, Says: "says " + name, Run: func(context.Context, *Cluster) (string, error) {
			ran = append(ran, name)
			return "proved " + name, err
		}}
	}
	always := func(c Check) Check { c.Always = true; return c }
	own := func(c Check) Check { c.OwnNode = true; return c }
	restored := func(c Check, err error) Check {
		c.Restore = func(context.Context, *Cluster) error { ran = append(ran, "undo "+c.Name); return err }
		return c
	}
	bad := errors.New("not so")
	for name, c := range map[string]struct {
		checks []Check
		node   *kube.Node
		ran    []string
		told   []string
		failed string
	}{
		"all pass":             {[]Check{check("a", nil), check("b", nil)}, nil, []string{"a", "b"}, []string{"a", "ok", "proved a", "all passed"}, ""},
		"one fails":            {[]Check{check("a", bad), check("b", nil)}, nil, []string{"a", "b"}, []string{"FAILED", "says a", "not so", "proved b"}, "failed: a"},
		"what all need fails":  {[]Check{always(check("a", bad)), check("b", nil)}, nil, []string{"a"}, []string{"FAILED"}, "failed: a"},
		"a node that is lent":  {[]Check{own(check("a", nil)), check("b", nil)}, nil, []string{"b"}, []string{"a", "left out"}, ""},
		"a node of our own":    {[]Check{own(check("a", nil))}, &kube.Node{}, []string{"a"}, []string{"proved a"}, ""},
		"one takes for ever":   {[]Check{{Name: "a", Limit: time.Millisecond, Run: forEver}, check("b", nil)}, nil, []string{"b"}, []string{"deadline exceeded"}, "failed: a"},
		"one fails, undone":    {[]Check{restored(check("a", bad), nil), check("b", nil)}, nil, []string{"a", "undo a", "b"}, []string{"FAILED", "a", "undone", "proved b"}, "failed: a"},
		"undone once":          {[]Check{restored(check("a", bad), nil), check("b", bad), check("c", nil)}, nil, []string{"a", "undo a", "b", "c"}, nil, "failed: a, b"},
		"cannot be undone":     {[]Check{restored(check("a", bad), errors.New("stays")), check("b", nil)}, nil, []string{"a", "undo a"}, []string{"stays", "not run"}, "failed: a"},
		"the last one fails":   {[]Check{restored(check("a", bad), nil), own(check("b", nil))}, nil, []string{"a"}, []string{"b", "left out"}, "failed: a"},
		"nothing to undo":      {[]Check{restored(check("a", nil), nil), check("b", nil)}, nil, []string{"a", "b"}, nil, ""},
		"two fail, both named": {[]Check{check("a", bad), check("b", bad)}, nil, []string{"a", "b"}, nil, "failed: a, b"},
	} {
		ran = nil
		var out strings.Builder
		err := Run(t.Context(), &out, &Cluster{Node: c.node, Path: t.TempDir()}, c.checks)
		if !slices.Equal(ran, c.ran) || (err == nil) != (c.failed == "") || err != nil && err.Error() != c.failed {
			t.Errorf("%s: ran %q, %v, expected %q, %q", name, ran, err, c.ran, c.failed)
		}
		for _, told := range c.told {
			if !strings.Contains(out.String(), told) {
				t.Errorf("%s: %q is not told: %s", name, told, out.String())
			}
		}
	}
}

func forEver(ctx context.Context, _ *Cluster) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}
