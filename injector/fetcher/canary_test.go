package fetcher_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// canary is part of every secret's value here. It looks different in each way to escape a text.
const canary = `c4n4ry "p/w+d" ü%41 <&>`

// What else is secret here: the keys that the pod has.
const (
	canaryKey   = "k3ycan4ry/secret+access=key"
	canaryToken = "t0k3ncan4ry//session+token=="
)

// forms are the ways in which a secret text might slip out. Base64 has three, by where in a text the secret starts.
func forms(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	start := secret[:6] // which only encodings change
	all := map[string]string{
		"plain": secret, "its start": start,
		"JSON-escaped": strings.Trim(string(quoted), `"`), "JSON in ASCII": strings.Trim(strconv.QuoteToASCII(secret), `"`),
		"quoted by Go": strings.Trim(fmt.Sprintf("%q", secret), `"`), "HTML-escaped": html.EscapeString(secret),
		"URL-escaped": url.QueryEscape(secret), "path-escaped": url.PathEscape(secret),
		"hex": fmt.Sprintf("%x", start), "upper-case hex": fmt.Sprintf("%X", start), "bytes": strings.Trim(fmt.Sprint([]byte(start)), "[]"),
	}
	for shift := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64 for URLs": base64.URLEncoding} {
			text := encoding.EncodeToString([]byte(strings.Repeat("_", shift) + secret))
			all[fmt.Sprintf("%s, shifted by %d", name, shift)] = text[4 : len(text)-4]
		}
	}
	return all
}

