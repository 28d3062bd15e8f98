package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// checkUntouched expects a container that does not run Airflow to be as it was in every byte.
func checkUntouched(c seen, before, after json.RawMessage) error {
	if !same(before, after) {
		return fmt.Errorf("container %s does not run Airflow; it was %s and is %s", c.Name, before, after)
	}
	return nil
}

// checkWired expects a container of Airflow's to get what is delivered and the options, and otherwise to be as it was.
func (d delivery) checkWired(c seen, before, after json.RawMessage, gets options) error {
	var was, is fields
	if err := errors.Join(json.Unmarshal(before, &was), json.Unmarshal(after, &is)); err != nil {
		return fmt.Errorf("reading container %s: %w", c.Name, err)
	}
	err := errors.Join(
		sameBut("container "+c.Name, was, is, "env", "volumeMounts", "command", "args"),
		d.checkCommand(c, was, is),
		d.checkEnv(elements(was["env"]), elements(is["env"]), gets),
		d.checkMounts(elements(was["volumeMounts"]), elements(is["volumeMounts"])),
	)
	if err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	return nil
}

// element is one of a list: what is read of it, and how it is written.
type element struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	ValueFrom any    `json:"valueFrom"` // whatever it is, nil if there is none
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly"`

	fields fields
	text   json.RawMessage
}

func elements(list json.RawMessage) []element {
	var raw []json.RawMessage
	json.Unmarshal(list, &raw) // a list that is none is empty, and differs from the one expected
	all := make([]element, len(raw))
	for i, text := range raw {
		kjson.UnmarshalCaseSensitivePreserveInts(text, &all[i]) // what cannot be read has no name
		json.Unmarshal(text, &all[i].fields)
		all[i].text = text
	}
	return all
}

// others are the texts of the elements that are not so.
func others(all []element, so func(element) bool) []json.RawMessage {
	var raw []json.RawMessage
	for _, e := range all {
		if !so(e) {
			raw = append(raw, e.text)
		}
	}
	return raw
}

func (e element) isOurMount() bool {
	return e.Name == contract.VolumeName && e.MountPath == contract.Directory
}

// choosesBackend is true of the four variables that we set, or take away.
func (e element) choosesBackend() bool { return backendEnv()[e.Name] != "" }

// winsOverOurs is true of the variables that Airflow prefers to those.
func (e element) winsOverOurs() bool {
	return slices.ContainsFunc(contract.BackendEnv(), func(of contract.BackendVariables) bool {
		return strings.HasPrefix(e.Name, of.KwargPrefix) ||
			slices.Contains([]string{of.Backend + "_CMD", of.Backend + "_SECRET", of.Kwargs + "_CMD", of.Kwargs + "_SECRET"}, e.Name)
	})
}

// backendEnv maps the variables by which Airflow reads our files to their values.
func backendEnv() map[string]string {
	wanted := map[string]string{}
	for _, of := range contract.BackendEnv() {
		wanted[of.Backend], wanted[of.Kwargs] = contract.LocalFilesystemBackend, contract.BackendKwargs(contract.Directory)
	}
	return wanted
}

// checkEnv expects the variables that choose the backend, or none, and the commands that give the options, once each, none
// that wins over them, and all others as they were, in their order.
func (d delivery) checkEnv(was, is []element, gets options) error {
	wanted := backendEnv()
	if d.env {
		wanted = map[string]string{"AIRFLOW__SECRETS__BACKEND": "", "AIRFLOW__WORKERS__SECRETS_BACKEND": ""}
	}
	maps.Copy(wanted, gets.wanted())
	isWanted := func(e element) bool { _, ok := wanted[e.Name]; return ok }
	errs := []error{sameLists("the other variables",
		others(was, func(e element) bool { return isWanted(e) || e.choosesBackend() || e.winsOverOurs() || gets.lose(e) }),
		others(is, isWanted))}
	for name, value := range wanted {
		errs = append(errs, checkVariable(name, value, was, is))
	}
	return errors.Join(errs...)
}

