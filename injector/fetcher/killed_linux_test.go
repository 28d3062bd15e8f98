package fetcher_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// TestKilledAtEveryOperation kills the fetcher right before and right after every system call by which it changes
// something, and in the midst of a write and of the turn. Readers then have the files of before or the new ones, all of
// one run, and the next run succeeds and tidies up.
func TestKilledAtEveryOperation(t *testing.T) {
	program, kills := buildFetcher(t), 0
	for name, start := range starts() {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, program)
			s.prepare(t, start.prepare)
			operations := s.count(t)
			for i := range operations {
				for _, how := range fates(operations[i]) {
					f := s.folder(t)
					made, status := f.trace(only(i, how))
					if status.Signal() != syscall.SIGKILL || len(made) != i+1 || made[i].call != operations[i].call {
						t.Fatalf("%v, after operations %v, expected to be killed at number %d of %v", status, made, i+1, operations)
					}
					f.expect(visible(operations, i, how, start.had)...)
					f.expectRecovery()
					if kills++; t.Failed() {
						t.Fatalf("all this was so when %s number %d of the operations %v", how, i+1, operations)
					}
				}
			}
			t.Logf("%d operations: %v", len(operations), operations)
		})
	}
	t.Logf("killed %d times", kills)
}

// start is what a run finds in its folder.
type start struct {
	prepare func(*folder)
	had     generation // what readers have until the new files are there
}

func starts() map[string]start {
	return map[string]start{
		"a first run":                        {func(*folder) {}, nothing},
		"over older files":                   {(*folder).writeOlder, older},
		"over what a killed first run left":  {(*folder).leaveHalf, nothing},
		"over older files and what was left": {func(f *folder) { f.writeOlder(); f.leaveHalf() }, older},
	}
}

// only gives that fate to the operation at an index, and lets the others live.
func only(index int, how fate) func(int, operation) fate {
	return func(number int, _ operation) fate {
		if number == index+1 {
			return how
		}
		return survives
	}
}

// visible is what readers may have after a kill: what they had until the turn is made, and what is new from then on.
func visible(operations []operation, killed int, how fate, had generation) []generation {
	turn := slices.IndexFunc(operations, operation.isTheTurn)
	switch {
	case killed < turn, killed == turn && how == killedBefore:
		return []generation{had}
	case killed == turn && how == killedDuring:
		return []generation{had, newer}
	}
	return []generation{newer}
}

// fates are the ways to be killed at an operation. Only what takes its time can be killed halfway, and the turn, to see
// that it does not.
func fates(o operation) []fate {
	if o.call == "write" || o.isTheTurn() {
		return []fate{killedBefore, killedDuring, killedAfter}
	}
	return []fate{killedBefore, killedAfter}
}

// buildFetcher makes the program as it is released. This test's own binary would do, but starts slowly where it looks for
// races.
func buildFetcher(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fetcher")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "github.com/airflow-secrets/airflow-secrets/cmd/fetcher")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the fetcher: %v\n%s", err, output)
	}
	return program
}

// generation is what the files hold: those of one run or another, or nothing.
type generation string

const (
	nothing generation = "nothing"
	older   generation = "older"
	newer   generation = "newer"
)

// store is a fake AWS that holds the secrets of two generations, and the files that a run makes of each.
type store struct {
	*pod
	program string
	files   map[generation]map[string]string // file → content
	before  string                           // what every folder holds before the run
}

func newStore(t *testing.T, program string) *store {
	s := &store{pod: newPod(t), program: program, files: map[generation]map[string]string{}, before: t.TempDir()}
	for _, g := range []generation{older, newer} {
		for i := range 3 {
			s.put(fmt.Sprintf("%s/connections/c%d", g, i), "http://"+string(g))
			s.put(fmt.Sprintf("%s/variables/v%d", g, i), strings.Repeat(string(g), 10_000))
		}
		f := s.folder(t)
		f.write(g)
		s.files[g] = f.read("")
	}
	return s
}

// folder is one that the fetcher writes to.
type folder struct {
	*store
	t          *testing.T
	root, path string // the fetcher makes the path, which is below the root
	refuse     func(thread int, out bool) error
}

func (s *store) folder(t *testing.T) *folder {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(s.before)); err != nil {
		t.Fatal(err)
	}
	return &folder{store: s, t: t, root: root, path: filepath.Join(root, "secrets", "airflow")}
}

// rawFile is a secret that is delivered as it is, in a folder of its own.
const rawFile = "deep/raw"

