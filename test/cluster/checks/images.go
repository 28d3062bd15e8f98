package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/e2e"
	"github.com/airflow-secrets/airflow-secrets/test/cluster/image"
)

// images builds the two images of the product as anybody would, looks at what is in them, and loads them under the names
// that the chart gives them.
func images(ctx context.Context, c *e2e.Cluster) (string, error) {
	// A Helm that was built from its module does not know which Kubernetes it is for; template asks no cluster.
	rendered, err := c.Run(ctx, "helm", "template", e2e.Release, "manifests/chart", "--kube-version", "1.30.0")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "airflow-secrets-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var told []string
	for _, each := range [][2]string{{"webhook", `image: "?([^\s"]*webhook[^\s"]*)`}, {"fetcher", `--fetcher-image=([^\s"]+)`}} {
		target, pattern := each[0], each[1]
		name := regexp.MustCompile(pattern).FindStringSubmatch(rendered)
		if name == nil {
			return "", fmt.Errorf("looking for %s in what helm template renders: it is not there", pattern)
		}
		archive := filepath.Join(dir, target+".tar")
		if err := image.Build(ctx, archive, qualified(name[1]), c.Source, target); err != nil {
			return "", err
		}
		content, err := image.Read(archive)
		if err != nil {
			return "", err
		}
		if err := expectBare(content, target); err != nil {
			return "", fmt.Errorf("the image of the %s: %w", target, err)
		}
		if err := c.Load(ctx, archive); err != nil {
			return "", err
		}
		told = append(told, fmt.Sprintf("%s %.1f MB", name[1], float64(content.Size)/1e6))
	}
	return strings.Join(told, ", ") + "; one static binary each, no shell, user not root", c.LoadHelpers(ctx)
}

// qualified is the name that Kubernetes understands by a name without a registry.
func qualified(name string) string {
	first, _, hasSlash := strings.Cut(name, "/")
	switch {
	case hasSlash && strings.ContainsAny(first, ".:"):
		return name
	case hasSlash:
		return "docker.io/" + name
	}
	return "docker.io/library/" + name
}

// expectBare wants one program and nothing else, run by a user by number: a name could not be checked by runAsNonRoot.
func expectBare(content image.Content, program string) error {
	var mistakes []error
	if len(content.Files) != 1 || content.Files[program] == 0 {
		mistakes = append(mistakes, fmt.Errorf("it holds %v, expected /%s alone", content.Files, program))
	}
	if uid, _, _ := strings.Cut(content.Config.User, ":"); !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(uid) {
		mistakes = append(mistakes, fmt.Errorf("its user is %q, expected a number other than 0", content.Config.User))
	}
	if want := []string{"/" + program}; len(content.Config.Entrypoint) != 1 || content.Config.Entrypoint[0] != want[0] {
		mistakes = append(mistakes, fmt.Errorf("its entrypoint is %q, expected %q", content.Config.Entrypoint, want))
	}
	return errors.Join(mistakes...)
}
