// Package manifests holds the Helm chart and install.yaml to what they promise. What is made from the chart's values.yaml,
// their schema and their documentation, is made here.
package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/airflow-secrets/airflow-secrets/injector"
)

// value is one of the chart's values as values.yaml documents it: a scalar, a list, an empty map, or a map that is given
// whole because it has a schema of its own.
type value struct {
	path     []string
	doc      string // Markdown, in one line
	fallback string // the default, in one line of YAML
	schema   map[string]any
}

func (v value) name() string { return strings.Join(v.path, ".") }

// readValues reads a values.yaml. A value without a comment is an error.
func readValues(file string) ([]value, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Base(file), err)
	}
	return valuesBelow(nil, document.Content[0])
}

func valuesBelow(path []string, node *yaml.Node) ([]value, error) {
	var all []value
	for i := 0; i < len(node.Content); i += 2 {
		key, content := node.Content[i], node.Content[i+1]
		here := append(slices.Clone(path), key.Value)
		doc, hints, err := comment(key.HeadComment)
		if err != nil {
			return nil, fmt.Errorf("%s: reading its @schema: %w", strings.Join(here, "."), err)
		}
		var below []value
		if isSection(content, hints) {
			below, err = valuesBelow(here, content)
		} else {
			below, err = oneValue(value{path: here, doc: doc}, content, hints)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// isSection says whether a map is only there to hold values.
func isSection(content *yaml.Node, hints map[string]any) bool {
	return content.Kind == yaml.MappingNode && len(content.Content) > 0 && hints["type"] == nil
}

// comment takes the comment of a key apart: its last paragraph, and what the line "@schema" in it says.
func comment(text string) (doc string, hints map[string]any, err error) {
	paragraphs := strings.Split(text, "\n\n")
	var words []string
	for line := range strings.Lines(paragraphs[len(paragraphs)-1]) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if hint, ok := strings.CutPrefix(line, "@schema "); ok {
			if err := yaml.Unmarshal([]byte(hint), &hints); err != nil {
				return "", nil, err
			}
			continue
		}
		words = append(words, line)
	}
	return strings.Join(words, " "), hints, nil
}

var jsonTypes = map[string]string{"!!str": "string", "!!int": "integer", "!!bool": "boolean", "!!map": "object", "!!seq": "array"}

func oneValue(v value, content *yaml.Node, hints map[string]any) ([]value, error) {
	if v.doc == "" {
		return nil, fmt.Errorf("%s: expected a comment that says what it is", v.name())
	}
	v.schema = map[string]any{"description": v.doc}
	if name, known := jsonTypes[content.Tag]; known {
		v.schema["type"] = name
	}
	maps.Copy(v.schema, hints)
	if v.schema["type"] == nil {
		return nil, fmt.Errorf("%s: its default %q tells no type: expected one in @schema", v.name(), content.Value)
	}
	switch v.name() {
	case "defaults":
		v.schema["properties"], v.schema["additionalProperties"] = annotations(), false
	case "locked":
		v.schema["items"] = map[string]any{"enum": injector.DefaultKeys()}
	}
	fallback, err := inline(content)
	v.fallback = fallback
	return []value{v}, err
}

// annotations is the schema of the values that annotations may have for the whole cluster: the webhook parses them, so
// here are only their names.
func annotations() map[string]any {
	properties := map[string]any{}
	for _, key := range injector.DefaultKeys() {
		properties[key] = map[string]any{"type": "string"}
	}
	return properties
}

// inline writes a node in one line.
func inline(content *yaml.Node) (string, error) {
	var plain any
	if err := content.Decode(&plain); err != nil {
		return "", err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(plain)
	return strings.TrimSpace(text.String()), err
}

// schemaOf is values.schema.json: closed, but for what parent charts set in every chart below them.
func schemaOf(all []value) ([]byte, error) {
	root := object()
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "values of the chart airflow-secrets"
	root["properties"] = map[string]any{
		"global":  map[string]any{"type": "object", "description": "Values of a parent chart. They are not used."},
		"enabled": map[string]any{"type": "boolean", "description": "The condition of a parent chart. It is not used."},
	}
	for _, v := range all {
		at := root
		for _, section := range v.path[:len(v.path)-1] {
			properties := at["properties"].(map[string]any)
			if properties[section] == nil {
				properties[section] = object()
			}
			if v.isNeeded() {
				require(at, section)
			}
			at = properties[section].(map[string]any)
		}
		if v.isNeeded() {
			require(at, v.path[len(v.path)-1])
		}
		at["properties"].(map[string]any)[v.path[len(v.path)-1]] = v.schema
	}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// isNeeded says whether no template could do without the value: null, by which Helm takes a default away, is then a mistake.
// Where the default is empty, null is the same.
func (v value) isNeeded() bool {
	types, several := v.schema["type"].([]any)
	nothing := several && slices.Contains(types, "null")
	return !nothing && !slices.Contains([]any{"object", "array"}, v.schema["type"]) && v.fallback != `""`
}

// require makes a property of an object one that must be there.
func require(object map[string]any, property string) {
	required, _ := object["required"].([]string)
	if !slices.Contains(required, property) {
		object["required"] = append(required, property)
	}
}

func object() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
}

// tableOf is the reference of the values as Markdown.
func tableOf(all []value) string {
	var b strings.Builder
	b.WriteString("| value | meaning | default |\n|---|---|---|\n")
	for _, v := range all {
		doc := v.doc
		if choices, ok := v.schema["enum"].([]any); ok {
			doc += " One of " + choiceList(choices) + "."
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", v.name(), doc, v.fallback)
	}
	return b.String()
}

func choiceList(choices []any) string {
	var texts []string
	for _, choice := range choices {
		texts = append(texts, fmt.Sprintf("`%q`", choice))
	}
	return strings.Join(texts, ", ")
}
