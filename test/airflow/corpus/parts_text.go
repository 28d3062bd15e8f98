package corpus

// textSlots are five pieces that mean something to a parser of URIs or JSON, in any order.
func textSlots() []slot {
	pieces := []part{
		{"colon", ":"}, {"slash", "/"}, {"slashes", "//"}, {"protocol", "://"}, {"at", "@"}, {"question-mark", "?"}, {"hash", "#"},
		{"percent", "%"}, {"escape", "%2F"}, {"and", "&"}, {"equals", "="}, {"plus", "+"},
		{"word", "hunter2"}, {"upper-case", "ABC"}, {"digits", "80"}, {"not-ascii", "é"}, {"line-feed", "\n"}, {"tab", "\t"}, {"space", " "},
		{"nul", "\x00"}, {"escaped-byte", "%FF"}, {"quote", `"`}, {"backslash", `\`}, {"wide-space", "\u3000"}, {"zero-width-space", "\u200b"},
	}
	rare := []part{{"open", "["}, {"closed", "]"}, {"address", "[::1]"}, {"brace", "{"}, {"empty-object", "{}"}, {"normalises", "\u2100"},
		{"extra", "?__extra__="}, {"null", "null"}}
	var slots []slot
	for _, name := range []string{"first", "second", "third", "fourth", "fifth"} {
		slots = append(slots, slot{name: name, plain: []part{{"a", "a"}, {"nothing", ""}, {"http", "http"}}, nasty: pieces, rare: rare})
	}
	slots[0].plain = []part{{"a", "a"}, {"http", "http"}} // no value is empty: AWS keeps none
	return slots
}

func composeText(t map[string]string) string {
	return t["first"] + t["second"] + t["third"] + t["fourth"] + t["fifth"]
}

// variableSlots are what a variable may start with, hold and end with.
func variableSlots() []slot {
	around := []part{
		{"space", " "}, {"line-feed", "\n"}, {"crlf", "\r\n"}, {"tab", "\t"}, {"no-break-space", "\u00a0"}, {"byte-order-mark", "\ufeff"},
		{"nul", "\x00"}, {"separator", "\x1f"}, {"quote", `"`}, {"backslash", `\`}, {"line-separator", "\u2028"},
	}
	return []slot{
		{name: "before", plain: []part{{"nothing", ""}}, nasty: around},
		{name: "text", plain: []part{{"word", "hunter2"}}, nasty: []part{
			{"true", "true"}, {"number", "123"}, {"null", "null"}, {"array", `["a", 1.10]`}, {"object", `{"b": 1, "a": "\ud800", "b": NaN}`},
			{"string", `"hunter2"`}, {"pem", "-----BEGIN KEY-----\r\nMIIhunter2\r\n-----END KEY-----"}, {"uri", "postgres://a:hunter2@b"},
			{"template", "{{ var.value.x }} $(HOME) %(here)s"}, {"url-encoded", "a%40b+c"},
			{"not-ascii", "größe"}, {"emoji", "😀"}, {"last-character", "\U0010ffff"}, {"not-a-character", "\ufffe"}, {"right-to-left", "\u202eabc"},
			{"combining", "e\u0301"}, {"control-characters", "\x01\x02\x1b[0m\x7f\u0085"}, {"lines", "a\nb\n\nc"}, {"empty-object", "{}"},
			{"escape", `\u00e9\n`},
		}},
		{name: "after", plain: []part{{"nothing", ""}}, nasty: around},
	}
}

func composeVariable(t map[string]string) string { return t["before"] + t["text"] + t["after"] }
