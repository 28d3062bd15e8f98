package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const name = "program-v1"
	made := 0
	_, err := Folder(t.Context(), name, func(aside string) error {
		made++
		return errors.Join(os.WriteFile(filepath.Join(aside, "half"), nil, 0o600), errors.New("no network"))
	})
	if err == nil {
		t.Error("what could not be made is taken for what is there")
	}
	// Remains of a run that was killed are in nobody's way, and of several runs at once one does the work.
	home, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	expected := filepath.Join(home, "airflow-secrets", name)
	if _, err := os.Stat(expected); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a failure: %v, expected nothing there", err)
	}
	if err := os.MkdirAll(filepath.Join(expected+".making", "remains"), 0o755); err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			folder, err := Folder(t.Context(), name, func(aside string) error {
				made++
				return os.WriteFile(filepath.Join(aside, "program"), nil, 0o700)
			})
			if err != nil || folder != expected {
				t.Errorf("%s, %v, expected %s", folder, err, expected)
			}
		})
	}
	runs.Wait()
	if made != 2 {
		t.Errorf("made %d times, expected once after the failure", made)
	}
	entries, err := os.ReadDir(expected)
	if err != nil || len(entries) != 1 || entries[0].Name() != "program" {
		t.Errorf("the cache holds %v, %v, expected the program alone", entries, err)
	}
	if _, err := os.Stat(expected + ".making"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder aside: %v, expected it gone", err)
	}
}

func TestWaitingForAnotherRunEnds(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Folder(t.Context(), "program-v1", func(string) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("interrupted"))
		if _, err := Folder(ctx, "program-v1", func(string) error { return nil }); err == nil {
			t.Error("a second run does not wait for the first")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
