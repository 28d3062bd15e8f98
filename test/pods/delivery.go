package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// delivery is how a pod's containers get what is read: as files, or as variables that a program sets before their own
// commands.
type delivery struct {
	env        bool
	entrypoint []string        // of the image
	config     contract.Config // what our container is told
	earlier    contract.Config // what it was told by an earlier pass, if there was one that can be read
}

// wrapper is what stands before a command then.
var wrapper = []string{"/var/run/secrets/airflow-exec/fetcher", "exec", "--"}

// deliveryOf reads it from the pod's annotations, and what they do not say, since the cluster's defaults do, from what our
// container is told.
func deliveryOf(was, is parts) (d delivery, err error) {
	ours, _, err := cutOurs(is.init)
	if err != nil {
		return d, err
	}
	if d.config, err = configOf(ours); err != nil {
		return d, err
	}
	if earlier, _, err := cutOurs(was.init); err == nil {
		d.earlier, _ = configOf(earlier) // one that cannot be read tells nothing
	}
	d.env, d.entrypoint = d.config.Deliver == contract.DeliverEnv, d.config.Entrypoint
	var deliver, entrypoint string
	if text, ok := was.annotations["airflow-secrets/deliver"]; ok && json.Unmarshal(text, &deliver) == nil {
		d.env = deliver == "env"
	}
	if text, ok := was.annotations["airflow-secrets/entrypoint"]; ok && json.Unmarshal(text, &entrypoint) == nil {
		if d.entrypoint = strings.Fields(entrypoint); strings.HasPrefix(entrypoint, "[") {
			d.entrypoint = nil
			err = json.Unmarshal([]byte(entrypoint), &d.entrypoint)
		}
	}
	return d, err
}

func configOf(ours json.RawMessage) (contract.Config, error) {
	var c corev1.Container
	if len(ours) == 0 {
		return contract.Config{}, errors.New("the pod has no container of ours")
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(ours, &c); err != nil {
		return contract.Config{}, fmt.Errorf("reading our container: %w", err)
	}
	return readConfig(c)
}

// volumes are those that Airflow's containers and ours mount, and where.
func (d delivery) volumes() map[string]string {
	all := map[string]string{contract.VolumeName: contract.Directory}
	if d.env {
		all[contract.ExecVolumeName] = contract.ExecDirectory
	}
	return all
}

// checkVolumes expects those that were there, but for the program's where nobody runs it, and then ours.
func (d delivery) checkVolumes(was, is []json.RawMessage) error {
	named := func(name string) func(json.RawMessage) bool {
		return func(v json.RawMessage) bool {
			var volume struct{ Name string }
			return json.Unmarshal(v, &volume) == nil && volume.Name == name
		}
	}
	for volume := range d.volumes() {
		if !slices.ContainsFunc(is, named(volume)) {
			return fmt.Errorf("there is no volume %s", volume)
		}
	}
	if isExec := named(contract.ExecVolumeName); !d.env && !slices.ContainsFunc(is, isExec) {
		was = slices.DeleteFunc(slices.Clone(was), isExec)
	}
	return sameLists("the volumes that were there", was, is[:min(len(was), len(is))])
}

// unwrapped are words without ours, wherever those stand: others may have put their own before them.
func unwrapped(words []string) (own []string, wasWrapped bool) {
	for i := range max(len(words)-len(wrapper)+1, 0) {
		if end := i + len(wrapper); slices.Equal(words[i:end], wrapper) {
			own, _ = unwrapped(slices.Concat(words[:i], words[end:]))
			return own, true
		}
	}
	return words, false
}

// ownCommand is the container's own one; it may be that of an image that an earlier pass has written out.
func (d delivery) ownCommand(c seen) []string {
	own, wasWrapped := unwrapped(c.Command)
	if wasWrapped && slices.Contains(d.earlier.EntrypointOf, c.Name) && slices.Equal(own, d.earlier.Entrypoint) {
		return nil
	}
	return own
}

// checkCommand expects the program before the container's own command, or before the image's entrypoint; or, for files, the
// command as it was before any pass of ours. It expects no word of ours among the args.
func (d delivery) checkCommand(c seen, was, is fields) error {
	if args, wasWrapped := unwrapped(c.Args); wasWrapped {
		if err := checkWords("args", is["args"], args); err != nil {
			return err
		}
	} else if err := sameBut("container "+c.Name, fields{"args": was["args"]}, fields{"args": is["args"]}); err != nil {
		return err
	}
	own := d.ownCommand(c)
	if !d.env && slices.Equal(own, c.Command) {
		return sameBut("container "+c.Name, fields{"command": was["command"]}, fields{"command": is["command"]})
	}
	if d.env && len(own) == 0 {
		own = d.entrypoint
	}
	expected := own
	if d.env {
		expected = append(slices.Clone(wrapper), own...)
	}
	return checkWords("command", is["command"], expected)
}

func checkWords(what string, text json.RawMessage, expected []string) error {
	var found []string
	if len(text) > 0 {
		if err := json.Unmarshal(text, &found); err != nil {
			return fmt.Errorf("reading the %s: %w", what, err)
		}
	}
	if !slices.Equal(found, expected) {
		return fmt.Errorf("the %s is %.1000q, expected %.1000q", what, found, expected)
	}
	return nil
}

// checkTold expects the fetcher to be told how to deliver, and which containers run the image's entrypoint.
func (d delivery) checkTold(containers ...[]seen) error {
	directory := ""
	if d.env {
		directory = contract.ExecDirectory
	}
	if d.config.ExecDirectory != directory || d.env != (d.config.Deliver == contract.DeliverEnv) {
		return fmt.Errorf("the fetcher is told to deliver by %q to %q, expected %q", d.config.Deliver, d.config.ExecDirectory, directory)
	}
	for _, name := range d.config.EntrypointOf {
		if !d.env || !slices.ContainsFunc(slices.Concat(containers...), func(c seen) bool { return c.Name == name && len(d.ownCommand(c)) == 0 }) {
			return fmt.Errorf("the container %s is told to run the image's entrypoint", name)
		}
	}
	if len(d.config.EntrypointOf) > 0 && !slices.Equal(d.config.Entrypoint, d.entrypoint) {
		return fmt.Errorf("the image's entrypoint is told as %q, expected %q", d.config.Entrypoint, d.entrypoint)
	}
	return nil
}
