// Package fetcher is the program that the webhook injects as an init container: it reads the pod's secrets from AWS and
// writes the files that Airflow's own code will read, all of them or none. With delivery by environment variables it also
// starts Airflow's containers, and gives them the variables.
package fetcher

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

// Options are what a run takes from the process around it.
type Options struct {
	// Version of the program, for the log.
	Version string
	// Environ is the environment, as os.Environ gives it. Only the AWS SDK looks at the process's own instead.
	Environ []string
	// ReadFile reads a file of the container, as os.ReadFile does: airflow.cfg, where a volume holds it.
	ReadFile func(path string) ([]byte, error)
	// Program is the file of this program. With delivery by environment variables it is copied for Airflow's containers, of
	// which each starts by it.
	Program string
	// Limits are those of Airflow's containers. None: they are this process's own, as they are where both are of one pod.
	Limits Limits
	// Stdout receives the log, a JSON object a line. Stderr receives one line at the end, for people.
	Stdout, Stderr io.Writer
	// TerminationLog is the file in which Kubernetes looks for that line, /dev/termination-log. It is written only where
	// it exists already.
	TerminationLog string
}

// Run fetches the secrets once. It returns nil if and only if the files are all there; otherwise a *contract.Error, and
// the folder is as it was before. It ends within the configuration's timeout, or soon after ctx is cancelled.
func Run(ctx context.Context, o Options) error {
	started := time.Now()
	log := slog.New(slog.NewJSONHandler(o.Stdout, nil))
	report, err := fetch(ctx, o, log)
	if err != nil && ctx.Err() != nil {
		err = &contract.Error{Code: contract.Stopped, Err: context.Cause(ctx)}
	}
	conclude(o, log, report, err, time.Since(started))
	return err
}

// fetch is the whole run: configure, gather, convert, write. A panic on the way is a failure like others.
func fetch(ctx context.Context, o Options, log *slog.Logger) (report contract.Report, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			report, err = contract.Report{}, panicked(cause, log)
		}
	}()
	setup, err := Configure(o)
	if err != nil {
		return contract.Report{}, err
	}
	logStart(log, o.Version, setup)
	result, err := Check(ctx, setup, log)
	if err != nil {
		return contract.Report{}, err
	}
	if err := write(result.Report, result.deliveries...); err != nil {
		return contract.Report{}, err
	}
	return result.Report, nil
}

// Result is what a run would write, and what it took to find out.
type Result struct {
	Report contract.Report
	// Found is what AWS gave, without the values.
	Found source.Found

	deliveries []delivery
}

// Check does all of a run but writing. Its errors are those of Run; the result then tells how far it came.
func Check(ctx context.Context, setup Setup, log *slog.Logger) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(setup.Timeout))
	defer cancel()
	found, err := source.Gather(ctx, setup.Config, log)
	if err != nil {
		return Result{Report: contract.NewReport(), Found: found}, err
	}
	deliveries, report, err := convert(setup, found)
	first := slices.Concat(setup.Warnings, turnedOff(setup.Config), slow(setup.Deliver, len(report.Connections)))
	report.Warnings = slices.Insert(report.Warnings, 0, first...)
	found.Secrets = nil
	return Result{Report: report, Found: found, deliveries: deliveries}, err
}

// turnedOff warns of a configuration that asks for nothing.
func turnedOff(c contract.Config) []string {
	for _, a := range c.Accounts {
		if len(a.Kinds()) > 0 || len(a.Files) > 0 {
			return nil
		}
	}
	return []string{"connections and variables are both turned off, so there is nothing to deliver"}
}

// manyConnections is how many Airflow still looks up without trouble. LocalFilesystemBackend builds every connection of
// its file again at each look-up, and hands each password to the masker, which at the first look-up of a process costs by
// their square. make bench, on 2 cores, with 100, 200 and 1000 of them: a look-up took 0.05, 0.15 and 0.5 s, the first one in
// Airflow 3.3.2 0.6, 2 and 31 s.
const manyConnections = 100

// slow warns of a file that slows Airflow down.
func slow(deliver contract.Deliver, connections int) []string {
	if connections <= manyConnections || deliver == contract.DeliverEnv {
		return nil
	}
	return []string{fmt.Sprintf("there are %d connections, and Airflow builds all of them at every look-up: that takes about 0.05 s "+
		"with 100 and 0.5 s with 1000, and the first look-up of each task in Airflow 3 about 0.6 s with 100, 2 s with 200 and over 30 s with 1000: "+
		"let airflow-secrets/connections-prefix or a look-up pattern choose fewer, "+
		"name the ids in airflow-secrets/connections, or set airflow-secrets/deliver to env", connections)}
}
