package fetcher

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/envfile"
)

// Exit codes of exec where the command does not start, as those of env(1) and of shells.
const (
	ExitNoEnvironment = 125 // the variables could not be read
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// ExecError is why a command does not start. It holds no value of a variable.
type ExecError struct {
	Exit int // one of the codes above
	Err  error
}

// Error is the cause's text, a sentence for people.
func (e *ExecError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ExecError) Unwrap() error { return e.Err }

// Exec sets the variables of a file written by Run over environ and becomes the command, which keeps everything else of
// this process: its id, file descriptors, limits, umask and working directory. It returns only where that fails, and then
// an *ExecError.
//
// A variable of the file takes the place of one in environ, as a secrets backend is asked before AIRFLOW_CONN_ variables.
//
// What the command does not keep is that most signals were ignored (but for SIGHUP and SIGINT) or that some were blocked
// (SIGTERM, SIGCHLD), nor that one of the first three file descriptors was closed: this program starts with Go's runtime,
// which sets them right for itself. Kubernetes starts no container like that.
func Exec(file string, command, environ []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return &ExecError{ExitNoEnvironment, fmt.Errorf("reading the secrets of this container: %w: %s", err, unread(err))}
	}
	f, err := envfile.Parse(text)
	if err != nil {
		return &ExecError{ExitNoEnvironment, fmt.Errorf("reading the secrets of this container: %s: %w", file, err)}
	}
	return become(command, merged(environ, f))
}

// unread says what to do about a file that cannot be read.
func unread(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("user %d may not read it: airflow-secrets/file-mode says who may", os.Getuid())
	}
	return fmt.Sprintf("the init container %s writes it; has the pod one, and this container its volume %s?", contract.ContainerName, contract.ExecVolumeName)
}

// merged is an environment after what the file does to it. The order of what is left alone stays.
func merged(environ []string, f envfile.File) []string {
	gone := make(map[string]bool, len(f.Unset)+len(f.Set))
	for _, name := range f.Unset {
		gone[name] = true
	}
	for _, v := range f.Set {
		gone[v.Name] = true
	}
	all := make([]string, 0, len(environ)+len(f.Set))
	for _, variable := range environ {
		if name, _, _ := strings.Cut(variable, "="); !gone[name] {
			all = append(all, variable)
		}
	}
	for _, v := range f.Set {
		all = append(all, v.Name+"="+v.Value)
	}
	return all
}

// otherEntrypoint is how a command that no pod names may have come here: as the entrypoint of Airflow's image, before another.
const otherEntrypoint = "; if the pod does not name this command and its image has another entrypoint, set airflow-secrets/entrypoint"

// become looks for the command as execvp(3) does: in the folders of PATH in turn, unless its name has a slash. One that may
// not be run is passed over for one in a later folder.
func become(command, environ []string) error {
	var passedOver error
	for _, program := range candidates(command[0], environ) {
		err := syscall.Exec(program, command, environ)
		switch {
		case errors.Is(err, syscall.EACCES):
			passedOver = &ExecError{ExitNotExecutable, fmt.Errorf("running %s: %s is a folder, or no file that user %d may execute: %w"+otherEntrypoint, command[0], program, os.Getuid(), err)}
		case errors.Is(err, syscall.ENOENT) && isThere(program) && passedOver == nil:
			passedOver = &ExecError{ExitNotFound, fmt.Errorf("running %s: %s is there, but not the interpreter that it names, in its first line or as its loader: %w"+otherEntrypoint, command[0], program, err)}
		case !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENOTDIR):
			return &ExecError{ExitNotExecutable, refused(command, environ, program, err)}
		}
	}
	switch {
	case passedOver != nil:
		return passedOver
	case strings.Contains(command[0], "/"):
		return &ExecError{ExitNotFound, fmt.Errorf("running %s: there is no such file"+otherEntrypoint, command[0])}
	}
	return &ExecError{ExitNotFound, fmt.Errorf("running %q: it is in none of the folders of PATH (%s)"+otherEntrypoint, command[0], pathOf(environ))}
}

// candidates are the files that a command may be. An empty folder of PATH is the working directory.
func candidates(name string, environ []string) []string {
	if name == "" || strings.Contains(name, "/") {
		return []string{name}
	}
	var all []string
	for folder := range strings.SplitSeq(pathOf(environ), ":") {
		all = append(all, cmp.Or(folder, ".")+"/"+name)
	}
	return all
}

// pathOf is the PATH of an environment, or what C libraries have in its place.
func pathOf(environ []string) string {
	for _, variable := range slices.Backward(environ) {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			return path
		}
	}
	return "/bin:/usr/bin"
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// refused says what Linux has against a command that is there.
func refused(command, environ []string, program string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("running %s: %s is neither a program for this machine nor a script that starts with #!: %w"+otherEntrypoint, command[0], program, err)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("running %s: %s: %w", command[0], tooMuch(command, environ, program), err)
	}
	return fmt.Errorf("running %s: %s: %w", command[0], program, err)
}

// tooMuch says which limit arguments and variables are beyond.
func tooMuch(command, environ []string, program string) string {
	limits, size := limitsHere(), sizeOf(program)
	for _, argument := range command {
		size += sizeOf(argument)
	}
	for _, variable := range environ {
		if len(variable) >= limits.String {
			name, _, _ := strings.Cut(variable, "=")
			return fmt.Sprintf("the variable %s has %d bytes, and Linux takes %d at most", name, len(variable)+1, limits.String)
		}
		size += sizeOf(variable)
	}
	return fmt.Sprintf("its arguments and variables have %d bytes, and Linux takes %d: narrow the prefixes, or set airflow-secrets/deliver to files", size, limits.All)
}
