package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// worker is a Celery worker's pod as the community chart 8.9.0 makes it, and as the API server hands it on: defaults set,
// the service account's token mounted. The team has put its AWS keys into its environment.
//
//go:embed worker.json
var worker []byte

// annotated is the worker with the team's annotations.
func (s *stage) annotated(more map[string]string) ([]byte, map[string]string, error) {
	annotations := map[string]string{
		"airflow-secrets/inject":       "true",
		"airflow-secrets/region":       region,
		"airflow-secrets/endpoint-url": s.endpoint,
	}
	maps.Copy(annotations, more)
	var pod map[string]any
	if err := json.Unmarshal(worker, &pod); err != nil {
		return nil, nil, err
	}
	there := pod["metadata"].(map[string]any)["annotations"].(map[string]any)
	for key, value := range annotations {
		there[key] = value
	}
	text, err := json.Marshal(pod)
	return text, annotations, err
}

func (s *stage) postMistake() error {
	pod, _, err := s.annotated(map[string]string{"airflow-secrets/conections-prefix": "airflow/connections", "airflow-secrets/timeout": "soon"})
	if err != nil {
		return err
	}
	a, err := s.webhook.post(s.ctx, pod)
	if err != nil {
		return err
	}
	if a.Allowed || a.Result == nil || a.Result.Code != 422 || !strings.Contains(a.Result.Message, "did you mean airflow-secrets/connections-prefix?") {
		return fmt.Errorf("a pod with two mistakes was answered %+v", a.Result)
	}
	s.out.detail(fmt.Sprint(a.Result.Code), "%s", a.Result.Message)
	return nil
}

func (s *stage) postPod() error {
	pod, annotations, err := s.annotated(nil)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		s.out.detail("asked", "%s: %s", key, annotations[key])
	}
	if s.review, err = s.webhook.post(s.ctx, pod); err != nil {
		return err
	}
	if !s.review.Allowed || len(s.review.Patch) == 0 {
		return fmt.Errorf("the answer is %+v", s.review.Result)
	}
	for _, key := range slices.Sorted(maps.Keys(s.review.AuditAnnotations)) {
		s.out.detail("answered", "allowed, %s: %s", key, s.review.AuditAnnotations[key])
	}
	for _, warning := range s.review.Warnings {
		s.out.detail("warned", "%s", warning)
	}
	return nil
}

func (s *stage) applyPatch() error {
	pod, _, err := s.annotated(nil)
	if err != nil {
		return err
	}
	patch, patched, typed, err := apply(pod, s.review)
	if err != nil {
		return err
	}
	s.patched = patched
	s.out.detail("injected", "%d operations, %d bytes", len(patch), len(s.review.Patch))
	for i, c := range typed.Spec.InitContainers {
		if c.Name == contract.ContainerName {
			s.out.detail(fmt.Sprintf("init container %d", i), "%s: %s runs %s", c.Name, c.Image, strings.Join(c.Command, " "))
			continue
		}
		s.showWiring("init container", c)
	}
	for _, c := range typed.Spec.Containers {
		s.showWiring("container", c)
	}
	if typed.Spec.InitContainers[0].Name != contract.ContainerName {
		return fmt.Errorf("the first init container is %s", typed.Spec.InitContainers[0].Name)
	}
	return nil
}

// apply makes the pod what the answer wants, and holds it against Kubernetes' own type.
func apply(pod []byte, review answer) (patch jsonpatch.Patch, patched []byte, typed corev1.Pod, err error) {
	if patch, err = jsonpatch.DecodePatch(review.Patch); err != nil {
		return nil, nil, typed, err
	}
	if patched, err = patch.Apply(pod); err != nil {
		return nil, nil, typed, err
	}
	if strict, err := kjson.UnmarshalStrict(patched, &typed); err != nil || len(strict) > 0 {
		return nil, nil, typed, fmt.Errorf("the patched pod is none: %w", errors.Join(append(strict, err)...))
	}
	return patch, patched, typed, nil
}

func (s *stage) showWiring(what string, c corev1.Container) {
	says := "left alone"
	for _, e := range c.Env {
		if e.Name == "AIRFLOW__SECRETS__BACKEND" {
			says = "reads " + contract.Directory + " by " + e.Value[strings.LastIndex(e.Value, ".")+1:]
		}
	}
	s.out.detail(what+" "+c.Name, "%s", says)
}
