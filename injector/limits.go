package injector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// limits bound how much a pod may have of each thing, in all its containers together. An empty element takes two bytes of
// the pod and a hundred times that once it is read, so bytes alone bound nothing.
//
// Kubernetes has no such limits. These are ten times and more what the largest Airflow pods have, and most of what fits
// into the 1.5 MiB that etcd takes of a pod. A path's [] stands for each element of a list; the empty path, at the end, is
// every value in the pod, so that what is read as a tree is bounded too.
var limits = []struct {
	path string
	most int
}{
	{"metadata.annotations", 1000},
	{"spec.containers", 200},
	{"spec.containers[].command", 5000},
	{"spec.containers[].args", 5000},
	{"spec.containers[].env", 5000},
	{"spec.containers[].envFrom", 1000},
	{"spec.containers[].volumeMounts", 2000},
	{"spec.containers[].resources.requests", 1000},
	{"spec.containers[].resources.limits", 1000},
	{"spec.initContainers", 200},
	{"spec.initContainers[].command", 5000},
	{"spec.initContainers[].args", 5000},
	{"spec.initContainers[].env", 5000},
	{"spec.initContainers[].envFrom", 1000},
	{"spec.initContainers[].volumeMounts", 2000},
	{"spec.initContainers[].resources.requests", 1000},
	{"spec.initContainers[].resources.limits", 1000},
	{"spec.volumes", 1000},
	{"", 100_000},
}

// place is a value's place in a pod, as far as limits lead to it.
type place struct {
	limit  int               // in limits, or noLimit
	within map[string]*place // by a member's name; [] is each element of a list
}

const noLimit = -1

var podPlace = placesOf()

func placesOf() *place {
	root := &place{limit: noLimit, within: map[string]*place{}}
	for i, l := range limits[:len(limits)-1] {
		at := root
		for _, name := range strings.Split(strings.ReplaceAll(l.path, "[]", ".[]"), ".") {
			if at.within[name] == nil {
				at.within[name] = &place{limit: noLimit, within: map[string]*place{}}
			}
			at = at.within[name]
		}
		at.limit = i
	}
	return root
}

// tooMany says which limits a pod exceeds, or returns nothing. It goes once through the text and makes nothing of it. What
// is no JSON it counts as far as it understands it: nobody else makes anything of that.
func tooMany(pod []byte) (problems []problem) {
	c := counter{counts: make([]int, len(limits))}
	for rest := pod; len(rest) > 0; {
		rest = c.step(rest)
	}
	for i, l := range limits {
		if c.counts[i] <= l.most {
			continue
		}
		subject := strings.ReplaceAll(l.path, "[]", "")
		if l.path == "" {
			subject = "values of all kinds"
		}
		problems = append(problems, problem{code: contract.InvalidPod, subject: subject,
			expected: fmt.Sprintf("%d at most in the whole pod", l.most), found: strconv.Itoa(c.counts[i])})
	}
	return problems
}

// counter is where tooMany is.
type counter struct {
	counts []int // by limit
	open   []nesting
}

// nesting is an object or a list that has begun.
type nesting struct {
	at     *place // nil where no limit is
	value  *place // that of the value that comes next
	isList bool
	named  bool // the name of an object's member has been read
}

// step takes in what comes next and returns what is left.
func (c *counter) step(text []byte) (rest []byte) {
	switch text[0] {
	case '{', '[':
		c.open = append(c.open, c.begin(text[0] == '['))
	case '}', ']':
		c.open = c.open[:max(len(c.open)-1, 0)]
	case ',':
		if n := len(c.open); n > 0 {
			c.open[n-1].named = false
		}
	case '"':
		end := endOfText(text)
		c.text(text[:end])
		return text[end:]
	case ' ', '\t', '\r', '\n', ':':
	default:
		c.value()
		return text[endOfWord(text):]
	}
	return text[1:]
}

// begin counts an object or a list and steps into it.
func (c *counter) begin(isList bool) nesting {
	in := nesting{at: podPlace, isList: isList}
	if len(c.open) > 0 {
		in.at = c.value()
	}
	if isList && in.at != nil {
		in.value = in.at.within["[]"]
	}
	return in
}

// text takes in a text, which is a member's name or a value.
func (c *counter) text(quoted []byte) {
	if n := len(c.open); n > 0 && !c.open[n-1].isList && !c.open[n-1].named {
		c.open[n-1].named = true
		c.open[n-1].value = c.open[n-1].at.member(quoted)
		return
	}
	c.value()
}

// member finds the place of an object's member, whose name may be written with escapes.
func (p *place) member(quoted []byte) *place {
	if p == nil || len(quoted) < 2 {
		return nil
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return p.within[string(quoted[1:len(quoted)-1])]
	}
	var name string
	if json.Unmarshal(quoted, &name) != nil {
		return nil
	}
	return p.within[name]
}

// value counts a value and returns its place.
func (c *counter) value() *place {
	if len(c.open) == 0 {
		return nil
	}
	in := c.open[len(c.open)-1]
	c.counts[len(limits)-1]++
	if in.at != nil && in.at.limit != noLimit {
		c.counts[in.at.limit]++
	}
	return in.value
}

// endOfText is the length of the quoted text that comes next.
func endOfText(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// endOfWord is the length of the number, true, false or null that comes next.
func endOfWord(text []byte) int {
	if i := bytes.IndexAny(text, ",:]}\"[{ \t\r\n"); i > 0 {
		return i
	}
	return len(text)
}
