package pattern

// member is what stands in brackets, and what an escape stands for: a character or a category such as \d.
type member struct {
	letters   letters
	category  bool // which can neither start nor end a range
	character byte // where it is none
}

func character(c byte) member { return member{letters: one(c), character: c} }

// class reads a set in brackets, whose opening one is at start and taken. Neither [:alpha:] nor brackets in brackets mean
// anything to Python. Case is ignored before the set is negated: [^a] takes no A.
func (p *parser) class(start int, ignoreCase bool) (letters, error) {
	negated := p.accept("^")
	var set letters
	for first := true; first || p.next() != "]"; first = false {
		more, err := p.classRange(start)
		if err != nil {
			return letters{}, err
		}
		set = set.plus(more)
	}
	p.take()
	if ignoreCase {
		set = set.foldCase()
	}
	if negated {
		set = set.not()
	}
	return set, nil
}

// classRange reads a character, a range or a category in the brackets that were opened at opening.
func (p *parser) classRange(opening int) (letters, error) {
	start := p.at
	from, err := p.classMember(opening)
	if err != nil || !p.accept("-") {
		return from.letters, err
	}
	if p.next() == "]" { // a hyphen at the end is one
		return from.letters.plus(one('-')), nil
	}
	to, err := p.classMember(opening)
	if err != nil {
		return letters{}, err
	}
	if from.category || to.category || to.character < from.character {
		return letters{}, invalid(start, "bad character range")
	}
	return letters{}.with(from.character, to.character), nil
}

func (p *parser) classMember(opening int) (member, error) {
	start := p.at
	token := p.take()
	switch {
	case token == "":
		return member{}, invalid(opening, "unterminated character set")
	case token == `\b`: // a backspace here, a word's boundary outside
		return character('\b'), nil
	case token[0] == '\\':
		return p.characterEscape(start, token[1])
	}
	return character(token[0]), nil
}