func TestNoSecretSlipsOut(t *testing.T) {
	good := map[string]string{
		"airflow/connections/uri":  "postgres://user:" + url.QueryEscape(canary) + "@db/x",
		"airflow/connections/json": `{"conn_type":"http","password":` + string(must(json.Marshal(canary))) + `}`,
		"airflow/variables/text":   canary,
		"airflow/variables/base64": base64.StdEncoding.EncodeToString([]byte(canary)),
	}
	tests := map[string]struct {
		bad    map[string]string // further secrets
		change func(t *testing.T, p *pod)
		fails  bool
	}{
		"success": {},
		"binary ones": {change: func(_ *testing.T, p *pod) {
			p.own.Put(region, fakeaws.Secret{Name: "airflow/variables/binary", Binary: []byte(canary)})
		}},
		"malformed ones": {bad: map[string]string{
			"airflow/connections/m1": `{"password": "` + canary, "airflow/connections/m2": `{"port": "` + url.QueryEscape(canary) + `"}`,
			"airflow/connections/m3": canary, "airflow/connections/m4": "x://u:" + canary + "@h:99999/", "airflow/connections/m5": `[` + string(must(json.Marshal(canary))) + `]`,
			"airflow/connections/m6": `{"extra": ` + string(must(json.Marshal(canary))) + `}`, "airflow/connections/m7": `{"c4n4ry": 1, "login": {"c4n4ry": 2}}`,
			"airflow/connections/m8": "://c4n4ry:c4n4ry@", "airflow/connections/m9": "http://h:c4n4ry/", "airflow/variables/m10": "\xff" + canary,
			"airflow/connections/m11": "a://c4n4ry:c4n4ry@h://[c4n4ry", "airflow/connections/m12": "a://h?__extra__=" + url.QueryEscape(canary),
			"airflow/connections/m13": `{"conn_type": ["-", ` + string(must(json.Marshal(canary))) + `]}`, "airflow/connections/m14": `{"c4n4ry": c4n4ry}`,
			"airflow/connections/m15": "a://[c4n4ry]@h", "airflow/connections/m16": `{"password": "c4n4ry \\c4n4ry"}`,
		}},
		"single reads":      {change: func(_ *testing.T, p *pod) { p.config.Read = contract.ReadSingle }},
		"batches denied":    {change: func(_ *testing.T, p *pod) { p.own.Deny("BatchGetSecretValue") }},
		"every read denied": {change: func(_ *testing.T, p *pod) { p.own.Deny("GetSecretValue") }, fails: true},
		"reads throttled": {change: func(_ *testing.T, p *pod) {
			p.aws.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Throttle})
		}, fails: true},
		"reads that hang": {change: func(_ *testing.T, p *pod) {
			p.aws.Order(fakeaws.Trouble{Operation: "BatchGetSecretValue", Effect: fakeaws.Hang})
		}, fails: true},
		"too much to write": {change: func(_ *testing.T, p *pod) { p.fill(45, strings.Repeat("\u007f", 65000)+canary) }, fails: true},
		"too much to fetch": {change: func(_ *testing.T, p *pod) { p.fill(130, strings.Repeat("x", 65000)+canary) }, fails: true},
		"a folder in the way": {change: func(_ *testing.T, p *pod) {
			os.MkdirAll(filepath.Join(p.config.Directory, contract.ConnectionsFile), 0o755)
		}, fails: true},
		"a key in a wrong place": {change: func(_ *testing.T, p *pod) {
			p.config.TakeOver = &contract.TakeOver{}
			p.environ = []string{"AIRFLOW__SECRETS__BACKEND=" + canary}
		}, fails: true},
		"keys in kwargs": {change: func(_ *testing.T, p *pod) {
			p.config.TakeOver = &contract.TakeOver{}
			p.environ = []string{"AIRFLOW__SECRETS__BACKEND=" + contract.SecretsManagerBackend,
				`AIRFLOW__SECRETS__BACKEND_KWARGS={"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "` + canaryKey + `"}`}
		}},
		"kwargs that are none": {change: func(_ *testing.T, p *pod) {
			p.config.TakeOver = &contract.TakeOver{}
			p.environ = []string{"AIRFLOW__SECRETS__BACKEND=" + contract.SecretsManagerBackend, "AIRFLOW__SECRETS__BACKEND_KWARGS={" + canaryKey}
		}, fails: true},
		"an airflow.cfg that cannot be read": {change: func(t *testing.T, p *pod) {
			p.config.TakeOver = &contract.TakeOver{ConfigFile: filepath.Join(t.TempDir(), "airflow.cfg")}
			text := "[secrets]\nbackend = " + contract.SecretsManagerBackend + "\nbackend_kwargs = {\"" + canaryKey + "\": \"" + canaryToken + "\"}\n" + canaryKey + "\n"
			if err := os.WriteFile(p.config.TakeOver.ConfigFile, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}, fails: true},
		"files": {change: func(_ *testing.T, p *pod) {
			p.put("team/ca", `{"pem": "`+canaryKey+`"}`)
			p.config.Accounts[0].Files = []contract.File{{Path: "ca.pem", Secret: "team/ca", Key: "pem"}, {Path: "bad", Secret: "airflow/variables/text", Key: "pem"}}
		}, fails: true},
		"variables": {bad: map[string]string{
			"airflow/variables/nul": canary + "\x00" + canary, "airflow/variables/a=b": canary, "airflow/variables/a-b": canary, "airflow/connections/m1": `{"password": "` + canary,
			"airflow/connections/long": `{"password": "` + strings.Repeat("☃", 20_000) + "c4n4ry" + `"}`,
		}, change: func(t *testing.T, p *pod) { p.byEnv(t) }},
		"variables of one name": {bad: map[string]string{"airflow/variables/TEXT": canary}, change: func(t *testing.T, p *pod) { p.byEnv(t) }, fails: true},
		"too many variables":    {change: func(t *testing.T, p *pod) { p.byEnv(t); p.fill(40, strings.Repeat("x", 65000)+canary) }, fails: true},
		"no program to copy":    {change: func(t *testing.T, p *pod) { p.byEnv(t); os.Remove(p.program) }, fails: true},
		"an option that Airflow would expand": {bad: map[string]string{"airflow/config/from": canary + " $C4N4RY ${c4n4ry}"}, change: func(t *testing.T, p *pod) {
			p.byEnv(t)
			p.config.Options = []contract.Option{{Section: "email", Key: "from_email", ID: "from"}}
			p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"from"}}
		}, fails: true},
		"an option in the way":  {change: hiddenOption("core", "fernet_key"), fails: true},
		"an option that yields": {change: hiddenOption("email", "from_email")},
		"a key AWS rejects":     {change: func(t *testing.T, _ *pod) { t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN") }, fails: true},
		"an endpoint with a password": {change: func(t *testing.T, p *pod) {
			p.config.Accounts[0].EndpointURL = ""
			t.Setenv("AWS_ENDPOINT_URL", "ftp://user:"+canaryKey+"@h")
		}, fails: true},
		"a token AWS rejects":        {change: func(_ *testing.T, p *pod) { p.instead = nil }, fails: true},
		"a token no header can hold": {change: func(t *testing.T, _ *pod) { t.Setenv("AWS_SESSION_TOKEN", canaryToken+"\n") }, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newCanaryPod(t)
			for _, secrets := range []map[string]string{good, test.bad} {
				for name, value := range secrets {
					p.put(name, value)
				}
			}
			if test.change != nil {
				test.change(t, p)
			}
			err := p.run(t)
			if failed := err != nil; failed != test.fails {
				t.Fatalf("error is %v, expected one: %v", err, test.fails)
			}
			p.expectNoCanary(t, err)
		})
	}
}

