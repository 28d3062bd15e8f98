// Command airflow-secrets shows offline what the webhook does to a pod, by the very code of the webhook.
package main

import (
	"fmt"
	"io"
	"os"
)

// version is set at build time.
var version = "dev"

const usage = `airflow-secrets shows what the webhook does to a pod, without a cluster.

Usage:
  airflow-secrets inject -f FILE [flags]   print the pod as the webhook would have it
  airflow-secrets version                  print the version

Run "airflow-secrets inject --help" for the flags.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the process: its result is the exit code, which is 2 where the command was not understood.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "inject":
		return inject(args[1:], stdin, stdout, stderr)
	case "explain", "iam-policy", "check":
		fmt.Fprintf(stderr, "airflow-secrets: %s is not supported yet\n", args[0])
		return 2
	case "version", "--version":
		fmt.Fprintln(stdout, version)
		return 0
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "airflow-secrets: unknown command %q\n\n%s", args[0], usage)
	return 2
}
