package fetcher_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// tracer runs a program under ptrace and stops it right before and right after every system call that changes something
// below root, so that it can be killed there, or the call be made to fail. The program is the real one and does not know of it. A process may trace
// its own children without any privilege, in containers too (Docker's default profile allows it from Linux 4.8 on), and
// from 5.3 on Linux tells which system call it is, whatever the processor.
type tracer struct {
	root string
	// fate is asked before each operation, whose number counts from 1.
	fate func(number int, op operation) fate
	// refuse makes a call fail. It is asked on the thread's way into the call and on its way out.
	refuse func(thread int, out bool) error

	operations []operation // begun so far
	leader     int         // the program's first thread
	doomed     int         // the thread that is inside the last call of the program, or 0
	refused    int         // the thread that is inside a call that fails, or 0
	killed     bool
}

// operation is one system call that changes something, and what it changes: a path below root.
type operation struct{ call, path string }

func (o operation) String() string { return o.call + " " + o.path }

// fate is what becomes of the program at an operation.
type fate int

const (
	survives     fate = iota
	killedBefore      // the call is never made
	killedDuring      // it is made, and killed a moment later, wherever it is then
	killedAfter       // it is made whole, and nothing after it
	refused           // it is not made and fails, and the program goes on
)

func (f fate) String() string {
	return []string{"not killed", "killed before", "killed during", "killed after", "refused"}[f]
}

// run starts the command and traces it to its end. All of ptrace belongs to one thread.
func (tr *tracer) run(t *testing.T, command *exec.Cmd) syscall.WaitStatus {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	tr.leader = command.Process.Pid
	defer command.Wait() // for its output; the process itself has been waited for by then
	status, err := tr.follow()
	if err != nil {
		syscall.Kill(tr.leader, syscall.SIGKILL)
		t.Fatalf("tracing %s: %v", command, err)
	}
	return status
}

// Of ptrace(2) and wait(2), what package syscall does not have on every processor.
const (
	ptraceGetSyscallInfo = 0x420e
	optionExitKill       = 0x100000 // the program does not outlive its tracer
	callStop             = syscall.SIGTRAP | 0x80
	waitAll              = 0x40000000 // __WALL: threads as well
	waitOwn              = 0x20000000 // __WNOTHREAD: only what this thread started
)

// follow goes from stop to stop. The first one is the program's start; that of a new thread is a SIGSTOP.
func (tr *tracer) follow() (syscall.WaitStatus, error) {
	known := map[int]bool{}
	for {
		var status syscall.WaitStatus
		thread, err := syscall.Wait4(-1, &status, waitAll|waitOwn, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("waiting: %w", err)
		case thread == tr.leader && !status.Stopped():
			return status, nil
		case !status.Stopped():
			continue
		}
		signal := status.StopSignal()
		switch {
		case thread == tr.leader && !known[thread]:
			options := syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | optionExitKill
			if err := syscall.PtraceSetOptions(thread, options); err != nil {
				return 0, fmt.Errorf("setting ptrace's options: %w", err)
			}
			signal = 0
		case signal == callStop:
			if err := tr.stopped(thread); err != nil {
				return 0, err
			}
			signal = 0
		case signal == syscall.SIGTRAP, signal == syscall.SIGSTOP && !known[thread]:
			signal = 0
		}
		known[thread] = true
		if err := syscall.PtraceSyscall(thread, int(signal)); err != nil && !errors.Is(err, syscall.ESRCH) { // it was killed
			return 0, fmt.Errorf("going on: %w", err)
		}
		if tr.killed {
			syscall.Kill(tr.leader, syscall.SIGKILL)
		}
	}
}

// stopped looks at a thread that has stopped on its way into a system call or out of it.
func (tr *tracer) stopped(thread int) error {
	info, err := callInfo(thread)
	switch {
	case errors.Is(err, syscall.ESRCH): // it was killed
		return nil
	case err != nil:
		return fmt.Errorf("asking which system call it is, for which Linux must be 5.3 or later: %w", err)
	case tr.killed:
		return nil
	case info.Op == callEntry:
		return tr.entering(thread, info)
	case thread == tr.doomed:
		return tr.kill()
	case thread == tr.refused:
		tr.refused = 0
		return tr.refuse(thread, true)
	}
	return nil
}

