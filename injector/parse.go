package injector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// The parsers below never know their key. Each error says only what was expected, as the end of "expected ...".

// prefix is where one kind of secrets is found, or that none are wanted.
type prefix struct {
	text string
	off  bool
}

// isNothing says whether no text is left of the prefix before a secret's id.
func (p prefix) isNothing(separator string) bool { return strings.Trim(p.text, separator) == "" }

// secretName is what AWS allows in a secret's name (CreateSecret, parameter Name).
var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`)

func parsePrefix(value string) (prefix, error) {
	switch {
	case value == "none":
		return prefix{off: true}, nil
	case value != "" && (len(value) > 500 || !secretName.MatchString(value)):
		return prefix{}, errors.New("at most 500 of the characters AWS allows in the name of a secret: A-Z a-z 0-9 / _ + = . @ -")
	}
	return prefix{text: value}, nil
}

func parseSeparator(value string) (string, error) {
	if len(value) > 8 || !secretName.MatchString(value) {
		return "", errors.New("1 to 8 of the characters AWS allows in the name of a secret: A-Z a-z 0-9 / _ + = . @ -")
	}
	return value, nil
}

func parseRegion(value string) (string, error) {
	if value != "" && !contract.IsRegion(value) {
		return "", errors.New("an AWS region such as eu-central-1 (a zone such as eu-central-1a is none)")
	}
	return value, nil
}

func parseEndpoint(value string) (string, error) {
	if value != "" && !contract.IsEndpoint(value) {
		return "", errors.New("a URL such as https://vpce-0a1b.secretsmanager.eu-central-1.vpce.amazonaws.com, without user, query and fragment")
	}
	return value, nil
}

func parseRead(value string) (contract.Read, error) {
	if !slices.Contains(contract.Reads(), contract.Read(value)) {
		return "", errors.New("auto, batch or single")
	}
	return contract.Read(value), nil
}

func parseDeliver(value string) (contract.Deliver, error) {
	if !slices.Contains(contract.Deliveries(), contract.Deliver(value)) {
		return "", errors.New("files or env")
	}
	return contract.Deliver(value), nil
}

// maxEntrypoint bounds an entrypoint, in bytes.
const maxEntrypoint = 4096

// plainWord is a word of a command line that no shell would take for anything else.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9/_.,:=@%+-]+$`)

// parseEntrypoint splits at white space, and leaves it at that: words that would need quotes can be written as JSON. A
// dollar sign is refused, since the kubelet would expand it in a pod's command, and leaves it alone in an image's.
func parseEntrypoint(value string) ([]string, error) {
	expected := errors.New(`words with spaces between them, without quotes, or a JSON list such as ["/usr/bin/tini", "--", "/start airflow"], in either case without a dollar sign`)
	words, plain := strings.Fields(value), true
	if strings.HasPrefix(strings.TrimSpace(value), "[") {
		words, plain = nil, false
		if err := json.Unmarshal([]byte(value), &words); err != nil {
			return nil, expected
		}
	}
	wrong := func(word string) bool {
		return word == "" || strings.ContainsAny(word, "$\x00") || !utf8.ValidString(word) || plain && !plainWord.MatchString(word)
	}
	if len(value) > maxEntrypoint || slices.ContainsFunc(words, wrong) {
		return nil, expected
	}
	return words, nil
}

// maxContainers bounds a list that one annotation may give to many pods.
const maxContainers = 50

func parseContainers(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if len(names) == maxContainers || len(validation.IsDNS1123Label(name)) > 0 {
			return nil, errors.New("at most 50 names of containers with commas between them, such as worker,wait-for-airflow-migrations")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func parseImage(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	if _, err := reference.ParseNormalizedNamed(value); err != nil {
		return "", errImage
	}
	return value, nil
}

var errImage = errors.New("an image such as registry.example.com/airflow-secrets-fetcher:1.0.0")

// CheckImage refuses what is no image, as a command's --fetcher-image.
func CheckImage(value string) error {
	if _, err := parseImage(value); err != nil || value == "" {
		return fmt.Errorf("--fetcher-image is %q, expected %w", value, errImage)
	}
	return nil
}

func parseFileMode(value string) (contract.FileMode, error) {
	bits, err := strconv.ParseUint(value, 8, 16)
	if mode := fs.FileMode(bits); err != nil || mode&0o400 == 0 || mode&^0o644 != 0 {
		return 0, errors.New("an octal mode that the owner can read and others cannot write or execute, such as 0444 or 0440")
	}
	return contract.FileMode(bits), nil
}

// The bounds of timeout: Airflow's scheduler gives up a task that is queued for ten minutes ([scheduler]
// task_queued_timeout).
const (
	minTimeout = time.Second
	maxTimeout = 10 * time.Minute
)

func parseTimeout(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < minTimeout || d > maxTimeout {
		return 0, errors.New("a duration from 1s to 10m, such as 90s or 2m")
	}
	return d, nil
}

// maxKey bounds the name part of an annotation's key (Kubernetes' qualified names); the API server checks it after us.
const maxKey = 63

const noneNear = ": docs/annotations.md of airflow-secrets lists them"

// nearest is the end of a sentence that names the known key a wrong one was meant to be, if one is close.
func nearest(key string) string {
	best, distance := "", 1+max(2, len(key)/3)
	if key == "" || len(key) > maxKey {
		return noneNear
	}
	for _, r := range table {
		if r.key == statusKey {
			continue // ours to set
		}
		d := levenshtein.Distance(strings.ToLower(key), r.key, nil)
		if strings.HasPrefix(r.key, key) {
			d = 1 // the start of a key is close, however much is missing
		}
		if d < distance {
			best, distance = r.key, d
		}
	}
	if best == "" {
		return noneNear
	}
	return fmt.Sprintf(": did you mean %s%s?", Prefix, best)
}
