package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"
)

//go:embed reader.py
var reader []byte

// measurement is what one way took in one release of Airflow.
type measurement struct {
	imports time.Duration
	sizes   []figures // as in stores
}

// figures are the durations of one number of connections: the time of the processor and, where the way calls AWS, what
// AWS took. Those with AWS in their names are the latter alone.
type figures struct {
	first, next, missing          []time.Duration
	firstAWS, nextAWS, missingAWS []time.Duration
}

// job is what reader.py is told to do.
type job struct {
	Backend   string    `json:"backend"`
	Mount     string    `json:"mount"`
	Processes int       `json:"processes"`
	Seconds   float64   `json:"seconds"`
	Cases     []sizeJob `json:"cases"`
}

// sizeJob is one number of connections: the ids to look up, and how they reach Airflow.
type sizeJob struct {
	Folder  string            `json:"folder"`
	Environ map[string]string `json:"environ"`
	IDs     []string          `json:"ids"`
	Missing []string          `json:"missing"`
}

// lookUp is what reader.py says of one look-up.
type lookUp struct {
	Case       int           `json:"case"`
	Process    int           `json:"process"`
	ID         string        `json:"id"`
	Processor  time.Duration `json:"nanoseconds"`
	Connection *connection   `json:"connection"`
}

// measure has Airflow look up what the job says, and checks what it found.
func measure(ctx context.Context, s settings, in *scene, w way) (measurement, error) {
	imports, found, err := runReader(ctx, in, w, newJob(s, w, in.stores))
	if err != nil {
		return measurement{}, err
	}
	m := measurement{imports: imports}
	for i, store := range in.stores {
		ofStore := slices.DeleteFunc(slices.Clone(found), func(l lookUp) bool { return l.Case != i })
		var calls []time.Duration
		if w.calls {
			calls = store.meter.take()
		}
		f, err := evaluate(w, store.size, ofStore, calls)
		if err != nil {
			return measurement{}, fmt.Errorf("%d connections: %w", store.size, err)
		}
		m.sizes = append(m.sizes, f)
	}
	return m, nil
}

// newJob spreads the look-ups over all ids of a store.
func newJob(s settings, w way, stores []*store) job {
	j := job{Backend: w.backend, Mount: w.mount, Processes: s.processes, Seconds: s.limit.Seconds()}
	for _, store := range stores {
		c := sizeJob{Folder: store.folder, Environ: w.more(store)}
		for i := range s.lookUps + 1 {
			c.IDs = append(c.IDs, id(i*store.size/(s.lookUps+1)))
		}
		for i := range s.lookUps {
			c.Missing = append(c.Missing, fmt.Sprintf("nobody_has_%04d", i))
		}
		j.Cases = append(j.Cases, c)
	}
	return j
}

// runReader runs reader.py and gives what it says.
func runReader(ctx context.Context, in *scene, w way, j job) (imports time.Duration, found []lookUp, err error) {
	folder, err := os.MkdirTemp("", "airflow-secrets-bench-")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(folder)
	text, err := json.Marshal(j)
	if err != nil {
		return 0, nil, fmt.Errorf("encoding the job of reader.py: %w", err)
	}
	script, jobFile, resultFile := filepath.Join(folder, "reader.py"), filepath.Join(folder, "job.json"), filepath.Join(folder, "result.jsonl")
	if err := errors.Join(os.WriteFile(script, reader, 0o600), os.WriteFile(jobFile, text, 0o600)); err != nil {
		return 0, nil, err
	}
	if err := in.release.Run(ctx, in.python, w.environ, script, jobFile, resultFile); err != nil {
		return 0, nil, err
	}
	result, err := os.Open(resultFile)
	if err != nil {
		return 0, nil, err
	}
	defer result.Close()
	return decode(result)
}

func decode(result io.Reader) (imports time.Duration, found []lookUp, err error) {
	decoder := json.NewDecoder(result)
	var first struct {
		Imports time.Duration `json:"imports"`
	}
	if err := decoder.Decode(&first); err != nil {
		return 0, nil, fmt.Errorf("reading the result of reader.py: %w", err)
	}
	for {
		var l lookUp
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			return first.Imports, found, nil
		case err != nil:
			return 0, nil, fmt.Errorf("reading the result of reader.py: %w", err)
		}
		found = append(found, l)
	}
}

// evaluate sorts the look-ups of one number of connections. A wrong result is an error, and so are calls to AWS other
// than one for each look-up, since each is matched with its own.
func evaluate(w way, size int, found []lookUp, calls []time.Duration) (figures, error) {
	if len(found) == 0 || w.calls && len(calls) != len(found) {
		return figures{}, fmt.Errorf("%d look-ups made %d calls to AWS, expected some look-ups and a call for each", len(found), len(calls))
	}
	wanted := map[string]*connection{}
	for i := range size {
		c := newConnection(i)
		wanted[id(i)] = &c
	}
	var f figures
	process := -1 // whose look-up was the one before
	for i, l := range found {
		if !reflect.DeepEqual(l.Connection, wanted[l.ID]) {
			return figures{}, fmt.Errorf("looking up %s gave %s, expected %s", l.ID, describe(l.Connection), describe(wanted[l.ID]))
		}
		durations, ofAWS := &f.next, &f.nextAWS
		switch {
		case l.Connection == nil:
			durations, ofAWS = &f.missing, &f.missingAWS
		case l.Process != process:
			durations, ofAWS = &f.first, &f.firstAWS
		}
		process = l.Process
		if w.calls {
			*ofAWS = append(*ofAWS, calls[i])
			l.Processor += calls[i]
		}
		*durations = append(*durations, l.Processor)
	}
	return f, nil
}

// describe shows a connection without its password.
func describe(c *connection) string {
	if c == nil {
		return "nothing"
	}
	shown := *c
	shown.Password = fmt.Sprintf("(%d bytes)", len(c.Password))
	return fmt.Sprintf("%+v", shown)
}
