package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
	"github.com/airflow-secrets/airflow-secrets/injector/kubelet"
)

const objectsUsage = `  -r FILE                Secrets and ConfigMaps that the pod reads, as YAML or JSON; may be repeated
                         (kubectl get secret,configmap -o yaml)
`

// newFlagsWithObjects are a command's flags, with those of the request and of what the pod reads.
func (r *request) newFlagsWithObjects(command string) *flag.FlagSet {
	flags := r.newFlags(command)
	flags.Var(&r.objects, "r", "")
	return flags
}

// inspect is what the commands have in common: the pod, the decision about it, and what our container would know. It gives
// false, with an exit code, where there is nothing more to say.
func (r request) inspect(c console, look func(subject, string, kubelet.Objects) (view, error)) (subject, view, int, bool) {
	objects, err := r.objects.read()
	if err != nil {
		return subject{}, view{}, c.fail(exitUsage, err), false
	}
	s, exit := r.decide(c)
	if exit != exitOK {
		return s, view{}, exit, false
	}
	v, err := look(s, r.namespace, objects)
	var refused *contract.Error
	switch {
	case errors.Is(err, errNotInjected):
		fmt.Fprintf(c.stderr, "%s: %s\n", s.decision.Code, s.decision.Message)
		return s, v, exitOK, false
	case errors.As(err, &refused):
		fmt.Fprintf(c.stderr, "the pod would not start (%s): %v\n", refused.Code, refused)
		return s, v, exitRefused, false
	case err != nil:
		return s, v, c.fail(exitUsage, err), false
	}
	return s, v, exitOK, true
}

// view is what our init container knows once it has started, as far as that can be told without a cluster.
type view struct {
	setup fetcher.Setup
	env   map[string]string
	// spared are the variables that come from Secrets and ConfigMaps that were not given: an identity's, a region's.
	spared []string
	// lacks says which Secrets and ConfigMaps the settings might come from, if they were not given.
	lacks error
}

// errNotInjected is the outcome of a pod that has no init container of ours.
var errNotInjected = errors.New("the pod gets no init container")

// look starts our container in the mind: with all that decides the settings, or not at all.
func (s subject) look(namespace string, objects kubelet.Objects) (view, error) {
	return s.lookWith(namespace, objects, spare)
}

// glance is look for what can be told without the Secrets and ConfigMaps that lack.
func (s subject) glance(namespace string, objects kubelet.Objects) (view, error) {
	v, err := s.look(namespace, objects)
	var lacks lacking
	if !errors.As(err, &lacks) {
		return v, err
	}
	v, err = s.lookWith(namespace, objects, spareAll)
	v.lacks = lacks
	return v, err
}

// lacking is that Secrets and ConfigMaps are needed and were not given.
type lacking struct{ error }

func (s subject) lookWith(namespace string, objects kubelet.Objects, spare func(*corev1.Container) []string) (view, error) {
	pod, err := s.typed(namespace)
	if err != nil {
		return view{}, err
	}
	at := slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == contract.ContainerName })
	if at < 0 {
		return view{}, errNotInjected
	}
	spared := spare(&pod.Spec.InitContainers[at])
	seen, err := kubelet.ViewOf(pod, contract.ContainerName, objects)
	if err != nil {
		return view{}, lacking{err}
	}
	there := func(name string) bool { _, ok := seen.Env[name]; return ok }
	v := view{env: seen.Env, spared: slices.DeleteFunc(spared, there)}
	v.setup, err = configure(seen)
	return v, err
}

// configure is the fetcher's first step, in the container that is seen.
func configure(seen kubelet.View) (fetcher.Setup, error) {
	for _, u := range seen.Unknown {
		if strings.HasPrefix(u.Name, airflowOption) {
			return fetcher.Setup{}, fmt.Errorf("%s is not known without a cluster: give the pod as its cluster has it (kubectl get pod NAME -o yaml), or its namespace with -n", u)
		}
	}
	return fetcher.Configure(fetcher.Options{Environ: seen.Environ(), Limits: fetcher.UsualLimits(), ReadFile: func(name string) ([]byte, error) {
		text, ok := seen.Files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return text, nil
	}})
}

// typed is the patched pod in Kubernetes' own type, which is good enough to read it.
func (s subject) typed(namespace string) (*corev1.Pod, error) {
	text, err := s.patched()
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(text, pod); err != nil {
		return nil, fmt.Errorf("reading the patched pod: %w", err)
	}
	if pod.Namespace == "" {
		pod.Namespace = namespace
	}
	return pod, nil
}

// region is the one that the environment names, as the AWS SDK reads it; empty if there is none.
func (v view) region() string {
	return cmp.Or(v.env["AWS_REGION"], v.env["AWS_DEFAULT_REGION"])
}

// ownRole is roleOf for the pod's own account.
func (v view) ownRole() string { return v.roleOf(v.setup.Accounts[0]) }

// roleOf is the role by which the pod asks an account, before it assumes another one, and that it gets by a token of its
// service account; empty if it has another identity, or none that the pod tells.
func (v view) roleOf(a contract.Account) string {
	switch {
	case a.WebIdentity != nil:
		return a.WebIdentity.RoleARN
	case a.Keys != nil || a.KeysFromEnv || a.Profile != "" || v.env["AWS_ACCESS_KEY_ID"] != "":
		return ""
	}
	return v.env["AWS_ROLE_ARN"]
}

// files are those of a flag that may be repeated.
type files []string

func (f *files) String() string         { return strings.Join(*f, ",") }
func (f *files) Set(value string) error { *f = append(*f, value); return nil }

// read gives the Secrets and ConfigMaps of the files.
func (f files) read() (kubelet.Objects, error) {
	var objects kubelet.Objects
	for _, name := range f {
		text, err := os.ReadFile(name)
		if err != nil {
			return objects, fmt.Errorf("reading -r: %w", err)
		}
		if err := objects.Add(text); err != nil {
			return objects, fmt.Errorf("reading -r %s: %w", name, err)
		}
	}
	return objects, nil
}
