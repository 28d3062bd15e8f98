package fetcher_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestAFullVolumeAtEveryOperation lets every system call by which the fetcher changes something fail in turn, as it may
// on a volume that is full. Up to the turn the run fails with it, readers have what they had, and nothing is left beside.
// A removal that fails fails nothing: the next run sees to it.
func TestAFullVolumeAtEveryOperation(t *testing.T) {
	program, refusals := buildFetcher(t), 0
	for name, start := range starts() {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, program)
			s.prepare(t, start.prepare)
			operations := s.count(t)
			for i, op := range operations {
				f := s.folder(t)
				f.refuse = refuseForWantOfRoom
				before := f.names()
				_, status := f.trace(only(i, refused))
				if op.call == "unlinkat" {
					f.expect(newer)
				} else {
					f.expectFailure(status)
					f.expect(start.had)
					f.expectNothingNew(before)
				}
				f.expectRecovery()
				if refusals++; t.Failed() {
					t.Fatalf("all this was so when number %d of the operations %v failed", i+1, operations)
				}
			}
		})
	}
	t.Logf("refused %d operations", refusals)
}

func (f *folder) expectFailure(status syscall.WaitStatus) {
	f.t.Helper()
	message := f.stderr.String()
	if status.ExitStatus() != 1 || !strings.HasPrefix(message, "write-failed: ") || !strings.Contains(message, "the volume is full") {
		f.t.Errorf("exit %d, stderr %q, expected 1, the code and the reason", status.ExitStatus(), message)
	}
}

// names lists all that is below the root.
func (f *folder) names() []string {
	f.t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(f.root), ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return names
}

func (f *folder) expectNothingNew(before []string) {
	f.t.Helper()
	for _, name := range f.names() {
		if !slices.Contains(before, name) {
			f.t.Errorf("the failed run leaves %s", name)
		}
	}
}

// refuseForWantOfRoom makes a system call fail with ENOSPC: on its way in it is turned into one that there is not, and
// on its way out the error is exchanged.
func refuseForWantOfRoom(thread int, out bool) error {
	var registers syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &registers); err != nil {
		return err
	}
	if out {
		enospc := int64(syscall.ENOSPC)
		registers.Rax = uint64(-enospc)
	} else {
		registers.Orig_rax = ^uint64(0)
	}
	return syscall.PtraceSetRegs(thread, &registers)
}
