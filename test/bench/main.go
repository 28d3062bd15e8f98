// Command bench measures what it costs Airflow to look a connection up: through the files of our fetcher, from
// the AIRFLOW_CONN_ variables that it writes with deliver: env, and by SecretsManagerBackend over the wire from a fake AWS whose calls take a stated time.
//
// Airflow is a real one. Its environment is that of the pod which our webhook makes, the files are those that our fetcher
// writes from the same fake AWS, and every connection that comes out is held against what was put in: a wrong one fails
// the run. How long anything takes never does.
//
// The passwords all differ, as they do in a real store. It matters: Airflow hides each password that it has seen from its
// logs, and LocalFilesystemBackend makes every connection of the file at every look-up.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-secrets/airflow-secrets/test/airflow/worker"
)

// settings are what one may ask for.
type settings struct {
	releases  []worker.Release
	sizes     []int         // how many connections there are
	latency   time.Duration // of every call to the fake AWS
	processes int           // fresh processes for each figure
	lookUps   int           // in each of them after the first, and as many for ids that are not there
	limit     time.Duration // a size that has taken so long is not measured in a further process
	parallel  int           // processes of Airflow that run at once
}

func main() {
	s, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		cancel()
		os.Exit(1)
	}
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	releases := flags.String("airflow", "2.8.1,3.3.2", "releases of Airflow, separated by commas, or all")
	sizes := flags.String("connections", "10,100,1000", "numbers of connections, separated by commas")
	flags.DurationVar(&s.latency, "latency", 20*time.Millisecond, "what every call to the fake AWS takes")
	flags.IntVar(&s.processes, "processes", 3, "fresh processes to measure each figure in")
	flags.IntVar(&s.lookUps, "look-ups", 5, "look-ups in each process after the first, and as many that find nothing")
	flags.DurationVar(&s.limit, "limit", 5*time.Second, "figures that have taken this long are not measured in a further process")
	flags.IntVar(&s.parallel, "parallel", 2, "processes of Airflow that run at once")
	flags.Parse(args)
	for text := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil || size < 1 {
			return s, fmt.Errorf("-connections is %q, expected numbers such as 10,100", *sizes)
		}
		s.sizes = append(s.sizes, size)
	}
	if s.processes < 1 || s.lookUps < 1 || s.parallel < 1 {
		return s, fmt.Errorf("-processes is %d, -look-ups is %d and -parallel is %d, expected 1 or more of each", s.processes, s.lookUps, s.parallel)
	}
	var err error
	s.releases, err = worker.Choose(*releases)
	return s, err
}

// run sets the scenes, measures in them, and prints.
func run(ctx context.Context, s settings, out io.Writer) error {
	folder, err := os.MkdirTemp("", "airflow-secrets-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	scenes, err := newScenes(ctx, s, folder)
	defer scenes.close()
	if err != nil {
		return err
	}
	printHead(out, s, scenes[0].stores)
	if err := measureAll(ctx, s, scenes); err != nil {
		return err
	}
	for _, scene := range scenes {
		printTable(out, scene)
	}
	return nil
}

// measureAll measures each way in each release, several at once: what is measured is the time of the processor. The
// newest release comes first, since it takes longest.
func measureAll(ctx context.Context, s settings, all scenes) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.parallel)
	for _, scene := range slices.Backward(all) {
		for i := range scene.ways {
			group.Go(func() error {
				var err error
				if scene.measured[i], err = measure(ctx, s, scene, scene.ways[i]); err != nil {
					return fmt.Errorf("measuring %s with Airflow %s: %w", scene.ways[i].name, scene.release, err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}
