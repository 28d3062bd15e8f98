package fetcher

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
)

func TestLimitsOf(t *testing.T) {
	const kernelsMost = 6 << 20 // three quarters of the stack that Linux gives a program by itself
	for stack, want := range map[uint64]int{0: 131072, 512 << 10: 131072, 1 << 20: 262144, 8 << 20: 2097152, 64 << 20: kernelsMost, ^uint64(0): kernelsMost} {
		if got := limitsOf(4096, stack); got != (Limits{String: 131072, All: want}) {
			t.Errorf("with a stack of %d bytes the limits are %+v, expected %d", stack, got, want)
		}
	}
	if got := limitsOf(65536, 8<<20).String; got != 2097152 {
		t.Errorf("with pages of 64 KiB a string has %d bytes at most", got)
	}
	if got := UsualLimits(); got != (Limits{String: 131072, All: 2097152}) {
		t.Errorf("the usual limits are %+v", got)
	}
}

// What is left for the container's own variables counts, and of each variable the NUL and the pointer, too.
func TestTheLastByteThatFits(t *testing.T) {
	e := environment{set: map[string]secret.Value{"A": secret.New("xyz"), "B-": {}}}
	const own = len("A=xyz") + 9 + len("B-=") + 9
	e.limits.All = own + 65536
	if text, err := e.file(); err != nil || string(text) != "A='xyz'\n: 'B-='\n" {
		t.Errorf("the file is %q (%v)", text, err)
	}
	e.limits.All--
	var failed *contract.Error
	if _, err := e.file(); !errors.As(err, &failed) || failed.Code != contract.TooLarge || !strings.Contains(err.Error(), fmt.Sprintf("they have %d bytes, and Linux takes %d of", own, own+65535)) {
		t.Errorf("with a byte less: %v, expected code %s with the numbers", err, contract.TooLarge)
	}
}
