package binaries

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache", "program-v1")
	builds := 0
	broken := func(aside string) error {
		builds++
		return errors.Join(os.WriteFile(filepath.Join(aside, "bin", "half"), nil, 0o600), errors.New("no network"))
	}
	if err := once(dir, broken); err == nil {
		t.Error("a build that fails is taken for one that works")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a failed build: %v, expected nothing there", err)
	}
	// Remains of a run that was killed are in nobody's way, and of several runs at once one builds.
	if err := os.MkdirAll(filepath.Join(dir+".building", "bin", "remains"), 0o755); err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			if err := once(dir, func(aside string) error {
				builds++
				return os.WriteFile(filepath.Join(aside, "bin", "program"), nil, 0o700)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	if builds != 2 {
		t.Errorf("built %d times, expected once after the failure", builds)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "bin"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "program" {
		t.Errorf("the cache holds %v, %v, expected the program alone", entries, err)
	}
	if _, err := os.Stat(dir + ".building"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the build: %v, expected it gone", err)
	}
}
