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

	jsonpatch "github.com/evanphx/json-patch/v5"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

// request is what the commands are asked in common: one pod, and what the webhook of its cluster knows.
type request struct {
	file, namespace     string
	defaultsFile, image string
	objects             files // of the commands that look further than the webhook does
}

const requestUsage = `  -f FILE                one Pod as YAML or JSON, - for standard input
  -n NAMESPACE           the namespace, where the pod names none (default "default")
  --defaults FILE        the cluster-wide values of the annotations, as the webhook has them
  --fetcher-image IMAGE  the image of the init container (default airflow-secrets-fetcher:VERSION)
`

// newFlags are a command's flags, with those of the request.
func (r *request) newFlags(command string) *flag.FlagSet {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&r.file, "f", "", "")
	flags.StringVar(&r.namespace, "n", "", "")
	flags.StringVar(&r.defaultsFile, "defaults", "", "")
	flags.StringVar(&r.image, "fetcher-image", "airflow-secrets-fetcher:"+version, "")
	return flags
}

// parse reads the arguments of a command that wants a pod.
func (r *request) parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	return r.complete(flags)
}

// complete says what is wrong with the flags of a command that wants a pod and nothing else.
func (r *request) complete(flags *flag.FlagSet) error {
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case r.file == "":
		return errors.New("-f is missing: name a file with one Pod, or - for standard input")
	}
	return injector.CheckImage(r.image)
}

// subject is a pod, and what the webhook decides about it.
type subject struct {
	given    []byte // as it was written
	pod      []byte // as JSON
	injector *injector.Injector
	decision injector.Decision
}

// decide reads the pod and has the injector decide. Unless the pod may be created, it says why not and gives an exit code.
func (r request) decide(c console) (subject, int) {
	given, in, err := r.read(c.stdin)
	if err != nil {
		return subject{}, c.fail(exitUsage, err)
	}
	pod, err := podJSON(given)
	if err != nil {
		fmt.Fprintf(c.stderr, "refused: %v\n", err)
		return subject{}, exitRefused
	}
	d := in.Decide(pod, r.namespaceOf(pod))
	for _, warning := range d.Warnings {
		fmt.Fprintln(c.stderr, "warning:", warning)
	}
	if !d.Allowed() {
		fmt.Fprintf(c.stderr, "refused (%s): %s\n", d.Code, d.Message)
		return subject{}, exitRefused
	}
	return subject{given: given, pod: pod, injector: in, decision: d}, exitOK
}

// patched is the pod as the webhook would have it, as JSON.
func (s subject) patched() ([]byte, error) {
	if len(s.decision.Operations) == 0 {
		return s.pod, nil
	}
	operations, err := json.Marshal(s.decision.Operations)
	if err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		return nil, fmt.Errorf("reading the patch: %w", err)
	}
	patched, err := patch.Apply(s.pod)
	if err != nil {
		return nil, fmt.Errorf("applying the patch: %w", err)
	}
	return patched, nil
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
	return cmp.Or(object.Metadata.Namespace, r.namespace, "default")
}
