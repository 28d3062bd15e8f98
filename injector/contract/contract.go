// Package contract is what the webhook and the injected init container both know: the configuration that travels
// between them, the names of what they share in the pod, the report, and the codes of every outcome.
//
// It is the wire between two programs that may be of different versions, so it knows neither of them and imports the
// standard library only: what it costs, the binary that runs in every pod pays.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the configuration that this build writes, and the newest that it reads.
const Version = 1

// Config is all that the init container is told, in the environment variable ConfigEnv. It holds no secret: whoever may
// read the pod may read it.
type Config struct {
	Version int `json:"version"`
	// Directory receives the files. It is absolute; it is made when absent.
	Directory string `json:"directory"`
	// FileMode is the mode of each file in Directory.
	FileMode FileMode `json:"fileMode"`
	// Timeout bounds the whole run, retries included.
	Timeout Duration `json:"timeout"`
	Read    Read     `json:"read"`
	// Deliver is how Airflow gets what was read. Empty: as files.
	Deliver Deliver `json:"deliver,omitempty"`
	// ExecDirectory receives EnvFile and the fetcher itself, for containers that run under it. It is absolute, and empty
	// unless Deliver is DeliverEnv.
	ExecDirectory string `json:"execDirectory,omitempty"`
	// Entrypoint is the image's, which stands in the command of each container that named no command: of those that
	// EntrypointOf names. A later admission has to tell it from a command of the pod's own.
	Entrypoint   []string `json:"entrypoint,omitempty"`
	EntrypointOf []string `json:"entrypointOf,omitempty"`
	// OnMissing, OnInvalid and OnEmpty say whether the run fails for a secret that is asked for by id and not there, for a
	// value that Airflow cannot use, and for nothing at all to deliver. An empty one depends: see the fetcher.
	OnMissing Response `json:"onMissing,omitempty"`
	OnInvalid Response `json:"onInvalid,omitempty"`
	OnEmpty   Response `json:"onEmpty,omitempty"`
	// Image is the one that was asked for. Another one in the pod is a mirror's that a webhook of the cluster has put there.
	Image string `json:"image,omitempty"`
	// Accounts in order of precedence: where two hold the same id, the first one's secret is delivered.
	Accounts []Account `json:"accounts"`
	// Options are those of Airflow's that are delivered, of which the account's Config has the ids.
	Options []Option `json:"options,omitempty"`
	// TakeOver says how to find the secrets backend that the pod has had until now. Nil: there is none to look for.
	TakeOver *TakeOver `json:"takeOver,omitempty"`
	// Warnings of the admission, which nobody sees there: controllers and Airflow's Kubernetes client drop them.
	Warnings []string `json:"warnings,omitempty"`
}

// Read is how secrets are read once their names are known.
type Read string

// The ways to read. ReadAuto asks in batches where that saves calls and is allowed, else one by one.
const (
	ReadAuto   Read = "auto"
	ReadBatch  Read = "batch"
	ReadSingle Read = "single"
)

// Reads lists the ways to read, in the order in which they are documented.
func Reads() []Read { return []Read{ReadAuto, ReadBatch, ReadSingle} }

// Deliver is how what was read reaches Airflow.
type Deliver string

// The ways to deliver: files that Airflow's LocalFilesystemBackend reads, or environment variables that the fetcher sets
// before it becomes the container's own command.
const (
	DeliverFiles Deliver = "files"
	DeliverEnv   Deliver = "env"
)

// Deliveries lists the ways to deliver, in the order in which they are documented.
func Deliveries() []Deliver { return []Deliver{DeliverFiles, DeliverEnv} }

// Response is what a run does about something that is not as it should be.
type Response string

// The responses: to end the run with an error, or to go on and say so.
const (
	Fail Response = "fail"
	Warn Response = "warn"
)

// Responses lists the responses, in the order in which they are documented.
func Responses() []Response { return []Response{Fail, Warn} }