func (tr *tracer) entering(thread int, info syscallInfo) error {
	op, changes := tr.operation(thread, info)
	if !changes {
		return nil
	}
	tr.operations = append(tr.operations, op)
	switch tr.fate(len(tr.operations), op) {
	case killedBefore: // a thread that is killed on its way into a system call does not make it
		return tr.kill()
	case killedDuring:
		tr.killed = true
	case killedAfter:
		tr.doomed = thread
	case refused:
		tr.refused = thread
		return tr.refuse(thread, false)
	}
	return nil
}

func (tr *tracer) kill() error {
	tr.killed = true
	return syscall.Kill(tr.leader, syscall.SIGKILL)
}

// syscallInfo is struct ptrace_syscall_info of ptrace(2).
type syscallInfo struct {
	Op           uint8
	_            [3]uint8
	Architecture uint32
	_, _         uint64
	Number       uint64
	Arguments    [6]uint64
	_            uint64
}

const callEntry = 1 // PTRACE_SYSCALL_INFO_ENTRY, a call that is about to be made

func callInfo(thread int) (info syscallInfo, err error) {
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return info, errno
	}
	return info, nil
}

// changing are the system calls that change files, and where among their arguments the file is: a path and the folder
// that it starts from, or a descriptor. Go's os package makes no others.
var changing = map[uint64]struct {
	name         string
	folder, path int // path -1: folder is the file itself
}{
	syscall.SYS_OPENAT:    {"openat", 0, 1},
	syscall.SYS_MKDIRAT:   {"mkdirat", 0, 1},
	syscall.SYS_FCHMODAT:  {"fchmodat", 0, 1},
	syscall.SYS_SYMLINKAT: {"symlinkat", 1, 2},
	syscall.SYS_LINKAT:    {"linkat", 2, 3},
	syscall.SYS_RENAMEAT:  {"renameat", 2, 3},
	syscall.SYS_UNLINKAT:  {"unlinkat", 0, 1},
	syscall.SYS_FCHMOD:    {"fchmod", 0, -1},
	syscall.SYS_FCHOWN:    {"fchown", 0, -1},
	syscall.SYS_FTRUNCATE: {"ftruncate", 0, -1},
	syscall.SYS_FALLOCATE: {"fallocate", 0, -1},
	syscall.SYS_WRITE:     {"write", 0, -1},
	syscall.SYS_PWRITE64:  {"pwrite64", 0, -1},
	syscall.SYS_FSYNC:     {"fsync", 0, -1},
}

// operation says what a call that is about to be made changes below root, if anything. To open a file in order to read
// it changes nothing.
func (tr *tracer) operation(thread int, info syscallInfo) (operation, bool) {
	call, known := changing[info.Number]
	const opensToChange = syscall.O_WRONLY | syscall.O_RDWR | syscall.O_CREAT | syscall.O_TRUNC
	if !known || call.name == "openat" && info.Arguments[2]&opensToChange == 0 {
		return operation{}, false
	}
	var path string
	if call.path >= 0 {
		path = readPath(thread, uintptr(info.Arguments[call.path]))
	}
	if !filepath.IsAbs(path) {
		folder, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, int32(info.Arguments[call.folder])))
		path = filepath.Join(folder, path)
	}
	name, below := strings.CutPrefix(path, tr.root+"/")
	return operation{call.name, name}, below
}

// readPath reads a text that ends with a zero byte from the program's memory.
func readPath(thread int, address uintptr) string {
	var text []byte
	for len(text) < syscall.PathMax {
		part := make([]byte, 64)
		n, err := syscall.PtracePeekData(thread, address+uintptr(len(text)), part)
		if end := bytes.IndexByte(part[:n], 0); end >= 0 {
			return string(append(text, part[:end]...))
		}
		text = append(text, part[:n]...)
		if err != nil {
			break
		}
	}
	return string(text)
}
