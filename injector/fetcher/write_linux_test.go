package fetcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// A pod's folder may belong to somebody else. Then the run says so, and what is there stays.
func TestWriteWithoutPermission(t *testing.T) {
	for name, first := range map[string]bool{"a first run": true, "over older files": false} {
		t.Run(name, func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), "secrets")
			if !first {
				mustWrite(t, directory, "old")
			}
			os.MkdirAll(directory, 0o755)
			os.Chmod(filepath.Dir(filepath.Dir(directory)), 0o755)
			os.Chmod(directory, 0o555)
			before := tree(t, directory)
			err := asNobody(t, func() error { return write1(directory, 0o444, set("new"), contract.NewReport()) })
			var e *contract.Error
			if !errors.As(err, &e) || e.Code != contract.WriteFailed || !errors.Is(err, syscall.EACCES) {
				t.Fatalf("error is %v, expected code %s for want of permission", err, contract.WriteFailed)
			}
			for _, part := range []string{directory, fmt.Sprintf("user %d", os.Getuid()), "fsGroup"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error is %q, expected it to hold %q", err, part)
				}
			}
			if after := tree(t, directory); !slices.Equal(before, after) {
				t.Errorf("the folder held %q and now holds %q", before, after)
			}
		})
	}
}

// A volume of a pod with fsGroup belongs to that group, which is one of this process's groups and not the first, and is
// setgid: so everything in it belongs to the group as well. With file-mode 0440 that lets other users of the pod read it.
func TestWriteKeepsTheGroupOfTheVolume(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give folders to a group that it is not in, and become two other users")
	}
	const fsGroup, writing, reading = 4242, 50_000, 50_001
	root := t.TempDir()
	os.Chmod(filepath.Dir(root), 0o755)
	volume := func(name string) string {
		path := filepath.Join(root, name)
		for _, err := range []error{os.Mkdir(path, 0o700), os.Chown(path, 0, fsGroup), os.Chmod(path, 0o777|fs.ModeSetgid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	first, second := volume("secrets"), volume("exec")
	deliveries := []delivery{
		{directory: filepath.Join(first, "below"), mode: 0o440, files: map[string][]byte{contract.ConnectionsFile: []byte("x"), "files/a/b": []byte("x")}},
		{directory: second, mode: 0o440, files: map[string][]byte{contract.EnvFile: []byte("x")}, program: "/proc/self/exe"},
	}
	if err := as(writing, fsGroup, func() error { return write(contract.NewReport(), deliveries...) }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secrets/below/connections.json", "secrets/below/files/a/b", "secrets/below/report.json", "exec/airflow.env"} {
		path := filepath.Join(root, name)
		if err := as(reading, fsGroup, func() error { return readable(path) }); err != nil {
			t.Errorf("another user of the group reads it: %v", err)
		}
		if err := as(reading, reading, func() error { return readable(path) }); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a user outside the group reads %s: %v, expected that it may not", name, err)
		}
	}
}

func readable(path string) error {
	_, err := os.ReadFile(path)
	return err
}

// as does something as a user in a group of its own and one more. On Linux users and groups are each thread's own, so this
// thread ends with the goroutine that is locked to it.
func as(user, group int, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		groups := []uint32{uint32(group)}
		if _, _, failed := syscall.RawSyscall(syscall.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&groups[0])), 0); failed != 0 {
			done <- failed
			return
		}
		if err := errors.Join(syscall.Setfsgid(user), syscall.Setfsuid(user)); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// asNobody does something with as few rights to files as any user has, whoever runs the test. On Linux the user that
// files are judged by is each thread's own.
func asNobody(t *testing.T, do func() error) error {
	t.Helper()
	if os.Getuid() != 0 {
		return do()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0)
	return do()
}
