package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestMemoryLimitIsTheContainers(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for _, c := range []struct {
		file, env string
		expected  int64
	}{
		{"268435456\n", "", 214748360},
		{"max\n", "", before},
		{"", "", before},
		{"9223372036854771712\n", "", before},
		{"268435456\n", "1GiB", before},
	} {
		t.Run(c.file+c.env, func(t *testing.T) {
			debug.SetMemoryLimit(before)
			t.Setenv("GOMEMLIMIT", c.env)
			file := filepath.Join(t.TempDir(), "memory.max")
			if c.file != "" {
				must(t, os.WriteFile(file, []byte(c.file), 0o600))
			}
			limitMemory(file)
			if limit := debug.SetMemoryLimit(-1); limit != c.expected {
				t.Errorf("limit is %d, expected %d", limit, c.expected)
			}
		})
	}
}