// Encode writes the configuration for an environment variable of a pod.
//
// A dollar sign is written as \u0024: the kubelet expands $(NAME) and turns $$ into $ in every value.
func (c Config) Encode() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding the fetcher's configuration: %w", err)
	}
	return strings.ReplaceAll(string(text), "$", `\u0024`), nil
}

// Decode reads what Encode wrote. It is strict: a field or a version that this build does not know is an *Error, since
// a setting that is passed over in silence would leave Airflow without what was asked for.
func Decode(text string) (Config, error) {
	var version struct{ Version int }
	if err := json.Unmarshal([]byte(text), &version); err != nil {
		return Config{}, &Error{Code: InvalidConfig, Detail: ConfigEnv + " is not JSON that this fetcher can read", Err: err}
	}
	if version.Version > Version {
		return Config{}, &Error{Code: ConfigTooNew, Detail: fmt.Sprintf("%s has version %d and this fetcher knows up to %d", ConfigEnv, version.Version, Version)}
	}
	var c Config
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Config{}, &Error{Code: InvalidConfig, Detail: "reading " + ConfigEnv, Err: err}
	}
	if err := c.validate(); err != nil {
		return Config{}, &Error{Code: InvalidConfig, Detail: ConfigEnv, Err: err}
	}
	return c, nil
}

func (c Config) validate() error {
	switch {
	case c.Version < 1:
		return fmt.Errorf("version is %d, expected 1 or more", c.Version)
	case !isFolder(c.Directory):
		return fmt.Errorf("directory is %q, expected an absolute path such as %s", c.Directory, Directory)
	case c.Deliver != "" && !slices.Contains(Deliveries(), c.Deliver):
		return fmt.Errorf("deliver is %q, expected one of %v", c.Deliver, Deliveries())
	case c.Deliver == DeliverEnv && (!isFolder(c.ExecDirectory) || c.ExecDirectory == c.Directory):
		return fmt.Errorf("execDirectory is %q, expected an absolute path such as %s that is not the directory", c.ExecDirectory, ExecDirectory)
	case c.Timeout <= 0:
		return fmt.Errorf("timeout is %v, expected more than zero", time.Duration(c.Timeout))
	case c.FileMode&0o400 == 0:
		return fmt.Errorf("fileMode is %v, expected one that its owner can read, such as 0444", c.FileMode)
	case len(c.Accounts) == 0:
		return errors.New("accounts is empty, expected at least one")
	}
	if !slices.Contains(Reads(), c.Read) {
		return fmt.Errorf("read is %q, expected one of %v", c.Read, Reads())
	}
	for name, response := range map[string]Response{"onMissing": c.OnMissing, "onInvalid": c.OnInvalid, "onEmpty": c.OnEmpty} {
		if response != "" && !slices.Contains(Responses(), response) {
			return fmt.Errorf("%s is %q, expected one of %v", name, response, Responses())
		}
	}
	for _, o := range c.Options {
		if o.Section == "" || o.Key == "" || o.ID == "" {
			return fmt.Errorf("options has %+v, expected a section, a key and an id", o)
		}
	}
	for i, a := range c.Accounts {
		if err := a.validate(); err != nil {
			return fmt.Errorf("accounts[%d]: %w", i, err)
		}
	}
	return nil
}

// isFolder says whether a path is absolute, clean and not the root.
func isFolder(name string) bool {
	return path.IsAbs(name) && path.Clean(name) == name && name != "/"
}

// Duration is a time.Duration that reads and writes itself as text, such as "2m0s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// FileMode is the permission bits of a file, read and written as octal text, such as "0444".
type FileMode fs.FileMode

// String is the mode in octal, as chmod takes it.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText writes the mode as String does.
func (m FileMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads an octal number of permission bits.
func (m *FileMode) UnmarshalText(text []byte) error {
	bits, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || bits > 0o777 {
		return fmt.Errorf("file mode is %q, expected an octal number such as 0444", text)
	}
	*m = FileMode(bits)
	return nil
}