// hiddenOption asks for an option that envFrom sets as well.
func hiddenOption(section, key string) func(t *testing.T, p *pod) {
	return func(t *testing.T, p *pod) {
		p.byEnv(t)
		p.put("airflow/config/key", "c4n4ry")
		p.config.TakeOver = &contract.TakeOver{}
		p.config.Options = []contract.Option{{Section: section, Key: key, ID: "key"}}
		p.config.Accounts[0].Config = &contract.Names{Prefix: "airflow/config", IDs: []string{"key"}}
		p.environ = []string{p.config.Options[0].Env() + "=" + canaryKey}
	}
}

// What exec says of a file that it cannot use, or a command that it cannot start, shows none of the variables.
func TestExecShowsNoSecret(t *testing.T) {
	p := newCanaryPod(t)
	p.byEnv(t)
	p.put("airflow/connections/uri", "postgres://user:"+url.QueryEscape(canary)+"@db/x")
	p.put("airflow/variables/text", strings.Repeat(canary, 3000))
	if err := p.run(t); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(p.config.ExecDirectory, contract.EnvFile)
	text, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	none, folder := filepath.Join(t.TempDir(), "none"), t.TempDir()
	for name, args := range map[string]struct {
		content []byte
		file    string
		command []string
	}{
		"not there": {nil, whole, []string{none}}, "a folder": {nil, whole, []string{folder}}, "not in PATH": {nil, whole, []string{"no-such-command"}},
		"too much":    {slices.Concat(text, []byte("X='"+strings.Repeat(canary, 10_000)+"'\n")), broken, []string{"/bin/true"}},
		"half a file": {text[:len(text)/2], broken, []string{none}}, "no file": {nil, none, []string{none}},
		"shifted": {slices.Concat([]byte("'"), text), broken, []string{none}}, "bare": {bytes.ReplaceAll(text, []byte("'"), nil), broken, []string{none}},
	} {
		if args.content != nil {
			if err := os.WriteFile(broken, args.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := fetcher.Exec(args.file, args.command, []string{"PATH=/nowhere", "AIRFLOW_CONN_OWN=" + canaryKey, "SESSION=" + canaryToken})
		var failed *fetcher.ExecError
		if !errors.As(err, &failed) || failed.Exit < 125 {
			t.Errorf("%s: error is %v, expected one with an exit code", name, err)
		}
		p.expectNoCanary(t, err)
	}
}

// fill stores n more variables of that value.
func (p *pod) fill(n int, value string) {
	for i := range n {
		p.put(fmt.Sprintf("airflow/variables/fill-%d", i), value)
	}
}

// newCanaryPod is one whose keys are secret as well. The fake AWS does not check them, and knows nothing of the token.
func newCanaryPod(t *testing.T) *pod {
	p := newPod(t)
	p.config.Timeout = contract.Duration(time.Second)
	t.Setenv("AWS_SECRET_ACCESS_KEY", canaryKey)
	t.Setenv("AWS_SESSION_TOKEN", canaryToken)
	p.instead = func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("X-Amz-Security-Token")
		return false
	}
	return p
}

// expectNoCanary looks everywhere but in Airflow's files.
func (p *pod) expectNoCanary(t *testing.T, err error) {
	t.Helper()
	termination, _ := os.ReadFile(p.terminationLog)
	outputs := map[string]string{
		"stdout": p.stdout.String(), "stderr": p.stderr.String(), "the termination message": string(termination),
		"the error": fmt.Sprintf("%v %+v %#v %q", err, err, err, err),
	}
	if _, err := os.Stat(filepath.Join(p.config.Directory, contract.ReportFile)); err == nil {
		outputs["the report"] = p.file(t, contract.ReportFile)
	}
	for place, text := range outputs {
		for _, secret := range []string{canary, canaryKey, canaryToken} {
			for form, leak := range forms(secret) {
				if strings.Contains(text, leak) {
					t.Errorf("%s shows %q (%s): %s", place, secret[:6], form, text)
				}
			}
		}
	}
}

// Whatever answers in AWS's place, a proxy or a service mesh, may send back what it got or what it should have kept.
func TestNoStrangeAnswerSlipsOut(t *testing.T) {
	text := strings.Join([]string{canary, canaryKey, canaryToken}, " ")
	quoted := string(must(json.Marshal(text)))
	for name, answer := range map[string]http.HandlerFunc{
		"a text": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) },
		"JSON of another form": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"SecretList":%[1]s,"SecretValues":%[1]s,"SecretString":{"x":%[1]s}}`, quoted)
		},
		"JSON that goes wrong":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"SecretString":%s,c4n4ry`, quoted) },
		"text that is no UTF-8": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{\"SecretString\":\"\xff c4n4ry\xff") },
		"an error page":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<h1>"+text+"</h1>", http.StatusForbidden) },
		"an error of no name": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"detail":`+quoted+`}`, http.StatusBadRequest)
		},
		"trouble of its own":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusBadGateway) },
		"the request":          echo(http.StatusOK),
		"the request, refused": echo(http.StatusBadRequest),
		"a redirection": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/?"+url.QueryEscape(text))
			http.Error(w, text, http.StatusTemporaryRedirect)
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprintf(w, `{"SecretString":%s,"SecretValues":[{"SecretString":%[1]s`, quoted)
		},
		"no HTTP":                raw(text + "\r\n\r\n"),
		"a status of no number":  raw("HTTP/1.1 c4n4ry\r\n\r\n"),
		"a length of no number":  raw("HTTP/1.1 200 OK\r\nContent-Length: c4n4ry\r\n\r\n"),
		"a header of no name":    raw("HTTP/1.1 200 OK\r\nc4n4ry\r\n\r\n"),
		"an encoding of no name": raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: c4n4ry\r\n\r\n"),
		"chunks of no length":    raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc4n4ry\r\n"),
		"far too much": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"SecretString":"%s"}`, strings.Repeat("c4n4ry k3ycan4ry ", 1<<19))
		},
	} {
		for _, operation := range []string{"ListSecrets", "BatchGetSecretValue", "GetSecretValue"} {
			t.Run(name+" to "+operation, func(t *testing.T) {
				p := newCanaryPod(t)
				p.config.Read = map[string]contract.Read{"GetSecretValue": contract.ReadSingle}[operation]
				if p.config.Read == "" {
					p.config.Read = contract.ReadBatch
				}
				p.put("airflow/connections/db", "postgres://user:"+url.QueryEscape(canary)+"@db/x")
				ordinary := p.instead
				p.instead = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Header.Get("X-Amz-Target") != "secretsmanager."+operation {
						return ordinary(w, r)
					}
					answer(w, r)
					return true
				}
				if err := p.run(t); err == nil {
					t.Error("the run succeeds")
				} else {
					p.expectNoCanary(t, err)
				}
			})
		}
	}
}