// prepare makes what every folder holds from now on.
func (s *store) prepare(t *testing.T, do func(*folder)) {
	f := s.folder(t)
	do(f)
	s.before = f.root
}

// write runs the program to its end.
func (f *folder) write(g generation) {
	f.t.Helper()
	if err := f.command(g).Run(); err != nil {
		f.t.Fatalf("%v: %s", err, &f.stderr)
	}
}

func (f *folder) command(g generation) *exec.Cmd {
	f.t.Helper()
	account := &f.config.Accounts[0]
	f.config.Directory = f.path
	if f.config.Deliver == contract.DeliverEnv {
		f.config.ExecDirectory = filepath.Join(f.root, "secrets", "exec")
	}
	account.Connections.Prefix, account.Variables.Prefix = string(g)+"/connections", string(g)+"/variables"
	account.Files = []contract.File{{Path: rawFile, Secret: string(g) + "/variables/v0"}}
	config, err := f.config.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	f.stderr.Reset()
	command := exec.CommandContext(f.t.Context(), f.program)
	command.Env = append(os.Environ(), contract.ConfigEnv+"="+config)
	command.Stderr = &f.stderr
	return command
}

func (f *folder) writeOlder() { f.write(older) }

// leaveHalf leaves what a run of newer files leaves that is killed just before they would be seen: all it can leave.
func (f *folder) leaveHalf() {
	f.trace(func(_ int, op operation) fate {
		if op.isTheTurn() {
			return killedBefore
		}
		return survives
	})
}

// theTurn is the operation by which the newer files take the place of what there was.
const theTurn = "renameat secrets/airflow/..data"

func (o operation) isTheTurn() bool { return o.String() == theTurn }

// count says which operations a run has that nobody kills.
func (s *store) count(t *testing.T) []operation {
	t.Helper()
	f := s.folder(t)
	operations, status := f.trace(func(int, operation) fate { return survives })
	if status.ExitStatus() != 0 {
		t.Fatalf("the run that nobody killed ended with %v: %s", status, &f.stderr)
	}
	if !slices.ContainsFunc(operations, operation.isTheTurn) {
		t.Fatalf("%s is not among the operations %v", theTurn, operations)
	}
	f.expect(newer)
	f.expectTidy()
	return operations
}

// trace runs the program, which is to write newer files.
func (f *folder) trace(fate func(int, operation) fate) ([]operation, syscall.WaitStatus) {
	f.t.Helper()
	tracer := &tracer{root: f.root, fate: fate, refuse: f.refuse}
	status := tracer.run(f.t, f.command(newer))
	return tracer.operations, status
}

// read gives what a reader finds: by the names that Airflow is told, and in the folder that ..data leads to.
func (f *folder) read(through string) map[string]string {
	f.t.Helper()
	found := map[string]string{}
	for _, name := range []string{contract.ConnectionsFile, contract.VariablesFile, contract.ReportFile, contract.FilesDirectory + "/" + rawFile} {
		text, err := os.ReadFile(filepath.Join(f.path, through, name))
		switch {
		case err == nil:
			found[name] = string(text)
		case !errors.Is(err, fs.ErrNotExist):
			f.t.Errorf("a reader gets %v", err)
		}
	}
	return found
}

// expect fails unless the files, all of them, are those of one of the generations, whichever way they are found.
func (f *folder) expect(generations ...generation) {
	f.t.Helper()
	for _, through := range []string{"", "..data"} {
		found := f.read(through)
		if !slices.ContainsFunc(generations, func(g generation) bool { return maps.Equal(found, f.files[g]) }) {
			f.t.Errorf("a reader through %q sees %.200q, expected what is %v", through, found, generations)
		}
	}
}

// expectRecovery runs the fetcher again over what a killed run has left.
func (f *folder) expectRecovery() {
	f.t.Helper()
	if sets := f.sets(); len(sets) > 2 { // the volume has room for no more
		f.t.Errorf("the killed run leaves %q, expected two sets at most", sets)
	}
	f.write(newer)
	f.expect(newer)
	f.expectTidy()
}

// expectTidy fails if there is more than one set and what leads to it.
func (f *folder) expectTidy() {
	f.t.Helper()
	entries, err := os.ReadDir(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(entries) != 6 || len(f.sets()) != 1 {
		f.t.Errorf("the folder holds %v, expected one set, ..data and four links", entries)
	}
}

func (f *folder) sets() []string {
	f.t.Helper()
	sets, err := filepath.Glob(filepath.Join(f.path, "..set-*"))
	if err != nil {
		f.t.Fatal(err)
	}
	return sets
}
