package fakeaws_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// parityCase is a sequence of requests to an AWS that is empty at first.
type parityCase struct {
	Case string
	// Roles is account → the roles that are declared there before.
	Roles map[string][]fakeaws.Role
	Steps []step
}

// step is one request.
type step struct {
	Call string // the operation
	How  string // tells steps of one operation apart
	With map[string]any
	// As names the answer, for later steps: in With, "{name.path}" stands for a field of it.
	As string
	// Signer is who calls: the parity account, or the session in the answer of that name, or one of the signers below.
	Signer string
	Region string // eu-central-1 if empty
}

// The signers that are no session.
const (
	unsigned      = "nobody"
	unknownSigner = "a key that nobody has"
)

func (s step) name() string { return strings.TrimSpace(s.Call + " " + s.How) }

func readCases(t *testing.T) []parityCase {
	t.Helper()
	var cases []parityCase
	readYAML(t, "testdata/requests.yaml", &cases)
	for _, c := range cases {
		for i, s := range c.Steps {
			if slices.ContainsFunc(c.Steps[:i], func(earlier step) bool { return earlier.name() == s.name() }) {
				t.Fatalf("testdata/requests.yaml: case %q has two steps %q, expected a how that tells them apart", c.Case, s.name())
			}
		}
	}
	return cases
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
}

// run sends the requests to an endpoint. The result is step name → normalised answer.
func (c parityCase) run(t *testing.T, endpoint string) map[string]fields {
	t.Helper()
	out := map[string]fields{}
	answers := map[string]any{} // name → what the endpoint answered
	for i, s := range c.Steps {
		status, body := s.send(t, endpoint, i, answers)
		if s.As != "" {
			answers[s.As] = body
		}
		out[s.name()] = fields{"status": strconv.Itoa(status)}
		out[s.name()].add("", plainError(body))
	}
	return out
}

// send makes the request and gives the answer's status and its body, decoded.
func (s step) send(t *testing.T, endpoint string, number int, answers map[string]any) (int, any) {
	t.Helper()
	r := s.request(t, endpoint, number, answers)
	client := &http.Client{Timeout: time.Minute}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", s.name(), err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: reading the answer: %v", s.name(), err)
	}
	var body any
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		body, err = decodeXML(text)
	} else {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		t.Fatalf("%s: the answer is neither JSON nor XML: %q", s.name(), text)
	}
	return answer.StatusCode, body
}

func (s step) request(t *testing.T, endpoint string, number int, answers map[string]any) *http.Request {
	t.Helper()
	with, _ := expand(t, s.With, answers).(map[string]any)
	service, body, contentType := "secretsmanager", "", "application/x-amz-json-1.1"
	if strings.Contains(s.Call, "Role") || s.Call == "GetCallerIdentity" {
		service, contentType = "sts", "application/x-www-form-urlencoded"
		form := url.Values{"Action": {s.Call}, "Version": {"2011-06-15"}}
		for key, value := range with {
			form.Set(key, fmt.Sprint(value))
		}
		body = form.Encode()
	} else {
		text, err := json.Marshal(withToken(s.Call, with, number))
		if err != nil {
			t.Fatalf("%s: %v", s.name(), err)
		}
		body = string(text)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if service == "secretsmanager" {
		r.Header.Set("X-Amz-Target", "secretsmanager."+s.Call)
	}
	s.sign(t, r, service, answers)
	return r
}

// withToken adds the ClientRequestToken that every SDK sends on its own. It becomes the id of the version.
func withToken(operation string, with map[string]any, number int) map[string]any {
	out := map[string]any{}
	if operation == "CreateSecret" || operation == "PutSecretValue" {
		out["ClientRequestToken"] = fmt.Sprintf("%s%012d", tokenPrefix, number)
	}
	for key, value := range with {
		out[key] = value
	}
	return out
}

const tokenPrefix = "00000000-0000-4000-8000-"

// sign writes the header of a signature. Neither end checks the signature itself.
func (s step) sign(t *testing.T, r *http.Request, service string, answers map[string]any) {
	t.Helper()
	key, region := parityKey, s.Region
	if region == "" {
		region = "eu-central-1"
	}
	switch s.Signer {
	case unsigned:
		return
	case unknownSigner:
		key = "AKIANOBODY"
	case "":
	default:
		credentials := s.Signer + ".AssumeRoleResponse.AssumeRoleResult.Credentials."
		key = lookUp(t, answers, credentials+"AccessKeyId")
		r.Header.Set("X-Amz-Security-Token", lookUp(t, answers, credentials+"SessionToken"))
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", key, region, service))
}

// expand replaces "{name.path}" in every text by that field of an earlier answer, and "{x*3}" by "xxx".
func expand(t *testing.T, value any, answers map[string]any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range value {
			out[key] = expand(t, inner, answers)
		}
		return out
	case []any:
		out := []any{}
		for _, inner := range value {
			out = append(out, expand(t, inner, answers))
		}
		return out
	case string:
		return reference.ReplaceAllStringFunc(value, func(found string) string {
			found = strings.Trim(found, "{}")
			if text, times, ok := strings.Cut(found, "*"); ok {
				n, _ := strconv.Atoi(times)
				return strings.Repeat(text, n)
			}
			return lookUp(t, answers, found)
		})
	}
	return value
}

var reference = regexp.MustCompile(`\{(\w+(\.\w+)+|\w+\*\d+)\}`)

// lookUp follows a path such as "page.SecretList.0.ARN" into an earlier answer.
func lookUp(t *testing.T, answers map[string]any, path string) string {
	t.Helper()
	var value any = answers
	for key := range strings.SplitSeq(path, ".") {
		switch at := value.(type) {
		case map[string]any:
			value = at[key]
		case []any:
			if i, err := strconv.Atoi(key); err == nil && i < len(at) {
				value = at[i]
			}
		}
	}
	text, ok := value.(string)
	if !ok {
		t.Fatalf("{%s} is no text in the answers so far", path)
	}
	return text
}

// decodeXML is element name → text or inner elements, each name occurring once.
func decodeXML(text []byte) (any, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var inner func() (any, error)
	inner = func() (any, error) {
		elements, text := map[string]any{}, ""
		for {
			token, err := decoder.Token()
			if err == io.EOF {
				return elements, nil
			}
			if err != nil {
				return nil, err
			}
			switch token := token.(type) {
			case xml.StartElement:
				if elements[token.Name.Local], err = inner(); err != nil {
					return nil, err
				}
			case xml.CharData:
				text += string(token)
			case xml.EndElement:
				if len(elements) == 0 {
					return text, nil
				}
				return elements, nil
			}
		}
	}
	return inner()
}
