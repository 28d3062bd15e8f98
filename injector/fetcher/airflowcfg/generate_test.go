package airflowcfg_test

import (
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// generator makes files of parts that are known to be hard.
type generator struct {
	*inputs.Choices
	strings.Builder
	section string
	used    map[string]bool // names of sections, and of options behind their section's
}

func generate(input []byte) string {
	g := generator{Choices: inputs.From(input), used: map[string]bool{}}
	if !g.OneIn(20) {
		g.add(g.header(), "\n")
	}
	for range g.Below(14) {
		g.line()
		g.add(inputs.Of(g.Choices, "", "", "", " ", "\u2003", "\v"), inputs.Of(g.Choices, "\n", "\n", "\n", "\r\n", "\r", "\n\n", "\n \n"))
	}
	return g.String()
}

func (g *generator) add(parts ...string) {
	for _, part := range parts {
		g.WriteString(part)
	}
}

func (g *generator) line() {
	indent := inputs.Of(g.Choices, "", "", "", " ", "  ", "\t", "\u00a0", "\x1f ")
	switch {
	case g.OneIn(40):
		g.add(indent, inputs.Of(g.Choices, "zebra", "[", "[]", "[[secrets]]", "=", ": x", "[secrets", "x]", "\ufeff", "\xff"))
	case g.OneIn(6):
		g.add(indent, g.header(), inputs.Of(g.Choices, "", "", "", " ; x", "x = y", "]", "# [x]"))
	case g.OneIn(6):
		g.add(indent, inputs.Of(g.Choices, "# zebra", ";", "#a = b", "; [secrets]"))
	case g.OneIn(4):
		g.add("   ", indent, inputs.Of(g.Choices, "x", "x = ", "[secrets]", ""), g.value()) // mostly a continuation
	default:
		g.option(indent)
	}
}

// header gives a section's, hardly ever for the second time.
func (g *generator) header() string {
	name := inputs.Of(g.Choices, "secrets", "workers", "DEFAULT", "Secrets", "zebra")
	if g.used[name] && !g.OneIn(20) {
		return "# " + name
	}
	g.used[name] = name != "DEFAULT"
	g.section = name
	return "[" + name + "]"
}

// option adds one, hardly ever for the second time in its section.
func (g *generator) option(indent string) {
	name := inputs.Of(g.Choices, "backend", "backend_kwargs", "a b", "Backend", "zebra", "a", "b", "[c]d")
	key := g.section + "/" + name
	if g.used[key] && !g.OneIn(20) {
		indent = "# "
	}
	g.used[key] = true
	g.add(indent, name, inputs.Of(g.Choices, " = ", "=", ":", "\t:\u00a0"), g.value())
}

func (g *generator) value() string {
	var b strings.Builder
	if g.OneIn(15) {
		b.WriteString("~")
	}
	for range g.Below(4) {
		b.WriteString(inputs.Of(g.Choices, "x", "zebra", `{"a": "b"}`, " ", "=", ":", " ; y", " # y", "]", "ключ", "\x1c", "\u0085", "\u200b", "\x00",
			"%%", "%(a)s", "%(b)s", "%(backend)s", "%(a b)s", "%", "%(zebra", "%()s", "(a)s",
			"$", "$x", "${x y}", "${}", "$zebra", "^aws_$", "~/x"))
	}
	return b.String()
}
