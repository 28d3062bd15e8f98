// Command demo is the main job from end to end on one machine: an annotated Airflow pod goes in, a pod that starts with
// its secrets comes out, and the init container in it really fetches them.
//
// The webhook and the fetcher are the programs of bin/. What stands in for the rest is said as it happens: a fake AWS at
// the wire, and a few lines that do what the API server and the kubelet would.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == standInName {
		os.Exit(standIn(os.Stdout))
	}
	bin := flag.String("bin", "bin", "the folder that holds webhook and fetcher")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := run(ctx, *bin, newPrinter(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "demo: not so:", err)
		stop()
		os.Exit(1)
	}
}

// run takes the steps in turn; the first one that does not come out as it should ends the demo.
func run(ctx context.Context, bin string, out *printer) (err error) {
	dir, err := os.MkdirTemp("", "airflow-secrets-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{ctx: ctx, bin: bin, dir: dir, out: out}
	defer s.close()

	out.title("airflow-secrets: a Celery worker of the community chart, from its annotations to its secrets")
	for _, step := range []struct {
		says string
		do   func() error
	}{
		{"A fake AWS holds the secrets of a team", s.startAWS},
		{"The webhook listens, over TLS", s.startWebhook},
		{"A mistake is answered at once, in a sentence", s.postMistake},
		{"The API server asks about the annotated pod", s.postPod},
		{"The API server applies the patch", s.applyPatch},
		{"The kubelet runs the init container", s.runInitContainer},
		{"Airflow finds its files", s.showFiles},
		{"The report says what was left out", s.showReport},
		{"The same worker asks for environment variables instead, and for options of Airflow's own", s.postEnvPod},
		{"The kubelet runs the init container, which leaves the variables and a copy of itself", s.runEnvInitContainer},
		{"The kubelet starts the worker's own command, behind that copy", s.startWorker},
	} {
		started := time.Now()
		out.step(step.says)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.says, err)
		}
		out.took(time.Since(started))
	}
	out.end()
	return nil
}

// stage is what the steps leave for the ones after them.
type stage struct {
	ctx  context.Context
	bin  string
	dir  string
	out  *printer
	stop []func() // in the order of starting

	endpoint  string                       // of the fake AWS
	secretKey string                       // of the access key that the pod has from a Kubernetes Secret
	wanted    map[string]map[string]string // kind → id → the value in AWS of what must be delivered
	webhook   *webhook
	review    answer // to the pod
	patched   []byte // the pod as JSON
	files     string // the folder that stands in for /var/run/secrets/airflow

	envPod             []byte // the pod that gets environment variables, patched, as JSON
	envFiles, envExecs string // the folders that stand in for those of its volumes
}

func (s *stage) close() {
	for i := len(s.stop) - 1; i >= 0; i-- {
		s.stop[i]()
	}
}

func (s *stage) program(name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(s.bin, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("looking for the program (make build makes it): %w", err)
	}
	return path, nil
}
