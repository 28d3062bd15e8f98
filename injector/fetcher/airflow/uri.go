package airflow

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkURI is rule 7: what is no JSON object is delivered as it is, stripped, for Airflow to take it apart as a URI. It
// is a mistake where that raises, in any of the Python versions that Airflow runs on: they differ in what they take for
// a scheme, so both ways are tried.
//
// Source: Connection._parse_from_uri of airflow/models/connection.py. Most texts pass: "foo" is a path.
func checkURI(uri string) error {
	if n := strings.Count(uri, "://"); n > 2 {
		return malformed("the URI has :// %d times, expected it twice at most", n)
	}
	if err := parseURI(uri, schemeOfLetterFirst); err != nil {
		return err
	}
	return parseURI(uri, schemeOfAnyFirst)
}

// parseURI takes a URI apart as _parse_from_uri does, and keeps nothing but the mistake.
func parseURI(uri string, isScheme func(string) bool) error {
	parts, err := urlsplit(uri, isScheme)
	if err != nil {
		return err
	}
	hostHasProtocol, instead := strings.Count(uri, "://") == 2, "//"
	if hostHasProtocol {
		instead = ""
	}
	rest := strings.ReplaceAll(uri, parts.scheme+"://", instead)
	if protocol, _, _ := strings.Cut(rest, "://"); hostHasProtocol && strings.ContainsAny(protocol, "@:") {
		return malformed("the URI has a login before the second ://, expected it after that: type://protocol://login:password@host")
	}
	if parts, err = urlsplit(rest, isScheme); err != nil {
		return err
	}
	if err := checkPort(parts.netloc); err != nil {
		return err
	}
	return checkQuery(parts.query)
}

// urlParts are the parts of a URL that can hold a mistake.
type urlParts struct{ scheme, netloc, query string }

// urlsplit is urlsplit of Python's urllib/parse.py.
func urlsplit(url string, isScheme func(string) bool) (urlParts, error) {
	var parts urlParts
	url = strings.TrimLeftFunc(url, func(r rune) bool { return r <= ' ' })
	url = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(url)
	if before, after, found := strings.Cut(url, ":"); found && isScheme(before) {
		parts.scheme, url = strings.ToLower(before), after
	}
	if after, found := strings.CutPrefix(url, "//"); found {
		end := strings.IndexAny(after+"/", "/?#")
		parts.netloc, url = after[:end], after[end:]
	}
	url, _, _ = strings.Cut(url, "#")
	_, parts.query, _ = strings.Cut(url, "?")
	if err := checkBrackets(parts.netloc); err != nil {
		return urlParts{}, err
	}
	return parts, checkNormalized(parts.netloc)
}

// schemeOfLetterFirst tells what Python 3.11 and later take for a scheme.
func schemeOfLetterFirst(s string) bool {
	return schemeOfAnyFirst(s) && strings.IndexByte("0123456789+-.", s[0]) < 0
}

// schemeOfAnyFirst tells what Python up to 3.10 takes for a scheme.
func schemeOfAnyFirst(s string) bool {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."
	return s != "" && strings.Trim(s, characters) == ""
}

var futureAddress = regexp.MustCompile(`^v[a-fA-F0-9]+\..+$`)

// checkBrackets refuses what any version of Python refuses of square brackets: one without the other, and from 3.11 on
// anything but an IPv6 address between them. Some versions look at the first ones, be they in the login or the
// password, others at those of the host, before which then nothing may stand and after which only a port.
//
// Source: urlsplit, _check_bracketed_netloc and _check_bracketed_host of urllib/parse.py.
func checkBrackets(netloc string) error {
	open, closed := strings.Contains(netloc, "["), strings.Contains(netloc, "]")
	if !open && !closed {
		return nil
	}
	_, first, _ := strings.Cut(netloc, "[")
	first, _, _ = strings.Cut(first, "]")

	before, bracketed, _ := strings.Cut(netloc[strings.LastIndex(netloc, "@")+1:], "[")
	host, after, _ := strings.Cut(bracketed, "]")
	portFollows := after == "" || after[0] == ':'

	if open && closed && before == "" && portFollows && isBracketedHost(first) && isBracketedHost(host) {
		return nil
	}
	return malformed("the URI has square brackets that are not around an IPv6 address; in a login or password write [ as %%5B and ] as %%5D")
}

// isBracketedHost is _check_bracketed_host: an IPv6 address as Python's ipaddress reads it, or one of a future version.
func isBracketedHost(host string) bool {
	if strings.HasPrefix(host, "v") {
		return futureAddress.MatchString(host)
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is6() && strings.Count(host, "%") < 2
}

// normalized are the characters that compatibility normalisation (NFKC) turns into something with one of / ? # @ : in it.
// They are all there are, in every version of Unicode from 12 to 17.
const normalized = "\u2047\u2048\u2049\u2100\u2101\u2105\u2106\u2a74\ufe13\ufe16\ufe55\ufe56\ufe5f\ufe6b\uff03\uff0f\uff1a\uff1f\uff20"

// checkNormalized refuses a character that would end the host if it were normalised. Two characters that are put
// together never make one, so that each can be looked at alone.
//
// Source: _checknetloc of urllib/parse.py.
func checkNormalized(netloc string) error {
	if strings.ContainsAny(netloc, normalized) {
		return malformed("the URI has a character before its path that Unicode takes for one of / ? # @ :, expected it as %%XX")
	}
	return nil
}

// checkPort refuses a port that is not decimal digits, or more than 65535.
//
// Source: the property port of urllib/parse.py, in its strictest form, that of Python 3.10 and later.
func checkPort(netloc string) error {
	host := netloc[strings.LastIndex(netloc, "@")+1:]
	if _, bracketed, found := strings.Cut(host, "["); found {
		_, host, _ = strings.Cut(bracketed, "]")
	}
	_, port, _ := strings.Cut(host, ":")
	if port == "" {
		return nil
	}
	digits := strings.Trim(port, "0123456789") == ""
	if number, err := strconv.Atoi(port); !digits || err != nil || number > 65535 {
		return malformed("the URI's port is not a number from 0 to 65535; in a password write / as %%2F, # as %%23 and ? as %%3F")
	}
	return nil
}

// checkQuery refuses a query that Airflow cannot make an extra of: __extra__ must be a JSON object, and every other
// value is tried as JSON by Airflow 3.1 and later, which passes over a mistake in it but not over a limit of Python.
//
// Source: Connection._parse_from_uri of airflow/models/connection.py.
func checkQuery(query string) error {
	values := parseQuery(query)
	if extra, found := values["__extra__"]; found {
		return checkExtra("__extra__", []rune(extra))
	}
	for _, key := range slices.Sorted(maps.Keys(values)) { // in order, so that the same value gives the same sentence
		if _, err := parseJSON(values[key]); isLimit(err) {
			return malformed("a value of the URI's query is more than Python reads: %v", err)
		}
	}
	return nil
}

// parseQuery is dict(parse_qsl(query, keep_blank_values=True)): of a key that comes twice the last value counts.
func parseQuery(query string) map[string]string {
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); pair != "" {
			values[unquotePlus(key)] = unquotePlus(value)
		}
	}
	return values
}

// unquotePlus is unquote_plus: unquote, with a space for each plus.
func unquotePlus(s string) string { return string(unquote([]rune(strings.ReplaceAll(s, "+", " ")))) }
