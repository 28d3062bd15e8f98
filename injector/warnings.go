package injector

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// How warnings end that tell what a container loses. A later pass finds no trace of that, so it keeps them.
const (
	isReplaced = " is replaced"
	isRemoved  = " is removed"
)

// warnings tell what this pod's containers lose, and which of the containers asked for it does not have. A
// LocalFilesystemBackend of the pod's own can go: its files are on no volume that Airflow's charts know of.
func (p *pod) warnings(s settings, targets []target, before former) []string {
	var warnings []string
	becomes := isReplaced
	if s.deliver == contract.DeliverEnv {
		becomes = isRemoved
	}
	for _, name := range p.missing(s.containers) {
		warnings = append(warnings, s.subject("containers")+": the pod has no container "+name)
	}
	for _, t := range targets {
		for _, v := range backends {
			e, ok := t.env(v.Kwargs)
			backend, _ := t.env(v.Backend)
			if ok && backend.Value == contract.LocalFilesystemBackend && e.Value != contract.BackendKwargs(contract.Directory) {
				warnings = append(warnings, shown(t.Name)+": "+v.Kwargs+becomes)
			}
		}
		for _, name := range t.lostReferences(s.deliver, before.options) {
			warnings = append(warnings, shown(t.Name)+": $("+shown(name)+") is left as text, since that"+isRemoved)
		}
	}
	return append(warnings, p.entrypointWarnings(s, before)...)
}

// entrypointWarnings are about containers that name no command, so that all that is known of it is what the settings say.
func (p *pod) entrypointWarnings(s settings, before former) (warnings []string) {
	for _, name := range before.bare {
		warnings = append(warnings, shown(name)+" has no command and no args: its image's CMD is not run")
	}
	_, isDefault := s.defaults["entrypoint"]
	if p.Metadata.Labels.PodOperator != "True" || isDefault || s.annotated("entrypoint") {
		return warnings
	}
	for _, name := range before.commandless {
		warnings = append(warnings, shown(name)+": an image not Airflow's needs "+Prefix+"entrypoint")
	}
	return warnings
}

// keepWarnings are those of this pass, and of the one that made our container those that tell what is gone by now. They
// keep their places, so that a pass over an unchanged pod changes nothing.
func (f former) keepWarnings(warnings []string) []string {
	kept := slices.DeleteFunc(slices.Clone(f.earlier.Warnings), func(w string) bool {
		return !strings.HasSuffix(w, isReplaced) && !strings.HasSuffix(w, isRemoved) && !slices.Contains(warnings, w)
	})
	for _, w := range warnings {
		if !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// lostReferences are the variables that a container loses and that what stays of it names as $(NAME).
func (t target) lostReferences(by contract.Deliver, options []contract.Option) (names []string) {
	if !t.hasReferences() {
		return nil
	}
	wanted, losers := t.variables(by, options)
	isLost := func(name string) bool { return overrides(name) || slices.Contains(losers, name) }
	texts := slices.Concat(t.Command, t.args())
	for _, e := range t.Env {
		if !isLost(e.Name) && !slices.ContainsFunc(wanted, func(w envValue) bool { return w.Name == e.Name }) {
			texts = append(texts, e.Value)
		}
	}
	for _, text := range texts {
		for _, name := range references(text) {
			if _, has := t.env(name); has && isLost(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// hasReferences says whether it is worth while to look for them: hardly any container has one.
func (c container) hasReferences() bool {
	isOne := func(text string) bool { return strings.Contains(text, "$(") }
	return slices.ContainsFunc(c.Command, isOne) || bytes.Contains(c.Args, []byte("$(")) ||
		slices.ContainsFunc(c.Env, func(e envVar) bool { return isOne(e.Value) })
}

// expansion is $(NAME), or the $$ by which a text has a dollar sign that starts none (Kubernetes' expansion).
var expansion = regexp.MustCompile(`\$\$|\$\(([^)]+)\)`)

// references are the names in a text in whose place the kubelet puts values.
func references(text string) (names []string) {
	for _, found := range expansion.FindAllStringSubmatch(text, -1) {
		if found[1] != "" {
			names = append(names, found[1])
		}
	}
	return names
}
