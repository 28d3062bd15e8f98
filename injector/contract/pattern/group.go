package pattern

import "strings"

// group reads what an opening parenthesis, at start and taken, begins. A comment and flags for the whole pattern give an
// empty piece.
func (p *parser) group(start int, ignoreCase bool) (piece, error) {
	if !p.accept("?") {
		return p.capture(start, "", ignoreCase)
	}
	switch extension := p.take(); extension {
	case "":
		return piece{}, invalid(p.at, "nothing after (?")
	case ":":
		return p.body(start, ignoreCase)
	case "P":
		return p.named(start, ignoreCase)
	case "#":
		return piece{}, p.comment(start)
	case "=", "!":
		return piece{}, cannotFollow("look-ahead (?" + extension)
	case "<":
		if behind := p.next(); behind == "=" || behind == "!" {
			return piece{}, cannotFollow("look-behind (?<" + behind)
		}
		return piece{}, invalid(start+1, "unknown extension (?<, where a named group is (?P<name>...)")
	case "(":
		return piece{}, cannotFollow("conditionals (?(")
	case ">":
		return piece{}, cannotFollow("atomic groups (?>")
	case "-", "a", "i", "m", "s", "u", "L", "x":
		return p.flagged(start, extension, ignoreCase)
	}
	return piece{}, invalid(start+1, "unknown extension after (?")
}

// body reads what a group holds and its closing parenthesis.
func (p *parser) body(start int, ignoreCase bool) (piece, error) {
	if p.depth == maxDepth {
		return piece{}, errTooDeep
	}
	p.depth++
	defer func() { p.depth-- }()
	p.begun = true
	inside, err := p.alternatives(ignoreCase)
	if err != nil {
		return piece{}, err
	}
	if !p.accept(")") {
		return piece{}, invalid(start, "a group without its closing parenthesis")
	}
	return inside, nil
}

// capture reads a group that can be referred to.
func (p *parser) capture(start int, name string, ignoreCase bool) (piece, error) {
	p.groups = append(p.groups, false)
	number := len(p.groups)
	if name != "" {
		p.names[name] = number
	}
	inside, err := p.body(start, ignoreCase)
	if err != nil {
		return piece{}, err
	}
	p.groups[number-1] = true
	return inside, nil
}

// named reads on after (?P.
func (p *parser) named(start int, ignoreCase bool) (piece, error) {
	switch p.take() {
	case "<":
		at := p.at
		name, err := p.name(">")
		if err != nil {
			return piece{}, err
		}
		if p.names[name] != 0 {
			return piece{}, invalid(at, "a name that another group has")
		}
		return p.capture(start, name, ignoreCase)
	case "=":
		at := p.at
		name, err := p.name(")")
		if err != nil {
			return piece{}, err
		}
		if p.names[name] == 0 {
			return piece{}, invalid(at, "reference to a group that is not there")
		}
		return piece{}, p.referTo(p.names[name], at)
	case "":
		return piece{}, invalid(p.at, "nothing after (?P")
	}
	return piece{}, invalid(start+1, "unknown extension after (?P")
}

// name reads the name of a group, which is an identifier of Python.
func (p *parser) name(terminator string) (string, error) {
	start := p.at
	for p.next() != terminator {
		if p.take() == "" {
			return "", invalid(start, "a name of a group without its end")
		}
	}
	name := p.text[start:p.at]
	p.take()
	for i := range len(name) {
		if !word.has(name[i]) {
			return "", invalid(start, "a name of a group with other characters than letters, digits and _")
		}
	}
	if name == "" || digit.has(name[0]) {
		return "", invalid(start, "a name of a group that does not start with a letter or _")
	}
	return name, nil
}

// comment reads up to a closing parenthesis that has no backslash before it.
func (p *parser) comment(start int) error {
	for {
		switch p.take() {
		case ")":
			return nil
		case "":
			return invalid(start, "a comment without its end")
		}
	}
}

// flagged reads on after the first of the flags, or after the hyphen before it: (?flags) is for the whole pattern,
// (?flags-flags:...) for what it holds. Of the flags only i makes a difference, since ids are ASCII and of one line.
func (p *parser) flagged(start int, first string, ignoreCase bool) (piece, error) {
	p.at -= len(first)
	on, err := p.flags(")-:")
	if err != nil {
		return piece{}, err
	}
	if p.accept(")") {
		return piece{}, p.setForAll(start, on)
	}
	off := ""
	if p.accept("-") {
		if off, err = p.flagsOff(on); err != nil {
			return piece{}, err
		}
	}
	p.take()
	ignoreCase = ignoreCase && !strings.Contains(off, "i") || strings.Contains(on, "i")
	return p.body(start, ignoreCase)
}

// flags reads flags up to one of the characters that may end them, which it leaves.
func (p *parser) flags(ends string) (string, error) {
	start := p.at
	for {
		token := p.next()
		switch {
		case token == "x":
			return "", errVerbose
		case token == "L":
			return "", invalid(p.at+1, "the flag L, which is for bytes")
		case token != "" && strings.Contains(ends, token):
			return p.text[start:p.at], checkCodings(p.at, p.text[start:p.at])
		case token == "" || !strings.Contains("aimsu", token):
			return "", invalid(p.at, "flags that are not known or have no end")
		}
		p.take()
	}
}

func checkCodings(at int, flags string) error {
	if strings.Contains(flags, "a") && strings.Contains(flags, "u") {
		return invalid(at, "the flags a and u together")
	}
	return nil
}

// flagsOff reads what follows the hyphen.
func (p *parser) flagsOff(on string) (string, error) {
	off, err := p.flags(":")
	switch {
	case err != nil:
		return "", err
	case off == "":
		return "", invalid(p.at, "no flags after the hyphen")
	case strings.ContainsAny(off, "au"):
		return "", invalid(p.at, "the flags a or u turned off, which cannot be")
	case strings.ContainsAny(off, on):
		return "", invalid(p.at, "a flag turned on and off at once")
	}
	return off, nil
}

// setForAll is for flags of the whole pattern. Case is ignored already.
func (p *parser) setForAll(start int, on string) error {
	if p.begun {
		return invalid(start, "flags for the whole pattern that are not at its start")
	}
	p.forAll += on
	return checkCodings(p.at, p.forAll)
}
