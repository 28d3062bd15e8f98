package fetcher

import "syscall"

// Linux's own bounds of what a program starts with, as bprm_stack_limits of fs/exec.c has them: a quarter of the limit of
// its stack, at least minShare and at most maxShare.
const (
	minShare = 128 << 10
	maxShare = 6 << 20
)

// stackShare is how many bytes the arguments and the environment of a program may have that this one starts, or that starts
// under the same limits.
func stackShare() int {
	var stack syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &stack); err != nil {
		return minShare
	}
	return int(max(minShare, min(maxShare, stack.Cur/4)))
}

// sizeOf is what one argument or variable takes of it: its bytes, a NUL and a pointer.
func sizeOf(s string) int { return len(s) + 1 + 8 }
