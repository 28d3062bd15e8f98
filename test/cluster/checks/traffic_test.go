package checks

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
)

// TestTrafficCountsWhatIsUnderWay has all reviews but the first hang until the traffic has stopped, and then denied.
func TestTrafficCountsWhatIsUnderWay(t *testing.T) {
	defer goleak.VerifyNone(t)
	var first sync.Once
	hangs, stopped := make(chan struct{}, 1), make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusInternalServerError
		first.Do(func() { status = http.StatusCreated })
		if status != http.StatusCreated {
			select {
			case hangs <- struct{}{}:
			default:
			}
			<-stopped
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"spec": {"initContainers": [{"name": "airflow-secrets"}]}}`)
	}))
	defer api.Close()
	c := &e2e.Cluster{Source: t.TempDir(), Path: t.TempDir()}
	kubectl := fmt.Sprintf("#!/bin/sh\necho $$ > pid\necho Starting to serve on %s\nexec /bin/sleep 60\n", strings.TrimPrefix(api.URL, "http://"))
	if err := os.WriteFile(filepath.Join(c.Path, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	traffic, err := startTraffic(t.Context(), c, "e2e-any")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(c.Source, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	<-hangs
	traffic.stop()
	close(stopped)
	traffic.done.Wait()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("after the last answer kubectl proxy is gone (%v), expected it to be there until the end", err)
	}
	traffic.end()
	traffic.end()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("after the end kubectl proxy is there (%v)", err)
	}
	if o := traffic.between(began, time.Now()); o.denied == 0 || o.denied != o.pods || !strings.Contains(o.reason, "status 500") {
		t.Errorf("%v for %q, expected all to be denied, and why", o, o.reason)
	}
}
