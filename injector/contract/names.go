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
	// AirflowHome is where Airflow's image has AIRFLOW_HOME, and in it airflow.cfg unless AIRFLOW_CONFIG says otherwise.
	AirflowHome = "/opt/airflow"
	// TokenVolumeName and TokenFile are a service account token's that only our container has.
	TokenVolumeName = "airflow-secrets-token"
	TokenDirectory  = "/var/run/secrets/airflow-secrets"
	TokenFile       = TokenDirectory + "/token"
)

// What containers that get environment variables need beside the folder above: a volume with the program that sets them,
// and the variables. It is one of its own, since the program may not be where only data is expected.
const (
	ExecVolumeName = "airflow-secrets-exec"
	ExecDirectory  = "/var/run/secrets/airflow-exec"
	// ExecProgram and EnvFile are the files in Config.ExecDirectory.
	ExecProgram = "fetcher"
	EnvFile     = "airflow.env"
	// ExecCommand has the program set the variables of the EnvFile beside it and become the command that follows.
	ExecCommand = "exec"
)

// Exec is a container's command under the program that sets the variables.
func Exec(command []string) []string {
	return append([]string{path.Join(ExecDirectory, ExecProgram), ExecCommand, "--"}, command...)
}

// Variables with the access key of a Secret that an annotation names (credentials-secret). They have names of their own, so
// that no key that the pod has otherwise is taken for it.
const (
	KeyIDEnv        = "AIRFLOW_SECRETS_ACCESS_KEY_ID"
	SecretKeyEnv    = "AIRFLOW_SECRETS_SECRET_ACCESS_KEY"
	SessionTokenEnv = "AIRFLOW_SECRETS_SESSION_TOKEN"
)

// Variables that tell the fetcher which pod it runs in, for the names of its sessions. Kubernetes fills them (downward
// API).
const (
	NamespaceEnv = "AIRFLOW_SECRETS_NAMESPACE"
	PodEnv       = "AIRFLOW_SECRETS_POD"
	DAGEnv       = "AIRFLOW_SECRETS_DAG"
	TaskEnv      = "AIRFLOW_SECRETS_TASK"
)

// The files in Config.Directory.
const (
	ConnectionsFile = "connections.json"
	VariablesFile   = "variables.json"
	ReportFile      = "report.json"
	// OptionsDirectory holds the values of Airflow's options, each in a file that has the id for its name.
	OptionsDirectory = "config"
	// FilesDirectory holds the secrets that are delivered as they are.
	FilesDirectory = "files"
)

// The accounts of a configuration.
const (
	OwnAccount    = "own"
	SharedAccount = "shared"
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
	// ExecVolumeBytes has room for two sets, too, each of an EnvFile and the program, which has about 11 MB.
	ExecVolumeBytes = 2 * (MaxWrittenBytes + 16<<20)
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

// BackendEnv are the two places where Airflow looks for its secrets backend: [secrets] everywhere, and [workers], which
// Airflow 3 prefers where tasks run.
func BackendEnv() []BackendVariables {
	of := func(section, option string) BackendVariables {
		return BackendVariables{
			Section: section, BackendOption: option, KwargsOption: option + "_kwargs",
			Backend: EnvName(section, option), Kwargs: EnvName(section, option+"_kwargs"), KwargPrefix: EnvName(section, option+"_kwarg__"),
		}
	}
	return []BackendVariables{of("secrets", "backend"), of("workers", "secrets_backend")}
}

// BackendVariables name one place where Airflow looks for its secrets backend.
type BackendVariables struct {
	Section, BackendOption, KwargsOption string // in airflow.cfg

	Backend string // the variable with the class
	Kwargs  string // the variable with its keyword arguments, as JSON
	// KwargPrefix starts the variables that each give one keyword argument more (Airflow 3.2 on).
	KwargPrefix string
}
