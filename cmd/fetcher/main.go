// Command fetcher is the init container that airflow-secrets injects: it reads the pod's secrets from AWS Secrets Manager
// and writes the files that Airflow reads. Where it delivers them as environment variables, Airflow's containers start by it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificates of its own

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
)

// version is set when the program is linked.
var version = "dev"

const usage = `fetcher reads the secrets of an Airflow pod from AWS Secrets Manager and writes
the files that Airflow's LocalFilesystemBackend reads, or the environment
variables that Airflow reads. The airflow-secrets webhook injects it as an init
container. It can be started by hand as well.

Usage:
  fetcher             fetch once, write the files, end
  fetcher exec [--env-file FILE] -- COMMAND [ARG...]
                      set the variables of FILE (` + contract.EnvFile + ` beside this
                      program) and become COMMAND: the same process, with
                      its id, signals, exit code and open files
  fetcher --version   print the version
  fetcher --help      print this

Environment:
  ` + contract.ConfigEnv + `   what to fetch and where to write it, as JSON;
                           the webhook writes it
  AWS_*                    identity, region and endpoints, as every AWS SDK
                           reads them: AWS_ACCESS_KEY_ID, AWS_REGION,
                           AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CA_BUNDLE, ...
  HTTPS_PROXY, NO_PROXY    a proxy on the way to AWS
exec looks at PATH alone, for COMMAND. What FILE sets wins over what is there.

Files, in the folders that the configuration names:
  connections.json, variables.json   for Airflow
  ` + contract.EnvFile + `, ` + contract.ExecProgram + `               instead of these, for fetcher exec;
                                     a shell can source the first
  report.json                        what was delivered, what not, and why
All appear at once, or none does.

Output:
  stdout                   the log, a JSON object a line
  stderr                   the outcome, one line that starts with its code
  ` + terminationLog + `     the same, where Kubernetes has made that file
exec prints nothing but why COMMAND does not start, on stderr. No secret's
value is in any of them.

Exit codes:
  0    the files are there
  1    they are not; the outcome says why and what to do
  2    the command line is wrong
  125  exec: FILE cannot be read
  126  exec: COMMAND is there and cannot be run
  127  exec: COMMAND is not there
`

// terminationLog is where Kubernetes looks for a container's last word, unless the pod says otherwise; ours does not.
const terminationLog = "/dev/termination-log"

// The container has 64 MiB unless the pod says otherwise, and the files written into a volume of memory count: 16 MiB at
// most. What remains beside this program's own 8 MiB is the heap's, which is to be collected early: the work of it does
// not matter in a run this short.
const (
	gcPercent   = 50
	memoryLimit = 40 << 20
)

func main() {
	log.SetOutput(io.Discard) // net/http quotes there what a server sends unasked, which may be a part of an answer
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fetcher", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	showVersion := flags.Bool("version", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		return misused(stderr, err.Error())
	case *showVersion:
		fmt.Fprintln(stdout, version)
		return 0
	}
	switch command := flags.Arg(0); command {
	case "":
		return fetch(stdout, stderr)
	case contract.ExecCommand:
		return execute(flags.Args()[1:], stdout, stderr)
	case "refresh":
		return misused(stderr, command+" is not supported yet")
	default:
		return misused(stderr, fmt.Sprintf("%q is no command", command))
	}
}

func misused(stderr io.Writer, problem string) int {
	fmt.Fprintf(stderr, "fetcher: %s; fetcher --help tells what there is\n", problem)
	return 2
}

// fetch runs once. The kubelet stops a container with SIGTERM.
func fetch(stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := fetcher.Run(ctx, fetcher.Options{
		Version: version, Environ: os.Environ(), ReadFile: os.ReadFile, Program: program(), Stdout: stdout, Stderr: stderr, TerminationLog: terminationLog,
	})
	if err != nil {
		return 1
	}
	return 0
}

// program is this one's file, or empty where the system does not tell.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// execute becomes another command, and returns only if it cannot.
func execute(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(contract.ExecCommand, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("env-file", filepath.Join(filepath.Dir(program()), contract.EnvFile), "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		return misused(stderr, "exec: "+err.Error())
	case flags.NArg() == 0:
		return misused(stderr, "exec: expected a command after --")
	}
	err := fetcher.Exec(*file, flags.Args(), os.Environ())
	fmt.Fprintln(stderr, "fetcher exec:", err)
	var failed *fetcher.ExecError
	if errors.As(err, &failed) {
		return failed.Exit
	}
	return fetcher.ExitNoEnvironment
}
