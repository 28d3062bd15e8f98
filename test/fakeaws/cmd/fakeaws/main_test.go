package main

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// asCommand is set where the test's own binary shall be the command.
const asCommand = "FAKEAWS_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the command as its user types it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

func write(t *testing.T, store string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.yaml")
	if err := os.WriteFile(path, []byte(store), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const store = `
accounts:
  "111122223333":
    keys: [AKIAOWN]
    regions:
      eu-central-1:
      - {name: a, string: x}
      - {name: slow, string: x}
troubles:
- {operation: DescribeSecret, effect: hang}
`

func TestServing(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			c := command(t, "--listen", "127.0.0.1:0", "--store", write(t, store))
			stdout, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(stdout)
			line, err := lines.ReadString('\n')
			address, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
			if err != nil || !found || !strings.HasPrefix(address, "http://127.0.0.1:") {
				t.Fatalf("the first line is %q, error %v; expected \"listening on http://127.0.0.1:PORT\"", line, err)
			}
			client := secretsmanager.New(secretsmanager.Options{
				Region: "eu-central-1", BaseEndpoint: &address, HTTPClient: &http.Client{Timeout: time.Minute},
				Credentials: credentials.NewStaticCredentialsProvider("AKIAOWN", "any", ""), Retryer: aws.NopRetryer{},
			})
			out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")})
			if err != nil || *out.SecretString != "x" {
				t.Errorf("got %v, error %v; expected the store's secret", out, err)
			}
			if told, err := lines.ReadString('\n'); told != "GetSecretValue ok arn:aws:iam::111122223333:user/AKIAOWN a\n" {
				t.Errorf("the call is told as %q, error %v", told, err)
			}
			waiting := make(chan error)
			go func() { // a call that is never answered must not keep the command alive
				_, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")})
				waiting <- err
			}()
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("the command ended with %v, expected the exit code 0", err)
			}
			if err := <-waiting; err == nil {
				t.Error("the waiting call had an answer, expected none")
			}
		})
	}
}

func TestUsage(t *testing.T) {
	good := write(t, store)
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // in the output; an empty one means that there is none
	}{
		{"help", []string{"--help"}, 0, "Usage:\n  fakeaws --store FILE", ""},
		{"no store", nil, 2, "", "expected --store FILE"},
		{"unknown flag", []string{"--port", "1"}, 2, "", "-port"},
		{"arguments", []string{"--store", good, "more"}, 2, "", "no arguments"},
		{"no such file", []string{"--store", "gone.yaml"}, 1, "", "opening the store: open gone.yaml"},
		{"bad store", []string{"--store", write(t, "acounts: {}\n")}, 1, "", `unknown key "acounts"`},
		{"bad address", []string{"--store", good, "--listen", "nowhere"}, 1, "", "listening on nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			c := command(t, test.args...)
			c.Stdout, c.Stderr = &stdout, &stderr
			c.Run() // its error is looked at as an exit code
			if code := c.ProcessState.ExitCode(); code != test.code {
				t.Errorf("the exit code is %d, expected %d", code, test.code)
			}
			check := func(stream, got, want string) {
				if !strings.Contains(got, want) || (want == "") != (got == "") {
					t.Errorf("%s is %q, expected %q in it", stream, got, want)
				}
			}
			check("stdout", stdout.String(), test.stdout)
			check("stderr", stderr.String(), test.stderr)
		})
	}
}
