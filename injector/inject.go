// Package injector decides what happens to a pod: left alone, refused with a sentence, or injected by a list of patch
// operations.
//
// It is pure: the same pod, namespace and cluster defaults give the same bytes, whoever asks: the webhook, the offline
// command or a test. It does no I/O, reads no clock and holds no state.
package injector

import (
	"fmt"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Injector holds what the cluster's administrator has settled for every pod. Its methods may be called concurrently.
type Injector struct {
	Defaults Defaults
	// FetcherImage runs in the init container where neither the pod nor Defaults names another one.
	FetcherImage string
	// FetcherPullPolicy says when nodes pull it. Empty: as Kubernetes does by itself, which depends on the image's tag.
	FetcherPullPolicy corev1.PullPolicy
}

// Operation is one operation of a JSON patch (RFC 6902).
type Operation = jsonpatch.Operation

// Decision is what to do with one pod.
type Decision struct {
	Code contract.Code
	// Message says it in one line with neither quotes nor the pod's name, so that events of many pods are one event.
	Message string
	// Operations are applied in order (RFC 6902). They are empty where the pod stays as it is.
	Operations []jsonpatch.Operation
	// Warnings are for whoever creates the pod, each of at most 120 characters.
	Warnings []string
}

// Allowed says whether the pod may be created; if not, Code and Message say why.
func (d Decision) Allowed() bool {
	switch d.Code {
	case contract.Injected, contract.NotAnnotated, contract.Declined, contract.AlreadyInjected, contract.SideContainersOnly, contract.NotAPodCreation:
		return true
	}
	return false
}

// Decide reads one pod, as JSON, and says what to do with it. The namespace is the request's, since a pod made from a
// template names none; so far nothing depends on it.
func (in *Injector) Decide(raw []byte, _ string) Decision {
	if excess := tooMany(raw); len(excess) > 0 {
		return refused(excess...)
	}
	pod, wrong := readPod(raw)
	if wrong != nil {
		return refused(*wrong)
	}
	if code := pod.leftAlone(); code != "" {
		return Decision{Code: code, Message: code.Sentence()}
	}
	if pod.sideContainersOnly() {
		return Decision{Code: contract.SideContainersOnly, Message: contract.SideContainersOnly.Sentence(), Operations: pod.setStatus(contract.SideContainersOnly)}
	}
	settings, problems := in.settle(pod.Metadata.Annotations)
	targets, more := pod.airflowContainers(settings.containers)
	problems = slices.Concat(problems, more, pod.nameProblems(targets), pod.twinProblems())
	var before former
	if len(targets) > 0 {
		before = pod.formerBackend(settings, targets)
		problems = append(problems, before.problems...)
	}
	if len(problems) > 0 {
		return refused(problems...)
	}
	return pod.inject(settings, targets, before)
}

// inject works out the operations. Each part is added to the document as the parts before have left it.
func (p *pod) inject(s settings, targets []target, before former) Decision {
	warnings := slices.Concat(s.warnings(), p.warnings(s, targets, before), before.warnings)
	config, err := s.contract(before)
	if err != nil {
		return failed(err)
	}
	config.Warnings = append(warnings, config.Warnings...)
	ours, err := p.fetcher(s, config, targets, before)
	if err != nil {
		return failed(err)
	}
	var operations []jsonpatch.Operation
	operations = append(operations, p.volumes(s, targets)...)
	for _, t := range targets {
		operations = append(operations, wire(t, s, before)...)
	}
	operations = append(operations, ours...)
	operations = append(operations, p.setStatus(contract.Injected)...)
	code := contract.Injected
	if len(operations) == 0 {
		code = contract.AlreadyInjected
	}
	return Decision{Code: code, Message: code.Sentence(), Operations: operations, Warnings: config.Warnings}
}

// failed is the answer to what is our own fault.
func failed(err error) Decision {
	return refused(problem{code: contract.Internal, subject: "the init container", expected: "a configuration that can be encoded", found: err.Error()})
}

// maxTold bounds the mistakes in one message. Nobody makes more by accident, and the message goes into events and logs.
const maxTold = 30

// refused puts all mistakes into one line, the sentence that stands alone first.
func refused(problems ...problem) Decision {
	var texts []string
	for _, p := range problems[:min(len(problems), maxTold)] {
		texts = append(texts, p.String())
	}
	if more := len(problems) - maxTold; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	code := problems[0].code
	return Decision{Code: code, Message: code.Sentence() + ". " + strings.Join(texts, "; ")}
}
