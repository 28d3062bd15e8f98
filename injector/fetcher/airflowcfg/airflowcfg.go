// Package airflowcfg reads options of an airflow.cfg as Airflow's own parser reads them.
//
// That parser is Python's configparser.ConfigParser in its strict mode, with two differences of Airflow's: the names of
// options keep their case, and what a value says of the environment ($NAME, ${NAME}, a leading ~) is replaced. That
// environment is the one of Airflow's container and not known here, so such a value is an error and never a guess.
//
// A file may hold secrets, and a line that is out of place may be a part of one. So no error quotes the file: it gives the
// number of the line.
package airflowcfg

import (
	"fmt"
	"io"
)

// MaxSize is the most bytes that a file may have. It is also the limit of Kubernetes for a ConfigMap, where airflow.cfg
// comes from.
const MaxSize = 1 << 20

// defaults is the section whose options all other sections have too. Airflow cannot be asked for it by name.
const defaults = "DEFAULT"

// File is an airflow.cfg. The zero File has no options.
type File struct {
	sections map[string]*section
	// cut has the headers that Python before 3.10 ends at their first ] and later ones at their last: the shorter name
	// and its line.
	cut map[string]int
}

type section struct {
	line    int // of its header
	options map[string]*option
}

type option struct {
	line  int    // on which it starts
	value string // as it is in the file, before anything in it is replaced
}

// Get gives the value of an option, or ok false where the file has none. Both names are compared as they are written in
// the file, and Airflow asks in lower case: one that has a capital in the file is there in vain.
//
// An option that is there with a value that Airflow would fail to read, or that only Airflow's own container can tell, is
// an error with the number of the line. It does not repeat the names.
func (f File) Get(section, option string) (value string, ok bool, err error) {
	for _, name := range []string{section, defaults} {
		if line, found := f.cut[name]; found {
			return "", false, fmt.Errorf("line %d: found another ] behind [%s], and versions of Python differ about which one ends the header: leave nothing behind it", line, name)
		}
	}
	found := f.find(section, option)
	if found == nil {
		return "", false, nil
	}
	value, err = f.interpolate(section, found.value)
	if err == nil {
		err = SelfContained(value)
	}
	if err != nil {
		return "", false, fmt.Errorf("line %d: %w", found.line, err)
	}
	return value, true, nil
}

// find gives the option of a section, or the one that all sections have, or nil. A section that the file does not name
// has no options at all.
func (f File) find(section, option string) *option {
	s := f.sections[section]
	if s == nil {
		return nil
	}
	if found := s.options[option]; found != nil {
		return found
	}
	return f.sections[defaults].options[option]
}

// Format keeps what is in the file out of every text that a File is printed to.
func (f File) Format(w fmt.State, _ rune) { io.WriteString(w, "[airflow.cfg]") }

// Parse reads the text of a file. What Airflow would not start with is an error with the number of the line.
func Parse(text string) (File, error) {
	if len(text) > MaxSize {
		return File{}, fmt.Errorf("found %d bytes, expected at most %d", len(text), MaxSize)
	}
	if err := encoded(text); err != nil {
		return File{}, err
	}
	r := newReader()
	for line := range lines(text) {
		r.number++
		if err := r.read(line); err != nil {
			return File{}, fmt.Errorf("line %d: %w", r.number, err)
		}
	}
	r.endOption()
	return r.file, nil
}