// raw answers with what need not be HTTP.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if connection, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(connection, answer)
			connection.Close()
		}
	}
}

// echo answers with the whole request.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, _ := httputil.DumpRequest(r, true)
		w.WriteHeader(status)
		w.Write(request)
	}
}

// A panic is told like any other failure, and of its cause only what the runtime says.
func TestNoPanicTellsASecret(t *testing.T) {
	var nobody map[string]int
	for cause, does := range map[string]func(){
		"a string":                       func() { panic(canary) },
		"a *errors.errorString":          func() { panic(errors.New(canary)) },
		"assignment to entry in nil map": func() { nobody[canary] = 1 },
	} {
		p := newCanaryPod(t)
		p.put("airflow/connections/db", "postgres://db")
		text, err := p.config.Encode()
		if err != nil {
			t.Fatal(err)
		}
		log := &panicking{w: &p.stdout, does: does}
		err = fetcher.Run(t.Context(), fetcher.Options{
			Environ: []string{contract.ConfigEnv + "=" + text}, Stdout: log, Stderr: &p.stderr, TerminationLog: p.terminationLog,
		})
		expectCode(t, err, contract.Internal, cause)
		p.expectNoCanary(t, err)
		p.expectNothing(t)
		if lines := p.log(t); len(lines) != 2 || lines[0]["cause"] != cause || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "panicking") {
			t.Errorf("the log is %s, expected the panic with its stack, and the end", &p.stdout)
		}
	}
}

// panicking does something else than to write, once.
type panicking struct {
	w    io.Writer
	does func()
}

func (p *panicking) Write(line []byte) (int, error) {
	if does := p.does; does != nil {
		p.does = nil
		does()
	}
	return p.w.Write(line)
}

// What runs beside the main path is not recovered: Go then prints the value that was given to panic. So nothing of ours
// gives it one; the runtime's own hold no text.
func TestNothingOfOursPanics(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && fmt.Sprint(call.Fun) == "panic" {
				t.Errorf("%s calls panic, expected an error", path)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}
