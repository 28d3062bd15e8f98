package fetcher

import (
	"os"
	"syscall"
)

// Limits are how much Linux lets a program start with.
type Limits struct {
	String int // bytes of one argument or variable, the NUL at its end included
	All    int // bytes of all of them, each with a NUL and a pointer
}

// UsualLimits are those of most containers: pages of 4 KiB, and 8 MiB of stack.
func UsualLimits() Limits { return limitsOf(4<<10, 8<<20) }

// limitsHere are those of the programs that this one starts, or that start under the same limits.
func limitsHere() Limits {
	var stack syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &stack); err != nil {
		return limitsOf(os.Getpagesize(), 0)
	}
	return limitsOf(os.Getpagesize(), stack.Cur)
}

// Of all that a program starts with, a quarter of the limit of its stack may be, at least minShare and at most maxShare.
const (
	minShare = 128 << 10
	maxShare = 6 << 20
)

// limitsOf has Linux's own rules: MAX_ARG_STRLEN of include/uapi/linux/binfmts.h and bprm_stack_limits of fs/exec.c.
func limitsOf(page int, stack uint64) Limits {
	return Limits{String: 32 * page, All: int(max(minShare, min(maxShare, stack/4)))}
}

// sizeOf is what one argument or variable takes of Limits.All.
func sizeOf(s string) int { return len(s) + 1 + 8 }
