package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/airflow-secrets/airflow-secrets/injector"
	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

const explainUsage = `airflow-secrets explain prints what the annotations mean, or what they come to for one pod.

Usage:
  airflow-secrets explain                  all annotations
  airflow-secrets explain KEY              one of them, with airflow-secrets/ before it or without
  airflow-secrets explain -f FILE [flags]  each setting of a pod, its value, and who decided it

` + requestUsage + objectsUsage + `
Precedence: the annotation, the kwargs of the secrets backend that the pod has had until now, the
cluster's default, what is built in. What may hold a secret is not shown.

Exit codes: 0 all is printed; 1 the pod is refused or would not start; 2 the command was wrong.
`

func explain(args []string, c console) int {
	var r request
	flags := r.newFlagsWithObjects(c.command)
	if err := flags.Parse(args); err != nil {
		return c.usage(err, explainUsage)
	}
	switch {
	case flags.NArg() > 1:
		return c.usage(fmt.Errorf("unexpected argument %q", flags.Arg(1)), explainUsage)
	case flags.NArg() == 1 && flags.NFlag() > 0:
		return c.usage(errors.New("expected a key or -f, not both"), explainUsage)
	case flags.NArg() == 1:
		return explainKey(flags.Arg(0), c)
	case flags.NFlag() == 0:
		return explainAll(c)
	}
	if err := r.complete(flags); err != nil {
		return c.usage(err, explainUsage)
	}
	return r.explainPod(c)
}

func explainAll(c console) int {
	var b strings.Builder
	for i, a := range injector.Annotations() {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(page(a))
	}
	return c.print(b.String())
}

func explainKey(key string, c console) int {
	a, err := injector.FindAnnotation(key)
	if err != nil {
		return c.fail(exitUsage, err)
	}
	text := page(a)
	if kwargs := kwargsFor(strings.TrimPrefix(a.Key, injector.Prefix)); len(kwargs) > 0 {
		text += wrap("Comes before the kwargs of SecretsManagerBackend that say the same: "+strings.Join(kwargs, ", ")+".", "    ")
	}
	return c.print(text)
}

func (c console) print(text string) int {
	if _, err := io.WriteString(c.stdout, text); err != nil {
		return c.fail(exitRefused, fmt.Errorf("writing: %w", err))
	}
	return exitOK
}

// page is all there is to say of an annotation.
func page(a injector.Annotation) string {
	doc := strings.ReplaceAll(a.Doc, "`", "")
	if !a.Supported {
		doc = "Not supported yet. " + doc
	}
	text := a.Key + "\n" + wrap(doc, "    ")
	if a.Default != "" {
		text += "    Default: " + a.Default + "\n"
	}
	if a.Example != "" {
		text += "    Example: " + a.Example + "\n"
	}
	return text
}

// width of a line, in characters.
const width = 100

// wrap breaks a text into lines, each with the indent before it. A word that is longer than a line stays whole.
func wrap(text, indent string) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}

// kwargsFor are the kwargs that decide the same as an annotation.
func kwargsFor(key string) []string {
	var names []string
	for _, name := range contract.Kwargs() {
		if contract.KwargSetting(name) == key {
			names = append(names, name)
		}
	}
	return names
}

// explainPod prints the settings that are decided, then the names of those that are not.
func (r request) explainPod(c console) int {
	s, v, exit, ok := r.inspect(c, subject.glance)
	if !ok {
		return exit
	}
	settings := s.injector.Explain(s.pod)
	if former := v.setup.Former; former.Name != "" {
		settings = injector.TakeKwargs(settings, former)
	}
	return c.print(tableOf(settings, v.lacks))
}

// tableOf lists the settings that somebody has decided, then the names of the others. If something lacks that kwargs may be
// in, what they could change is marked.
func tableOf(settings []injector.Setting, lacks error) string {
	var b strings.Builder
	var unset []string
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		locked, mark := "", ""
		if s.Locked {
			locked = " (locked by an administrator)"
		}
		if lacks != nil && s.Open {
			mark = "*"
		}
		if s.By == "" {
			unset = append(unset, s.Key+mark+locked)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, s.By+mark+locked, shown(s)) // the value last: it may be long
	}
	table.Flush() // into memory, which does not fail
	if len(unset) > 0 {
		b.WriteString("\n" + wrap("Not set: "+strings.Join(unset, ", ")+".", ""))
	}
	if lacks != nil {
		b.WriteString("\n" + wrap("* Unless kwargs say otherwise: "+lacks.Error()+".", ""))
	}
	return b.String()
}

func shown(s injector.Setting) string {
	switch {
	case s.Hidden:
		return "(not shown)"
	case s.Value == "":
		return `""`
	}
	return s.Value
}
