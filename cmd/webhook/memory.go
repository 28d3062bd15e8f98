package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryLimitFile holds the container's limit in bytes, or the word max, wherever nodes have cgroup v2.
const memoryLimitFile = "/sys/fs/cgroup/memory.max"

// limitMemory has garbage collected before the container's limit is reached: of itself the collector lets the heap double.
// Where GOMEMLIMIT is set it stays as it is.
func limitMemory(file string) {
	text, err := os.ReadFile(file)
	if err != nil || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit < math.MaxInt64/8 {
		debug.SetMemoryLimit(limit / 10 * 8) // the rest is for what is not Go's
	}
}
