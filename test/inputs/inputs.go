// Package inputs makes the inputs of tests that try very many of them: bytes, each of which decides a choice. The same
// bytes make the same input, whether they come from a seed (Try) or from Go's fuzzer, which keeps those that reach new
// code.
package inputs

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	count = flag.Int("inputs", 1000, "how many inputs to try, in each test that tries many")
	seed  = flag.Uint64("seed", 1, "what the inputs are made from")
	first = flag.Int("first", 0, "the number of the first input: with -inputs 1 and its seed, one that failed fails again")
)

// longest is the most bytes that an input from a seed has: more choices than a large pod with many changes takes.
const longest = 256

// maxTold bounds how many failures are told, since one mistake may fail a share of a million inputs.
const maxTold = 5

// Check tries one input. Its outcome is what the input is counted under; an error says what is wrong.
type Check func(input []byte) (outcome string, err error)

// Try runs a check over as many inputs as the flag -inputs asks for, on all processors, and logs and returns how many
// came to each outcome. An error or a panic fails the test, and the line that tells it says how to see it again.
func Try(t *testing.T, check Check) map[string]int {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // nearly all memory here is garbage at once
	var next, told atomic.Int64
	var workers sync.WaitGroup
	tallies := make([]map[string]int, runtime.GOMAXPROCS(0))
	for i := range tallies {
		tallies[i] = map[string]int{}
		workers.Go(func() {
			for n := next.Add(1) - 1; n < int64(*count) && told.Load() < maxTold; n = next.Add(1) - 1 {
				input := fromSeed(*seed, uint64(*first)+uint64(n))
				outcome, err := guarded(check, input)
				tallies[i][outcome]++
				if err != nil {
					told.Add(1)
					t.Errorf("-run '^%s$' -seed %d -first %d -inputs 1: %v", t.Name(), *seed, *first+int(n), err)
				}
			}
		})
	}
	workers.Wait()
	return tell(t, tallies)
}

// fromSeed makes an input. Short ones are as frequent as long ones, so that plain cases are tried too.
func fromSeed(seed, number uint64) []byte {
	random := rand.New(rand.NewPCG(seed, number))
	input := make([]byte, random.IntN(longest))
	for i := range input {
		input[i] = byte(random.Uint32())
	}
	return input
}

// guarded makes an error of a panic.
func guarded(check Check, input []byte) (outcome string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			outcome, err = "panic", fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return check(input)
}

// tell logs the sum of the workers' tallies.
func tell(t *testing.T, tallies []map[string]int) map[string]int {
	t.Helper()
	sum, all := map[string]int{}, 0
	for _, tally := range tallies {
		for outcome, n := range tally {
			sum[outcome] += n
			all += n
		}
	}
	text := fmt.Sprintf("%d inputs of seed %d:", all, *seed)
	for _, outcome := range slices.Sorted(maps.Keys(sum)) {
		text += fmt.Sprintf("\n%9d %s", sum[outcome], outcome)
	}
	t.Log(text)
	return sum
}
