package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"unicode"

	jsonpatch "github.com/evanphx/json-patch/v5"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

const injectUsage = `airflow-secrets inject prints a pod as the webhook would have it.

Usage:
  airflow-secrets inject -f FILE [flags]

  -f FILE                one Pod as YAML or JSON, - for standard input
  -n NAMESPACE           the namespace, where the pod names none (default "default")
  -o yaml|patch          the pod as YAML, or the operations as a JSON array (default yaml)
  --defaults FILE        the cluster-wide values of the annotations, as the webhook has them
  --fetcher-image IMAGE  the image of the init container (default airflow-secrets-fetcher:VERSION)

The reason and all warnings go to standard error. A pod that asks for nothing, that declines or that
is injected already is printed as it was given.

Exit codes: 0 the pod may be created, 1 it is refused and nothing is printed, 2 the command was wrong.
`

// request is one run of the command.
type request struct {
	file, namespace, output string
	defaultsFile, image     string
}

func inject(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	r, err := parseFlags(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, injectUsage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "airflow-secrets inject: %v\n\n%s", err, injectUsage)
		return 2
	}
	given, in, err := r.read(stdin)
	if err != nil {
		fmt.Fprintf(stderr, "airflow-secrets inject: %v\n", err)
		return 2
	}
	pod, err := podJSON(given)
	if err != nil {
		fmt.Fprintf(stderr, "refused: %v\n", err)
		return 1
	}
	d := in.Decide(pod, r.namespaceOf(pod))
	for _, warning := range d.Warnings {
		fmt.Fprintln(stderr, "warning:", warning)
	}
	if !d.Allowed() {
		fmt.Fprintf(stderr, "refused (%s): %s\n", d.Code, d.Message)
		return 1
	}
	text, err := r.print(given, pod, d)
	if err != nil {
		fmt.Fprintf(stderr, "airflow-secrets inject: %v\n", err)
		return 1
	}
	fmt.Fprintf(stderr, "%s: %s\n", d.Code, d.Message)
	if _, err := stdout.Write(text); err != nil {
		fmt.Fprintf(stderr, "airflow-secrets inject: writing the pod: %v\n", err)
		return 1
	}
	return 0
}

func parseFlags(args []string) (request, error) {
	var r request
	flags := flag.NewFlagSet("inject", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&r.file, "f", "", "")
	flags.StringVar(&r.namespace, "n", "default", "")
	flags.StringVar(&r.output, "o", "yaml", "")
	flags.StringVar(&r.defaultsFile, "defaults", "", "")
	flags.StringVar(&r.image, "fetcher-image", "airflow-secrets-fetcher:"+version, "")
	err := flags.Parse(args)
	switch {
	case err != nil:
		return r, err
	case flags.NArg() > 0:
		return r, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case r.file == "":
		return r, errors.New("-f is missing: name a file with one Pod, or - for standard input")
	case r.output != "yaml" && r.output != "patch":
		return r, fmt.Errorf("-o is %q, expected yaml or patch", r.output)
	}
	return r, injector.CheckImage(r.image)
}

// read gives the file's bytes and the injector that the flags describe.
func (r request) read(stdin io.Reader) ([]byte, *injector.Injector, error) {
	in := &injector.Injector{FetcherImage: r.image}
	if r.defaultsFile != "" {
		text, err := os.ReadFile(r.defaultsFile)
		if err != nil {
			return nil, nil, fmt.Errorf("reading --defaults: %w", err)
		}
		if in.Defaults, err = injector.ParseDefaults(text); err != nil {
			return nil, nil, err
		}
	}
	if r.file == "-" {
		given, err := io.ReadAll(stdin)
		return given, in, err
	}
	given, err := os.ReadFile(r.file)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the pod: %w", err)
	}
	return given, in, nil
}

// podJSON makes the one Pod of a file into JSON, or says what else the file holds. JSON is taken as it is: read as YAML,
// some of its escapes would be mistakes.
func podJSON(given []byte) ([]byte, error) {
	pod := given
	if !json.Valid(given) {
		if n, err := documents(given); err != nil || n > 1 {
			return nil, cmp.Or(err, errors.New("expected one Pod, found several YAML documents: give them one at a time"))
		}
		var err error
		if pod, err = yaml.YAMLToJSONStrict(given); err != nil {
			return nil, fmt.Errorf("expected one Pod as YAML or JSON: %w", err)
		}
	}
	if string(pod) == "null" {
		return nil, errors.New("expected one Pod, found an empty file")
	}
	var object struct{ Kind string }
	if err := json.Unmarshal(pod, &object); err != nil {
		return nil, errors.New("expected one Pod, found a list or a plain value")
	}
	if object.Kind != "Pod" {
		return nil, fmt.Errorf("expected kind Pod, found %s: the webhook sees pods only, so give the pod that its controller makes (kubectl get pod NAME -o yaml)", cmp.Or(object.Kind, "none"))
	}
	return pod, nil
}

// documents counts the YAML documents that hold anything.
func documents(given []byte) (int, error) {
	count := 0
	for decoder := yamlv3.NewDecoder(bytes.NewReader(given)); ; {
		var node yamlv3.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return count, nil
		case err != nil:
			return 0, fmt.Errorf("expected one Pod as YAML or JSON: %w", err)
		case len(node.Content) > 0 && node.Content[0].Tag != "!!null":
			count++
		}
	}
}

// namespaceOf is the pod's own namespace, or else the flag's.
func (r request) namespaceOf(pod []byte) string {
	var object struct{ Metadata struct{ Namespace string } }
	if err := json.Unmarshal(pod, &object); err != nil {
		return r.namespace
	}
	return cmp.Or(object.Metadata.Namespace, r.namespace)
}

func (r request) print(given, pod []byte, d injector.Decision) ([]byte, error) {
	if r.output == "patch" {
		operations := d.Operations
		if operations == nil {
			operations = []injector.Operation{}
		}
		text, err := json.MarshalIndent(operations, "", "  ")
		return append(text, '\n'), err
	}
	if len(d.Operations) == 0 {
		return given, nil
	}
	operations, err := json.Marshal(d.Operations)
	if err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		return nil, fmt.Errorf("reading the patch: %w", err)
	}
	patched, err := patch.Apply(pod)
	if err != nil {
		return nil, fmt.Errorf("applying the patch: %w", err)
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
