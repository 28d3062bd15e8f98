package fetcher_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
)

// TestKilledBetweenTwoFolders kills the fetcher before and after every operation by which it delivers variables. Each folder
// is then whole, of before or new, and the next run turns both: until one has succeeded, no container starts.
func TestKilledBetweenTwoFolders(t *testing.T) {
	s := newStore(t, buildFetcher(t))
	s.config.Deliver = contract.DeliverEnv
	s.prepare(t, (*folder).writeOlder)
	operations, status := s.folder(t).trace(func(int, operation) fate { return survives })
	if status.ExitStatus() != 0 {
		t.Fatalf("the run that nobody killed ended with %v: %s", status, &s.stderr)
	}
	between := 0
	for i := range operations {
		for _, how := range []fate{killedBefore, killedAfter} {
			f := s.folder(t)
			if made, status := f.trace(only(i, how)); status.Signal() != syscall.SIGKILL || len(made) != i+1 {
				t.Fatalf("%v, after operations %v, expected to be killed at number %d of %v", status, made, i+1, operations)
			}
			if files, variables := f.filesOf(), f.variablesOf(); files != variables {
				between++
			}
			f.write(newer)
			if files, variables := f.filesOf(), f.variablesOf(); files != newer || variables != newer {
				t.Errorf("after another run the files are %s and the variables %s", files, variables)
			}
			if left, _ := filepath.Glob(filepath.Join(f.root, "*", "*", "..set-*")); len(left) != 2 {
				t.Errorf("%q are left, expected two sets", left)
			}
			if t.Failed() {
				t.Fatalf("all this was so when killed around number %d of the operations %v", i+1, operations)
			}
		}
	}
	t.Logf("killed %d times, %d of them between the folders: %v", 2*len(operations), between, operations)
	if between == 0 {
		t.Error("it was never killed between the folders")
	}
}

// filesOf says which generation the first folder holds.
func (f *folder) filesOf() generation {
	f.t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.path, contract.FilesDirectory, rawFile))
	if err != nil {
		f.t.Fatal(err)
	}
	return f.generationOf(string(raw))
}

// variablesOf says which generation the second folder holds, with the program beside them.
func (f *folder) variablesOf() generation {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.config.ExecDirectory, contract.EnvFile))
	if err != nil {
		f.t.Fatal(err)
	}
	variables, err := envfile.Parse(text)
	if err != nil || len(variables.Set) != 8 {
		f.t.Errorf("a reader gets %d variables (%v), expected all 8", len(variables.Set), err)
	}
	program, err := os.Stat(filepath.Join(f.config.ExecDirectory, contract.ExecProgram))
	if original, _ := os.Stat(f.program); err != nil || program.Size() != original.Size() {
		f.t.Errorf("a reader gets a program of another size (%v)", err)
	}
	return f.generationOf(string(text))
}

func (f *folder) generationOf(text string) generation {
	f.t.Helper()
	if isNew := strings.Contains(text, string(newer)); isNew == strings.Contains(text, string(older)) {
		f.t.Errorf("a reader gets neither older nor newer values, or both: %.100q", text)
	} else if isNew {
		return newer
	}
	return older
}
