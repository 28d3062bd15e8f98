// Package fetcher is the program that the webhook injects as an init container: it reads the pod's secrets from AWS and
// writes the files that Airflow's own code will read, all of them or none.
package fetcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflow"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

// Options are what a run takes from the process around it.
type Options struct {
	// Version of the program, for the log.
	Version string
	// Environ is the environment, as os.Environ gives it. Only the AWS SDK looks at the process's own instead.
	Environ []string
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
	config, err := configure(o.Environ)
	if err != nil {
		return contract.Report{}, err
	}
	logStart(log, o.Version, config)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(config.Timeout))
	defer cancel()
	found, err := source.Gather(ctx, config, log)
	if err != nil {
		return contract.Report{}, err
	}
	files, report, err := convert(found)
	if err != nil {
		return contract.Report{}, err
	}
	first := slices.Concat(config.Warnings, turnedOff(config), slow(len(report.Connections)))
	report.Warnings = slices.Insert(report.Warnings, 0, first...)
	if err := write(config.Directory, config.FileMode, files, report); err != nil {
		return contract.Report{}, err
	}
	return report, nil
}

// convert makes Airflow's files of what was found, and the report of what became of each secret. It forgets each value as
// it goes: the container's memory has no room for all of them twice.
func convert(found source.Found) (map[string][]byte, contract.Report, error) {
	entries := map[contract.Kind]map[string]secret.Value{contract.Connections: {}, contract.Variables: {}}
	delivered := map[contract.Kind][]contract.Delivered{contract.Connections: {}, contract.Variables: {}}
	report := contract.NewReport()
	report.LeftOut = append(report.LeftOut, found.LeftOut...)
	report.Collisions = append(report.Collisions, found.Collisions...)
	report.Warnings = append(report.Warnings, found.Warnings...)
	size := 0
	for i := range found.Secrets {
		s := &found.Secrets[i]
		entry, err := convertOne(*s)
		s.Value = secret.Value{}
		if err != nil {
			report.LeftOut = append(report.LeftOut, leftOut(*s, err))
			continue
		}
		if size += len(s.ID) + entry.Len(); size > contract.MaxWrittenBytes {
			return nil, report, tooLarge(size)
		}
		entries[s.Kind][s.ID] = entry
		delivered[s.Kind] = append(delivered[s.Kind], contract.Delivered{ID: s.ID, ARN: s.ARN, Account: s.Account})
	}
	report.Connections, report.Variables = delivered[contract.Connections], delivered[contract.Variables]
	slices.SortStableFunc(report.LeftOut, func(a, b contract.LeftOut) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return map[string][]byte{
		contract.ConnectionsFile: airflow.File(entries[contract.Connections]),
		contract.VariablesFile:   airflow.File(entries[contract.Variables]),
	}, report, nil
}

func convertOne(s source.Secret) (secret.Value, error) {
	switch s.Kind {
	case contract.Connections:
		return airflow.Connection(s.Value)
	case contract.Variables:
		return airflow.Variable(s.Value)
	}
	return secret.Value{}, fmt.Errorf("converting a secret of kind %q, which there is not", s.Kind)
}

// leftOut is a secret that Airflow could not use.
func leftOut(s source.Secret, err error) contract.LeftOut {
	return contract.LeftOut{Kind: s.Kind, ID: s.ID, Code: codeOf(err), Sentence: err.Error()}
}

// codeOf is the outcome that err stands for.
func codeOf(err error) contract.Code {
	var e *contract.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return contract.Internal
}

// turnedOff warns of a configuration that asks for nothing.
func turnedOff(c contract.Config) []string {
	for _, a := range c.Accounts {
		if a.Connections != nil || a.Variables != nil {
			return nil
		}
	}
	return []string{"connections and variables are both turned off, so the files are empty"}
}

// manyConnections is how many Airflow still looks up without trouble. LocalFilesystemBackend builds every connection of
// its file again at each look-up, and hands each password to the masker, which at the first look-up of a process costs by
// their square. make bench, on 2 cores, with 100, 200 and 1000 of them: a look-up took 0.05, 0.15 and 0.5 s, the first one in
// Airflow 3.3.2 0.6, 2 and 31 s.
const manyConnections = 100

// slow warns of a file that slows Airflow down.
func slow(connections int) []string {
	if connections <= manyConnections {
		return nil
	}
	return []string{fmt.Sprintf("there are %d connections, and Airflow builds all of them at every look-up: that takes about 0.05 s "+
		"with 100 and 0.5 s with 1000, and the first look-up of each task in Airflow 3 about 0.6 s with 100, 2 s with 200 and over 30 s with 1000: "+
		"let airflow-secrets/connections-prefix name fewer, or, where this version supports it, "+
		"name the ids in airflow-secrets/connections or set airflow-secrets/deliver to env", connections)}
}
