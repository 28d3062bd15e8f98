package airflowcfg

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encoded refuses what Python cannot decode. It opens the file in the locale's encoding, and that of Airflow's image is
// UTF-8.
func encoded(text string) error {
	if strings.HasPrefix(text, "\ufeff") {
		return errors.New("line 1: found a byte order mark, which Airflow takes for text before the first section: save the file as UTF-8 without one")
	}
	if utf8.ValidString(text) {
		return nil
	}
	number := 1
	for line := range lines(text) {
		if !utf8.ValidString(line) {
			break
		}
		number++
	}
	return fmt.Errorf("line %d: found bytes that are not UTF-8: save the file as UTF-8", number)
}

// lines gives the lines of a text without their ends, as Python's text files have them: \r\n and \r end a line too, and
// nothing else does.
func lines(text string) iter.Seq[string] {
	return strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}

// reader takes a file line by line.
type reader struct {
	file    File
	number  int      // of the line
	indent  int      // of the last line that was no continuation
	section *section // nil before the first header
	option  *option  // whose value may go on; nil right behind a header
	value   []string // the lines of that value
}

func newReader() *reader {
	all := &section{options: map[string]*option{}}
	return &reader{file: File{sections: map[string]*section{defaults: all}, cut: map[string]int{}}}
}

// read takes the next line. An empty one belongs to the value that it stands in, a comment never does, and a line that
// is indented deeper than the option goes on with its value, even where it looks like a header.
func (r *reader) read(line string) error {
	text := strings.TrimFunc(line, isSpace)
	indent := utf8.RuneCountInString(line[:len(line)-len(strings.TrimLeftFunc(line, isSpace))])
	switch {
	case text == "":
		if r.option != nil {
			r.value = append(r.value, "")
		}
		return nil
	case text[0] == '#' || text[0] == ';':
		return nil
	case r.option != nil && indent > r.indent:
		r.value = append(r.value, text)
		return nil
	}
	r.indent = indent
	r.endOption()
	if name, ok := header(text); ok {
		return r.startSection(name)
	}
	return r.startOption(text)
}

// header gives the name in a section's header. It goes up to the last ], and what stands behind that is passed over.
func header(text string) (name string, ok bool) {
	end := strings.LastIndexByte(text, ']')
	if text[0] != '[' || end < 2 {
		return "", false
	}
	return text[1:end], true
}

// startSection goes on with a section. [DEFAULT] alone may come more than once.
func (r *reader) startSection(name string) error {
	named := r.file.sections[name]
	if named != nil && name != defaults {
		return fmt.Errorf("found a section for the second time, and Airflow reads no such file: move its options to the first one, on line %d", named.line)
	}
	if named == nil {
		named = &section{line: r.number, options: map[string]*option{}}
		r.file.sections[name] = named
	}
	r.section = named
	if shorter, _, another := strings.Cut(name, "]"); another {
		r.file.cut[shorter] = r.number
	}
	return nil
}

func (r *reader) startOption(text string) error {
	if r.section == nil {
		return errors.New("found text before the first section, expected a header such as [core]")
	}
	end := strings.IndexAny(text, "=:")
	switch {
	case end < 0:
		return errors.New("found neither = nor :, expected an option as name = value; the further lines of a value are indented")
	case end == 0:
		return fmt.Errorf("found no name before %c, expected an option as name = value; the further lines of a value are indented", text[0])
	}
	name := strings.TrimRightFunc(text[:end], isSpace)
	if before := r.section.options[name]; before != nil {
		return fmt.Errorf("found an option for the second time in its section, and Airflow reads no such file: remove it, or the one on line %d", before.line)
	}
	r.option = &option{line: r.number}
	r.section.options[name] = r.option
	r.value = append(r.value[:0], strings.TrimLeftFunc(text[end+1:], isSpace))
	return nil
}

// endOption gives the last option the value that its lines make.
func (r *reader) endOption() {
	if r.option != nil {
		r.option.value = strings.TrimRightFunc(strings.Join(r.value, "\n"), isSpace)
		r.option = nil
	}
}

// isSpace is what Python's str.strip removes and \s matches: Unicode's White_Space and the ASCII separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
