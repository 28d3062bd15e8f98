package injector

import (
	"fmt"
	"strings"
)

// Reference is the documentation of every annotation as Markdown, made from the table that parses them.
func Reference() string {
	var b strings.Builder
	b.WriteString("| annotation | meaning | default | example |\n|---|---|---|---|\n")
	for _, r := range table {
		doc := r.doc
		if r.set == nil {
			doc = "*Not supported yet.* " + doc
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", Prefix+r.key, cell(doc), code(r.builtIn), code(r.example))
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}

// cell keeps a text from ending its cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
