package pods

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// CheckPatched holds a patched pod against the pod that it was, by what is promised of every pod and by nothing that the
// injector knows: the status is set, our container stands where it belongs and is complete, each container of Airflow's
// reads our files, and nothing else of the pod has changed, known to Kubernetes or not.
func CheckPatched(before, after []byte, code contract.Code) error {
	if err := checkType(before, after); err != nil {
		return err
	}
	was, err := readParts(before)
	if err != nil {
		return fmt.Errorf("reading the pod before: %w", err)
	}
	is, err := readParts(after)
	if err != nil {
		return fmt.Errorf("reading the pod after: %w", err)
	}
	if err := checkFrame(was, is, code); err != nil || code != contract.Injected {
		return err
	}
	d, err := deliveryOf(was, is)
	if err != nil {
		return err
	}
	return errors.Join(d.checkVolumes(was.volumes, is.volumes), checkContainers(was, is, d))
}

// checkType reads the pod after as Kubernetes does. Fields that Kubernetes does not know may only be in it where the pod
// had some before.
func checkType(before, after []byte) error {
	var was, is corev1.Pod
	strictBefore, err := kjson.UnmarshalStrict(before, &was)
	if err != nil {
		return nil // it was none, so an API server will not take it either
	}
	strictAfter, err := kjson.UnmarshalStrict(after, &is)
	if err != nil {
		return fmt.Errorf("the patched pod is none: %w", err)
	}
	if len(strictBefore) == 0 && len(strictAfter) > 0 {
		return fmt.Errorf("the patched pod has fields that Kubernetes does not know: %w", errors.Join(strictAfter...))
	}
	return nil
}

// fields are those of an object, as they are written.
type fields map[string]json.RawMessage

// parts are those of a pod that a patch may touch. A missing one is empty.
type parts struct {
	document, metadata, annotations, spec fields
	init, main, volumes                   []json.RawMessage
}

func readParts(pod []byte) (p parts, err error) {
	for _, part := range []struct {
		text func() []byte
		into any
	}{
		{func() []byte { return pod }, &p.document},
		{func() []byte { return p.document["metadata"] }, &p.metadata},
		{func() []byte { return p.document["spec"] }, &p.spec},
		{func() []byte { return p.metadata["annotations"] }, &p.annotations},
		{func() []byte { return p.spec["initContainers"] }, &p.init},
		{func() []byte { return p.spec["containers"] }, &p.main},
		{func() []byte { return p.spec["volumes"] }, &p.volumes},
	} {
		if text := part.text(); len(text) > 0 && err == nil {
			err = json.Unmarshal(text, part.into)
		}
	}
	return p, err
}

// checkFrame is about all of a pod but its containers and volumes.
func checkFrame(was, is parts, code contract.Code) error {
	const status = "airflow-secrets/status"
	if found := string(is.annotations[status]); found != `"`+string(code)+`"` {
		return fmt.Errorf("the status is %s, expected %s", found, code)
	}
	lists := []string{"containers", "initContainers", "volumes"}
	if code != contract.Injected {
		lists = nil
	}
	return errors.Join(
		sameBut("the pod", was.document, is.document, "metadata", "spec"),
		sameBut("metadata", was.metadata, is.metadata, "annotations"),
		sameBut("annotations", was.annotations, is.annotations, status),
		sameBut("spec", was.spec, is.spec, lists...),
	)
}

// sameBut compares two objects field by field, with exceptions.
func sameBut(what string, was, is fields, except ...string) error {
	keys := slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is)))
	for _, key := range keys {
		_, before := was[key]
		_, after := is[key]
		if !slices.Contains(except, key) && (before != after || !same(was[key], is[key])) {
			return fmt.Errorf("the field %s of %s was %.200s and is %.200s", key, what, was[key], is[key])
		}
	}
	return nil
}

// same compares two texts of JSON but for white space and the escapes that Go's encoder adds.
func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func sameLists(what string, was, is []json.RawMessage) error {
	if !slices.EqualFunc(was, is, same) {
		return fmt.Errorf("%s were %.1000s and are %.1000s", what, was, is)
	}
	return nil
}

// seen is what tells about a container which part it plays.
type seen struct {
	Name          string    `json:"name"`
	Image         string    `json:"image"`
	RestartPolicy string    `json:"restartPolicy"`
	Command       []string  `json:"command"`
	Args          []string  `json:"args"`
	Env           []element `json:"env"`
	VolumeMounts  []element `json:"volumeMounts"`
}

func look(containers []json.RawMessage) ([]seen, error) {
	all := make([]seen, len(containers))
	for i, c := range containers {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(c, &all[i]); err != nil {
			return nil, fmt.Errorf("reading container %d: %w", i, err)
		}
	}
	return all, nil
}

