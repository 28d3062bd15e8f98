package contract

import (
	"path"
	"regexp"
)

// Names that both sides share: the webhook writes them into the pod, the fetcher finds them there.
const (
	// ContainerName and VolumeName are those of the injected init container and of the volume it fills.
	ContainerName = "airflow-secrets"
	VolumeName    = "airflow-secrets"
	// Command is the fetcher in its image.
	Command = "/fetcher"
	// ConfigEnv is the environment variable that holds the Config.
	ConfigEnv = "AIRFLOW_SECRETS_CONFIG"
	// Directory is where the volume is mounted, in our container and in Airflow's.
	Directory = "/var/run/secrets/airflow"
)

// The files in Config.Directory.
const (
	ConnectionsFile = "connections.json"
	VariablesFile   = "variables.json"
	ReportFile      = "report.json"
)

// Limits that the volume's size and the container's memory are derived from.
const (
	// MaxFetchedBytes bounds the sum of all values that are read: 64 secrets of the largest size AWS allows, thousands of the
	// usual one. Read, converted and written they fit the init container's memory of 64 MiB.
	MaxFetchedBytes = 4 << 20
	// MaxWrittenBytes bounds the files made from them; escaping may make a value longer.
	MaxWrittenBytes = 8 << 20
	// VolumeBytes has room for two sets, since a new one is written beside the old one before it takes its place.
	VolumeBytes = 2 * MaxWrittenBytes
)

// LocalFilesystemBackend is the class in Airflow that reads the files.
const LocalFilesystemBackend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"

// BackendKwargs is what LocalFilesystemBackend is told, as JSON: where in directory the files are.
func BackendKwargs(directory string) string {
	return `{"connections_file_path": "` + path.Join(directory, ConnectionsFile) +
		`", "variables_file_path": "` + path.Join(directory, VariablesFile) + `"}`
}

// dottedClass is what a backend's value is meant to look like.
var dottedClass = regexp.MustCompile(`^[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){1,9}$`)

// ShowClass is a backend's value as it may be told. What is no name of a class may be something pasted into the wrong
// place, kwargs with keys in them for one, and is not shown.
func ShowClass(value string) string {
	if dottedClass.MatchString(value) {
		return value
	}
	return "not the name of a class (its value is not shown)"
}

// BackendEnv are the two pairs of variables by which Airflow chooses its secrets backend: [secrets] everywhere, and
// [workers], which Airflow 3 prefers in workers.
func BackendEnv() []BackendVariables {
	return []BackendVariables{
		{Backend: "AIRFLOW__SECRETS__BACKEND", Kwargs: "AIRFLOW__SECRETS__BACKEND_KWARGS", KwargPrefix: "AIRFLOW__SECRETS__BACKEND_KWARG__"},
		{Backend: "AIRFLOW__WORKERS__SECRETS_BACKEND", Kwargs: "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS", KwargPrefix: "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__"},
	}
}

// BackendVariables name one place where Airflow looks for its secrets backend.
type BackendVariables struct {
	Backend string // the class
	Kwargs  string // its keyword arguments, as JSON
	// KwargPrefix starts the variables that each give one keyword argument more (Airflow 3.2 on).
	KwargPrefix string
}