// checkVariable expects a variable once, with its value. Where the container had it before, the rest of its first entry
// stays.
func checkVariable(name, value string, was, is []element) error {
	of := func(e element) bool { return e.Name == name }
	found := slices.DeleteFunc(slices.Clone(is), func(e element) bool { return !of(e) })
	if len(found) != 1 || found[0].Value != value || found[0].ValueFrom != nil {
		return fmt.Errorf("%s is there %d times, expected it once, as %s", name, len(found), value)
	}
	before := fields{"name": json.RawMessage(`"` + name + `"`)}
	if i := slices.IndexFunc(was, of); i >= 0 {
		before = was[i].fields
	}
	return sameBut("variable "+name, before, found[0].fields, "value", "valueFrom")
}

// checkMounts expects our volumes mounted once, as a whole and read-only, and all others as they were.
func (d delivery) checkMounts(was, is []element) error {
	isOurs := func(e element) bool { return e.isOurMount() || e.Name == contract.ExecVolumeName }
	for volume, directory := range d.volumes() {
		found := slices.DeleteFunc(slices.Clone(is), func(e element) bool { return e.MountPath != directory })
		if len(found) != 1 || found[0].Name != volume || !found[0].ReadOnly {
			return fmt.Errorf("%d volumes are mounted at %s, expected %s alone and read-only", len(found), directory, volume)
		}
	}
	if n := len(is) - len(others(is, isOurs)); n != len(d.volumes()) {
		return fmt.Errorf("%d of our volumes are mounted, expected %d", n, len(d.volumes()))
	}
	return sameLists("the other mounts", others(was, isOurs), others(is, isOurs))
}

// checkOurs expects of our container all that it needs, whatever others have done to it.
func (d delivery) checkOurs(text json.RawMessage) error {
	var c corev1.Container
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &c); err != nil {
		return fmt.Errorf("reading our container: %w", err)
	}
	if len(c.Command) != 1 || c.Command[0] != contract.Command || len(c.Args) > 0 || c.Image == "" {
		return fmt.Errorf("our container runs %q %q of image %q", c.Command, c.Args, c.Image)
	}
	return errors.Join(d.checkOurMounts(c), checkSecurity(c), checkSize(c))
}

func readConfig(c corev1.Container) (contract.Config, error) {
	var value string
	for _, e := range c.Env {
		if e.Name == contract.ConfigEnv {
			value = e.Value
		}
	}
	if strings.Contains(value, "$") {
		return contract.Config{}, fmt.Errorf("the kubelet would expand the configuration %s", value)
	}
	config, err := contract.Decode(value)
	if err != nil {
		return contract.Config{}, fmt.Errorf("the fetcher refuses its configuration: %w", err)
	}
	return config, nil
}

func (d delivery) checkOurMounts(c corev1.Container) error {
	paths := map[string]int{}
	for _, m := range c.VolumeMounts {
		paths[m.MountPath]++
		for volume, directory := range d.volumes() {
			if m.MountPath == directory && (m.Name != volume || m.ReadOnly) {
				return fmt.Errorf("our container cannot write to %s: %v", directory, m)
			}
		}
	}
	for path, times := range paths {
		if times > 1 {
			return fmt.Errorf("our container mounts %s %d times, and Kubernetes refuses that", path, times)
		}
	}
	for _, directory := range d.volumes() {
		if paths[directory] != 1 {
			return fmt.Errorf("our container does not mount %s", directory)
		}
	}
	if !d.env && paths[contract.ExecDirectory] != 0 {
		return fmt.Errorf("our container still mounts %s", contract.ExecDirectory)
	}
	return nil
}

// checkSecurity expects what Pod Security's level restricted does.
func checkSecurity(c corev1.Container) error {
	is := func(b *bool, expected bool) bool { return b != nil && *b == expected }
	sc := c.SecurityContext
	switch {
	case sc == nil, !is(sc.AllowPrivilegeEscalation, false), !is(sc.ReadOnlyRootFilesystem, true), !is(sc.RunAsNonRoot, true),
		sc.RunAsUser != nil && *sc.RunAsUser == 0, sc.SeccompProfile == nil, sc.Capabilities == nil || !slices.Contains(sc.Capabilities.Drop, "ALL"):
		return fmt.Errorf("our container is not restricted: %v", sc)
	}
	return nil
}

// checkSize expects requests and limits that a quota asks for, none above the other.
func checkSize(c corev1.Container) error {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
		if request.Sign() <= 0 || request.Cmp(limit) > 0 {
			return fmt.Errorf("our container requests %s of %s, and its limit is %s", &request, name, &limit)
		}
	}
	return nil
}
