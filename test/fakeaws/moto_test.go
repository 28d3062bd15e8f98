package fakeaws_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// motoPython is the environment variable that may name a Python with moto in it, instead of the one that
// test/python.sh makes.
const motoPython = "MOTO_PYTHON"

// startMoto starts moto's server for the time of the test and gives its address. Installing it takes seconds, the first
// time.
func startMoto(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, findPython(t), "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
	command.WaitDelay = 10 * time.Second
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("starting moto: %v", err)
	}
	t.Cleanup(func() {
		stop()
		command.Wait() // which says that it was killed
	})
	return motoAddress(t, log)
}

// motoAddress reads moto's log up to the line that tells the address. The rest is read and dropped, so that moto never
// waits for a reader.
func motoAddress(t *testing.T, log io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	said := make(chan string, 1)
	go func() {
		var lines strings.Builder
		scanner := bufio.NewScanner(log)
		for scanner.Scan() {
			if address := motoListens.FindString(scanner.Text()); address != "" {
				found <- address
				io.Copy(io.Discard, log)
				return
			}
			lines.WriteString(scanner.Text() + "\n")
		}
		said <- lines.String()
	}()
	select {
	case address := <-found:
		return address
	case text := <-said:
		t.Fatalf("moto ended before it listened:\n%s", text)
	case <-time.After(time.Minute):
		t.Fatal("moto did not listen within a minute")
	}
	return ""
}

var motoListens = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func findPython(t *testing.T) string {
	t.Helper()
	if python := os.Getenv(motoPython); python != "" {
		return python
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "../python.sh", "moto", "testdata/moto/requirements.txt")
	var noise strings.Builder
	command.Stderr = &noise
	path, err := command.Output()
	if err != nil {
		t.Fatalf("installing moto by test/python.sh (or set %s to a Python that has it): %v\n%s", motoPython, err, noise.String())
	}
	return strings.TrimSpace(string(path))
}

// motoReset empties moto.
func motoReset(t *testing.T, address string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/moto-api/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatalf("resetting moto: %v", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("resetting moto: status %s, expected 200", answer.Status)
	}
}
