package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

const injectUsage = `airflow-secrets inject prints a pod as the webhook would have it.

Usage:
  airflow-secrets inject -f FILE [flags]

` + requestUsage + `  -o yaml|patch          the pod as YAML, or the operations as a JSON array (default yaml)

The reason and all warnings go to standard error. A pod that asks for nothing, that declines or that
is injected already is printed as it was given.

Exit codes: 0 the pod may be created, 1 it is refused and nothing is printed, 2 the command was wrong.
`

func inject(args []string, c console) int {
	var r request
	flags := r.newFlags(c.command)
	output := flags.String("o", "yaml", "")
	err := r.parse(flags, args)
	if err == nil && *output != "yaml" && *output != "patch" {
		err = fmt.Errorf("-o is %q, expected yaml or patch", *output)
	}
	if err != nil {
		return c.usage(err, injectUsage)
	}
	s, exit := r.decide(c)
	if exit != exitOK {
		return exit
	}
	text, err := s.print(*output)
	if err != nil {
		return c.fail(exitRefused, err)
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", s.decision.Code, s.decision.Message)
	if _, err := c.stdout.Write(text); err != nil {
		return c.fail(exitRefused, fmt.Errorf("writing the pod: %w", err))
	}
	return exitOK
}

func (s subject) print(output string) ([]byte, error) {
	if output == "patch" {
		operations := s.decision.Operations
		if operations == nil {
			operations = []injector.Operation{}
		}
		text, err := json.MarshalIndent(operations, "", "  ")
		return append(text, '\n'), err
	}
	if len(s.decision.Operations) == 0 {
		return s.given, nil
	}
	patched, err := s.patched()
	if err != nil {
		return nil, err
	}
	return toYAML(patched)
}

// toYAML prints JSON as YAML. JSON may hold characters as they are that YAML knows only as escapes.
func toYAML(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("reading the patched pod: %w", err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("encoding the patched pod: %w", err)
	}
	var printable bytes.Buffer
	for _, r := range string(text) {
		if unicode.IsControl(r) || r == '\ufeff' || r == '\ufffe' || r == '\uffff' {
			fmt.Fprintf(&printable, `\u%04x`, r)
		} else {
			printable.WriteRune(r)
		}
	}
	return yaml.JSONToYAML(printable.Bytes())
}
