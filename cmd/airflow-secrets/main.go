// Command airflow-secrets shows what the webhook and the init container do for a pod, by their very code and without a
// cluster: the pod as it becomes, its settings, the IAM policy it needs, and what it would get from AWS.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// version is set at build time.
var version = "dev"

const usage = `airflow-secrets shows what becomes of a pod, without a cluster.

Usage:
  airflow-secrets inject -f FILE [flags]      print the pod as the webhook would have it
  airflow-secrets explain [KEY | -f FILE]     what the annotations mean, or come to for a pod
  airflow-secrets iam-policy -f FILE [flags]  print the least IAM policy that the pod needs
  airflow-secrets check -f FILE [flags]       read AWS as the pod would, and tell what it would get
  airflow-secrets version                     print the version

Run "airflow-secrets COMMAND --help" for the flags and the exit codes.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the process: its result is the exit code, which is 2 where the command was not understood.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	c := console{command: args[0], stdin: stdin, stdout: stdout, stderr: stderr}
	switch args[0] {
	case "inject":
		return inject(args[1:], c)
	case "explain":
		return explain(args[1:], c)
	case "iam-policy":
		return iamPolicy(args[1:], c)
	case "check":
		return check(args[1:], c)
	case "version", "--version":
		fmt.Fprintln(stdout, version)
		return exitOK
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	fmt.Fprintf(stderr, "airflow-secrets: unknown command %q\n\n%s", args[0], usage)
	return exitUsage
}

// The commands' exit codes. Each command's usage says what they mean there.
const (
	exitOK      = 0
	exitRefused = 1
	exitUsage   = 2
	exitLeftOut = 3
)

// console is where a command reads and writes, and its name there.
type console struct {
	command        string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// usage answers arguments that were not understood, or that ask for help.
func (c console) usage(err error, page string) int {
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(c.stdout, page)
		return exitOK
	}
	fmt.Fprintf(c.stderr, "airflow-secrets %s: %v\n\n%s", c.command, err, page)
	return exitUsage
}

// fail says in one line why the command ends with that exit code.
func (c console) fail(exit int, err error) int {
	fmt.Fprintf(c.stderr, "airflow-secrets %s: %v\n", c.command, err)
	return exit
}
