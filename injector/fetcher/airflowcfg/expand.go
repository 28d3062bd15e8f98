package airflowcfg

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxDepth is how deep the values of options may refer to each other: configparser.MAX_INTERPOLATION_DEPTH.
const maxDepth = 10

// interpolation makes a value as configparser.BasicInterpolation does: %% is a percent sign, %(name)s is the value of
// another option, and any other % an error.
type interpolation struct {
	file    File
	section string
	made    strings.Builder
	left    int // bytes that may still be gone through: ten levels of a few references each can make gigabytes
}

func (f File) interpolate(section, value string) (string, error) {
	i := interpolation{file: f, section: section, left: MaxSize}
	if err := i.add(value, 1); err != nil {
		return "", err
	}
	return i.made.String(), nil
}

func (i *interpolation) add(text string, depth int) error {
	if i.left -= len(text); i.left < 0 {
		return fmt.Errorf("found references %%(name)s that make more than %d bytes: write the value out", MaxSize)
	}
	for {
		plain, rest, found := strings.Cut(text, "%")
		i.made.WriteString(plain)
		switch {
		case !found:
			return nil
		case depth > maxDepth:
			return fmt.Errorf("found references %%(name)s that go more than %d options deep: write the value out", maxDepth)
		case strings.HasPrefix(rest, "%"):
			i.made.WriteByte('%')
			text = rest[1:]
			continue
		}
		name, rest, err := reference(rest)
		if err != nil {
			return err
		}
		other := i.file.find(i.section, name)
		if other == nil {
			return fmt.Errorf("found a reference %%(name)s to an option that is neither in [%s] nor in [%s]: write the value out, and %%%% for a percent sign", i.section, defaults)
		}
		if err := i.add(other.value, depth+1); err != nil {
			return err
		}
		text = rest
	}
}

// reference gives the name in what follows a %, and what follows it in turn.
func reference(text string) (name, rest string, err error) {
	inside, opened := strings.CutPrefix(text, "(")
	name, rest, _ = strings.Cut(inside, ")")
	rest, closed := strings.CutPrefix(rest, "s")
	if !opened || !closed || name == "" {
		return "", "", errors.New("found a % that starts neither %% nor %(name)s: write %% for a percent sign")
	}
	return name, rest, nil
}

// variable is what os.path.expandvars replaces. In ${} there is no name, so it stays.
var variable = regexp.MustCompile(`\$(?:([0-9A-Za-z_]+)|\{([^}]+)\})`)

// conventional is how people name environment variables.
var conventional = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// SelfContained refuses a value that Airflow would look up in its own environment (its expand_env_var). Airflow leaves a
// $NAME as it is where it has no such variable, which cannot be known here either.
//
// What follows a $ may also be the rest of a password. So it is told only where it looks like a variable.
func SelfContained(value string) error {
	if strings.HasPrefix(value, "~") {
		return errors.New("found a ~ at the start, which Airflow replaces by a home directory of its own container: write the value out")
	}
	found := variable.FindStringSubmatch(value)
	if found == nil {
		return nil
	}
	what := "an environment variable behind a $"
	if name := found[1] + found[2]; conventional.MatchString(name) {
		what = "the environment variable " + name
	}
	return fmt.Errorf("found %s, which only Airflow's own container has: write the value out", what)
}
