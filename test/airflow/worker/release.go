// Package worker is the container of an Airflow worker without Kubernetes: a real release of Airflow, the environment
// that our webhook gives its container, and the files that our init container writes for it.
package worker

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Release is a release of Airflow, with the amazon provider of its day: ../requirements/NAME.txt. 2.8.1 has the plugin
// airflow-aws-shared-secrets as well, which nothing loads that does not name it.
type Release struct {
	Name string
	// python is the version of Python to run it on; test/python.sh finds or brings it.
	python string
	// before is the day that all packages date from. A release then has the dependencies that it was made for.
	before string
	// environ is what else its processes get.
	environ []string
	// under stands before the command of each of them.
	under []string
}

// asciiLocale makes Python open files as ASCII. Without the two switches Python would take UTF-8 for the locale C.
// Airflow 3 does not start like that, and gets the locale alone.
var asciiLocale = []string{"LC_ALL=C", "PYTHONCOERCECLOCALE=0", "PYTHONUTF8=0"}

// Releases are those that the project is proved with, oldest first.
func Releases() []Release {
	return []Release{
		{Name: "2.8.1", python: "3.11", before: "2024-02-15", environ: asciiLocale},
		{Name: "2.10.5", python: "3.11", before: "2025-03-01", environ: asciiLocale},
		{Name: "2.11.2", python: "3.11", before: "2026-04-15", environ: asciiLocale},
		{Name: "3.0.6", python: "3.11", before: "2025-09-20", environ: asciiLocale[:1]},
		{Name: "3.1.8", python: "3.11", before: "2026-04-15", environ: asciiLocale[:1]},
		{Name: "3.3.2", python: "3.11", before: "2026-11-15", environ: asciiLocale[:1]},
	}
}

// Choose gives the releases of those names, separated by commas, or those of all.
func Choose(names string) ([]Release, error) {
	if names == "all" {
		return Releases(), nil
	}
	var chosen []Release
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(Releases(), func(r Release) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no release %q of Airflow here, expected all or some of %v", name, Releases())
		}
		chosen = append(chosen, Releases()[i])
	}
	return chosen, nil
}

// String is the release's name.
func (r Release) String() string { return r.Name }

// Under is the release with a command before each of its processes, in the locale of Airflow's image: Python reads variables
// in the encoding of the locale.
func (r Release) Under(command ...string) Release {
	r.under, r.environ = command, []string{"LC_ALL=C.UTF-8"}
	return r
}

// Install gives the Python of the release's environment, made where it is not there yet.
func (r Release) Install(ctx context.Context) (python string, err error) {
	command := exec.CommandContext(ctx, filepath.Join(root(), "test/python.sh"), "--python", r.python, "airflow-"+r.Name,
		filepath.Join(root(), "test/airflow/requirements", r.Name+".txt"), "--exclude-newer", r.before)
	var complaints strings.Builder
	command.Stderr = &complaints
	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("installing Airflow %s: %w\n%s", r.Name, err, complaints.String())
	}
	return strings.TrimSpace(string(path)), nil
}

// Run runs a Python script in an environment of its own: a new home, what every process of Airflow has, and environ.
// What the script prints becomes part of the error, should it fail.
func (r Release) Run(ctx context.Context, python string, environ []string, script string, args ...string) error {
	home, err := os.MkdirTemp("", "airflow-home-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	words := slices.Concat(r.under, []string{python, script}, args)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Env = slices.Concat(environ, r.environ, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AIRFLOW_HOME=" + home,
		"AIRFLOW__CORE__FERNET_KEY=" + base64.URLEncoding.EncodeToString(make([]byte, 32)), // as every real Airflow has one
	})
	log, err := os.Create(filepath.Join(home, "log")) // Airflow may say a lot
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("running %s with Airflow %s: %w\n%s", filepath.Base(script), r.Name, err, said[max(0, len(said)-4000):])
	}
	return nil
}

// root is the repository's root.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../..")
}
