// Package migration is docs/migration.md as tests use it: its blocks as they stand, and the pods and objects that Airflow's
// two charts make of the values in them.
package migration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/airflow-secrets/airflow-secrets/test/pods"
)

// Page is docs/migration.md. Each of its blocks of YAML and JSON is used as it stands, and has its name in a comment of the
// line before:
//
//	<!-- test: userA before -->
//	```yaml
//	...
//	```
//
// before and after are values of a chart: Airflow's official one, of user B the community's. Policies, a role's trust among
// them, are IAM's, objects are Kubernetes objects that the user has. The others are annotations of pods, defaults of a
// cluster, and a statement of a policy.
type Page struct {
	blocks map[string]string
}

var (
	namedBlock = regexp.MustCompile("(?m)^<!-- test: (.+) -->\n```(?:yaml|json)\n((?:.*\n)*?)```$")
	anyBlock   = regexp.MustCompile("(?m)^```(?:yaml|json)$")
)

// Read reads the page. A block of YAML or JSON without a name is an error.
func Read() (*Page, error) {
	text, err := os.ReadFile(filepath.Join(pods.Dir(), "../../docs/migration.md"))
	if err != nil {
		return nil, err
	}
	p := &Page{blocks: map[string]string{}}
	for _, found := range namedBlock.FindAllStringSubmatch(string(text), -1) {
		p.blocks[found[1]] = found[2]
	}
	if all := len(anyBlock.FindAllString(string(text), -1)); len(p.blocks) != all {
		return nil, fmt.Errorf("docs/migration.md has %d blocks of YAML or JSON and %d names for them, expected one for each", all, len(p.blocks))
	}
	return p, nil
}

// Names are those of all blocks, sorted.
func (p *Page) Names() []string { return slices.Sorted(maps.Keys(p.blocks)) }

// Block is the text of a block. One that is not there is an error.
func (p *Page) Block(name string) (string, error) {
	text, ok := p.blocks[name]
	if !ok {
		return "", fmt.Errorf("docs/migration.md has no block %q", name)
	}
	return text, nil
}

// Decode reads a block into one of the types of values, or a map of annotations. What the type does not have is an error.
func (p *Page) Decode(name string, into any) error {
	text, err := p.Block(name)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		return fmt.Errorf("docs/migration.md, block %q: %w", name, err)
	}
	return nil
}

// Statement is the one of a policy that saves calls, on one line.
func (p *Page) Statement() (string, error) {
	text, err := p.Block("statement that saves calls")
	if err != nil {
		return "", err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, []byte(text)); err != nil {
		return "", fmt.Errorf("docs/migration.md, the statement that saves calls: %w", err)
	}
	return line.String(), nil
}