func (s seen) isSide() bool    { return slices.Contains(sideNames, s.Name) }
func (s seen) isAirflow() bool { return slices.Contains(airflowNames, s.Name) }
func (s seen) isWired() bool {
	_, wrapped := unwrapped(s.Command)
	_, inArgs := unwrapped(s.Args)
	runs := slices.ContainsFunc(s.VolumeMounts, func(e element) bool {
		return e.Name == contract.ExecVolumeName && e.MountPath == contract.ExecDirectory
	})
	return slices.ContainsFunc(s.VolumeMounts, element.isOurMount) && (wrapped || inArgs || slices.ContainsFunc(s.Env, func(e element) bool {
		return e.Name == contract.BackendEnv()[0].Backend && (e.Value == contract.LocalFilesystemBackend || runs && e.Value == "")
	}))
}
func (s seen) isMesh() bool {
	return slices.Contains(meshNames, s.Name) && s.RestartPolicy == "Always"
}

// setsAirflow is about variables that we do not set: what we do tells nothing.
func (s seen) setsAirflow() bool {
	return slices.ContainsFunc(s.Env, func(e element) bool {
		return strings.HasPrefix(e.Name, "AIRFLOW__") && !e.choosesBackend() && !e.winsOverOurs() && !strings.HasPrefix(e.Value, commandStart)
	})
}

// checkContainers goes through all of them, and through ours.
func checkContainers(was, is parts, d delivery) error {
	ours, init, err := cutOurs(is.init)
	if err != nil {
		return err
	}
	_, before, err := cutOurs(was.init)
	if err != nil {
		return err
	}
	seenMain, err := look(was.main)
	if err != nil {
		return err
	}
	seenInit, err := look(before)
	if err != nil {
		return err
	}
	if len(init) != len(before) || len(is.main) != len(was.main) {
		return fmt.Errorf("there were %d and %d containers beside ours, and are %d and %d", len(before), len(was.main), len(init), len(is.main))
	}
	inMain, inInit := partsPlayed(named(was), seenMain)
	annotated := annotatedOptions(was)
	var got []options
	errs := []error{checkPlace(is.init, seenInit)}
	check := func(c seen, before, after json.RawMessage, runsAirflow bool) {
		if !runsAirflow {
			errs = append(errs, checkUntouched(c, before, after))
			return
		}
		gets := c.options(annotated)
		got = append(got, gets)
		errs = append(errs, d.checkWired(c, before, after, gets), d.checkWorks(c, after, was, ours))
	}
	for i, c := range seenMain {
		check(c, was.main[i], is.main[i], inMain(c))
	}
	for i, c := range seenInit {
		check(c, before[i], init[i], inInit(c))
	}
	errs = append(errs, d.checkOurs(ours), d.checkTold(seenMain, seenInit), checkNames(d.config))
	return errors.Join(append(errs, checkOptions(d.config, annotated, got), checkShared(d.config, was))...)
}

// named are the containers that the annotation lists.
func named(pod parts) []string {
	var value string
	if json.Unmarshal(pod.annotations["airflow-secrets/containers"], &value) != nil || value == "" {
		return nil
	}
	names := strings.Split(value, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// partsPlayed says which main and which init containers run Airflow: those that the annotation names; else those with
// names of the charts; else those with variables of Airflow's; else those that read our files already; else the first
// that stands at nobody's side and all with its image. Beside them those that read our files already, since what told them
// may be what we have removed.
func partsPlayed(named []string, main []seen) (inMain, inInit func(seen) bool) {
	if len(named) > 0 {
		listed := func(c seen) bool { return slices.Contains(named, c.Name) || !c.isSide() && c.isWired() }
		return listed, listed
	}
	main = slices.DeleteFunc(slices.Clone(main), seen.isSide)
	told := func(c seen) bool { return len(main) > 0 && c.Image == main[0].Image }
	switch {
	case slices.ContainsFunc(main, seen.isAirflow):
		told = seen.isAirflow
	case slices.ContainsFunc(main, seen.setsAirflow):
		told = seen.setsAirflow
	case slices.ContainsFunc(main, seen.isWired):
		told = seen.isWired
	}
	inMain = func(c seen) bool { return !c.isSide() && (told(c) || c.isWired()) }
	inInit = func(c seen) bool { return !c.isSide() && (told(c) || c.isWired() || c.isAirflow()) }
	return inMain, inInit
}

// cutOurs parts our container from the others.
func cutOurs(init []json.RawMessage) (ours json.RawMessage, others []json.RawMessage, err error) {
	all, err := look(init)
	for i, c := range all {
		if c.Name == contract.ContainerName {
			ours = init[i]
		} else {
			others = append(others, init[i])
		}
	}
	return ours, others, err
}

// checkPlace expects our container first, or right after the last native mesh proxy.
func checkPlace(init []json.RawMessage, others []seen) error {
	all, err := look(init)
	place := slices.IndexFunc(all, func(c seen) bool { return c.Name == contract.ContainerName })
	expected := 0
	for i, c := range others {
		if c.isMesh() {
			expected = i + 1
		}
	}
	if place != expected || len(all) != len(others)+1 {
		return fmt.Errorf("our container is number %d of %d, expected number %d of %d", place, len(all), expected, len(others)+1)
	}
	return err
}
