package injector

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	kjson "sigs.k8s.io/json"
)

// Operations are worked out against the document as the ones before have left it. They touch single fields: whatever
// else the document holds, and whatever a later Kubernetes puts there, stays.

func add(path string, value any) jsonpatch.Operation {
	return jsonpatch.NewOperation("add", path, value)
}
func remove(path string) jsonpatch.Operation { return jsonpatch.NewOperation("remove", path, nil) }
func replace(path string, value any) jsonpatch.Operation {
	return jsonpatch.NewOperation("replace", path, value)
}

// appendTo adds values to the end of the list at path, which is made where there is none.
func appendTo[T any](path string, exists bool, values []T) []jsonpatch.Operation {
	switch {
	case len(values) == 0:
		return nil
	case !exists:
		return []jsonpatch.Operation{add(path, values)}
	}
	var operations []jsonpatch.Operation
	for _, v := range values {
		operations = append(operations, add(path+"/-", v))
	}
	return operations
}

// member is the path of an object's member (RFC 6901 escapes).
func member(path, key string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// document is a part of the pod as a tree, for the one place where we compare what is there with what should be: our own
// container on a second pass.
func document(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	return tree, kjson.UnmarshalCaseSensitivePreserveInts(text, &tree)
}

// listKeys are the members that tell the elements of a list apart, as Kubernetes' strategic merge has them; the elements
// of every other list are compared whole.
var listKeys = map[string]string{"env": "name", "volumeMounts": "mountPath"}

// merge gives the operations that make what is wanted true of what is there, and leave the rest of it alone.
func merge(path string, there, wanted any) []jsonpatch.Operation {
	if reflect.DeepEqual(there, wanted) {
		return nil
	}
	if object, ok := there.(map[string]any); ok {
		if want, ok := wanted.(map[string]any); ok {
			return mergeObject(path, object, want)
		}
	}
	return []jsonpatch.Operation{replace(path, wanted)}
}

func mergeObject(path string, there, wanted map[string]any) []jsonpatch.Operation {
	var operations []jsonpatch.Operation
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		at := member(path, key)
		old, exists := there[key]
		list, isList := wanted[key].([]any)
		oldList, wasList := old.([]any)
		switch {
		case !exists || old == nil:
			operations = append(operations, add(at, wanted[key]))
		case isList && wasList && (listKeys[key] != "" || key == "envFrom"):
			operations = append(operations, mergeList(at, listKeys[key], oldList, list)...)
		default:
			operations = append(operations, merge(at, old, wanted[key])...)
		}
	}
	return operations
}

// mergeList finds each wanted element by its key (with no key, by being equal) and adds those that are not there. One that
// differs is replaced whole: a variable with both a value and a source would be none.
func mergeList(path, key string, there, wanted []any) []jsonpatch.Operation {
	var operations []jsonpatch.Operation
	for _, want := range wanted {
		i := indexBy(key, there, want)
		if i < 0 {
			operations = append(operations, add(path+"/-", want))
			continue
		}
		if at := path + "/" + strconv.Itoa(i); len(merge(at, there[i], want)) > 0 {
			operations = append(operations, replace(at, want))
		}
	}
	return operations
}

func indexBy(key string, list []any, element any) int {
	for i, candidate := range list {
		if key == "" && reflect.DeepEqual(candidate, element) {
			return i
		}
		a, _ := candidate.(map[string]any)
		b, _ := element.(map[string]any)
		if key != "" && a != nil && a[key] != nil && a[key] == b[key] {
			return i
		}
	}
	return -1
}
