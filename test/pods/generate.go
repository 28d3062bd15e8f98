package pods

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// What generated pods hold that must not get out. All of it contains Canary.
const (
	Canary = "canary-of-the-"
	// PodCanary stands in arguments, environment and annotations, and may not even be in a patch.
	PodCanary = Canary + "pod"
	// takenCanary stands in variables that our container gets as they are: those that lead to AWS, and those by which the pod
	// has chosen a backend.
	takenCanary = Canary + "taken"
)

// Generator makes pods out of choices: the cases and the charts' pods, changed in the ways in which pods differ.
type Generator struct{ patched, others []base }

// base is a pod to start from, and the injector of its cluster.
type base struct {
	injector *injector.Injector
	pod      []byte
}

// NewGenerator reads the pods to start from.
func NewGenerator(t testing.TB) *Generator {
	t.Helper()
	g := &Generator{}
	put := func(in *injector.Injector, pod []byte) {
		list := &g.others
		if len(in.Decide(pod, "airflow").Operations) > 0 {
			list = &g.patched
		}
		*list = append(*list, base{in, pod})
	}
	charts := Charts(t)
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		put(&injector.Injector{FetcherImage: Image}, charts[name])
	}
	for _, c := range Cases(t) {
		put(c.Injector, c.Pod)
	}
	return g
}

// Pod makes a pod, as JSON, and the injector of its cluster. Most pods ask for secrets and get them.
func (g *Generator) Pod(c *inputs.Choices) (*injector.Injector, []byte) {
	from := g.patched
	if c.OneIn(12) {
		from = g.others
	}
	b := inputs.Of(c, from...)
	p := decode(b.pod)
	p.annotate(c)
	for range c.Below(10) {
		inputs.Of(c, changes...)(p, c)
	}
	return b.injector, encode(p)
}

// Changed is a patched pod after other webhooks, or a person, have changed it in their turn. Those changes leave it a pod
// that asks for secrets.
func Changed(c *inputs.Choices, pod []byte) []byte {
	p := decode(pod)
	for range 1 + c.Below(4) {
		inputs.Of(c, interferences...)(p, c)
	}
	return encode(p)
}

// object is a part of a pod as a tree.
type object map[string]any

// decode reads what this package made.
func decode(text []byte) object {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil {
		panic("the pod to start from: " + err.Error())
	}
	return o
}

func encode(o object) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic("the pod made: " + err.Error())
	}
	return text
}

// in is the object under a key, made where there is none.
func (o object) in(key string) object {
	if child, ok := o[key].(map[string]any); ok {
		return child
	}
	child := object{}
	o[key] = map[string]any(child)
	return child
}

func (o object) spec() object        { return o.in("spec") }
func (o object) annotations() object { return o.in("metadata").in("annotations") }

// objects are those of a list.
func (o object) objects(key string) []object {
	list, _ := o[key].([]any)
	var found []object
	for _, element := range list {
		if element, ok := element.(map[string]any); ok {
			found = append(found, element)
		}
	}
	return found
}

// insert puts an element into a list, anywhere.
func (o object) insert(c *inputs.Choices, key string, element object) {
	list, _ := o[key].([]any)
	o[key] = slices.Insert(list, min(c.Below(256), len(list)), any(map[string]any(element)))
}

// without takes one element out of a list.
func (o object) without(c *inputs.Choices, key string) {
	if list, _ := o[key].([]any); len(list) > 0 {
		i := c.Below(len(list))
		o[key] = slices.Delete(list, i, i+1)
	}
}

// containers are all of them, the main ones first.
func (o object) containers() []object {
	return slices.Concat(o.spec().objects("containers"), o.spec().objects("initContainers"))
}

// any is one of the containers, or an object that is in no pod.
func (o object) any(c *inputs.Choices) object {
	if all := o.containers(); len(all) > 0 {
		return inputs.Of(c, all...)
	}
	return object{}
}
