package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// TestKeepLogs has a replica killed and then replaced, and wants the logs of all three, also of a container that could not
// be followed at first.
func TestKeepLogs(t *testing.T) {
	const running, waiting = `{"running": {}}`, `{"waiting": {}}`
	pod := func(name string, restarts int, state string) string {
		return fmt.Sprintf(`{"items": [{"metadata": {"name": %q}, "status": {"containerStatuses": [{"name": "webhook", "restartCount": %d, "state": %s}]}}]}`, name, restarts, state)
	}
	var list atomic.Pointer[string]
	var looks atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		fmt.Fprint(w, *list.Load())
	}))
	defer api.Close()
	c := fakeKubectl(t, fmt.Sprintf("[ $1 = proxy ] && echo 'Starting to serve on %s' && exec /bin/sleep 60\n"+
		"[ -e failed ] || { : > failed; exit 1; }\necho \"review by $5\"", strings.TrimPrefix(api.URL, "http://")))
	first := pod("a", 0, running)
	list.Store(&first)
	stop, err := c.KeepLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var wanted []string
	for _, now := range []struct{ list, file, says string }{
		{pod("a", 0, running), "a-webhook-0.log", "review by a\n"},
		{pod("a", 1, running), "a-webhook-1.log", "review by a\n"},
		{pod("b", 0, waiting), "b-webhook-0.log", ""},
		{pod("b", 0, running), "b-webhook-0.log", "review by b\n"},
	} {
		list.Store(&now.list)
		seen := looks.Load() + 1 // one that is under way may be answered with the list before; what the next sees is followed by yet another
		if now.says != "" {
			wanted = append(wanted, filepath.Join(c.keptLogs(), now.file))
		}
		err := command.Until(t.Context(), time.Minute, func(context.Context) error {
			logs, err := c.KeptLogs()
			if text := string(logs[filepath.Join(c.keptLogs(), now.file)]); err == nil && (text != now.says || looks.Load() <= seen) {
				err = fmt.Errorf("%s is %q after %d looks, expected %q after more than %d", now.file, text, looks.Load(), now.says, seen)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		logs, err := c.KeptLogs()
		if got := slices.Sorted(maps.Keys(logs)); err != nil || !slices.Equal(got, wanted) {
			t.Errorf("the logs are %v, %v, expected %v", got, err, wanted)
		}
	}
}
