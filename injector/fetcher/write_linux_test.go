package fetcher

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

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
