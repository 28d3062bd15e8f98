package injector

import (
	"fmt"
	"slices"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Where variables are delivered, the program that sets them stands before each Airflow container's own command. An earlier
// pass may have put it there already, in a pod that now wants files.

// execCommand is what stands before a command then.
var execCommand = contract.Exec(nil)

// wrappings is how often it stands before the container's command.
func (c container) wrappings() (n int) {
	for rest := c.Command; len(rest) >= len(execCommand) && slices.Equal(rest[:len(execCommand)], execCommand); n++ {
		rest = rest[len(execCommand):]
	}
	return n
}

// ownCommand is the container's without what an earlier pass has put there: the program, and the image's entrypoint where
// there was no command.
func (f *former) ownCommand(t target) []string {
	n := t.wrappings()
	own := t.Command[n*len(execCommand):]
	if n > 0 && slices.Equal(own, f.earlier.Entrypoint) && slices.Contains(f.earlier.EntrypointOf, t.Name) {
		return nil
	}
	return own
}

// bare are the names of the containers that have neither command nor args, so that they run all that their image has. Of
// that, a command of ours leaves only the entrypoint.
func (p *pod) bare(commandless []string) []string {
	if len(commandless) == 0 {
		return nil
	}
	type runs struct {
		Name string `json:"name"`
		Args []any  `json:"args"`
	}
	var all struct {
		Spec struct {
			Containers     []runs `json:"containers"`
			InitContainers []runs `json:"initContainers"`
		} `json:"spec"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(p.raw, &all); err != nil {
		return nil // a warning the less; what cannot be read at all has been refused
	}
	var names []string
	for _, c := range slices.Concat(all.Spec.Containers, all.Spec.InitContainers) {
		if len(c.Args) == 0 && slices.Contains(commandless, c.Name) && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// wireCommand puts the program before the container's own command, or takes it away. It adds and removes single words, so
// that no word of the pod's own gets into the patch; only an entrypoint of ours is written whole.
func (f *former) wireCommand(t target, s settings) []jsonpatch.Operation {
	path, n, wanted := t.path+"/command", t.wrappings(), 0
	if s.deliver == contract.DeliverEnv {
		wanted = 1
	}
	if len(f.ownCommand(t)) == 0 {
		entrypoint := contract.Exec(s.entrypoint)
		switch {
		case wanted == 0 && n > 0:
			return []jsonpatch.Operation{remove(path)}
		case wanted == 1 && !slices.Equal(t.Command, entrypoint):
			return []jsonpatch.Operation{add(path, entrypoint)}
		}
		return nil
	}
	var operations []jsonpatch.Operation
	for range max(n-wanted, 0) * len(execCommand) {
		operations = append(operations, remove(path+"/0"))
	}
	if n < wanted {
		for i, word := range execCommand {
			operations = append(operations, add(fmt.Sprintf("%s/%d", path, i), word))
		}
	}
	return operations
}

// execMount is where our container writes the program to.
func (s *settings) execMount() []any {
	if s.deliver != contract.DeliverEnv {
		return nil
	}
	return []any{corev1.VolumeMount{Name: contract.ExecVolumeName, MountPath: contract.ExecDirectory}}
}

// unmount takes every mount of a volume away, the last one first.
func (t target) unmount(volume string) (operations []jsonpatch.Operation) {
	for i, m := range slices.Backward(t.VolumeMounts) {
		if m.Name == volume {
			operations = append(operations, remove(fmt.Sprintf("%s/volumeMounts/%d", t.path, i)))
		}
	}
	return operations
}

// removeVolume takes a volume away, if it is there and no container mounts it but these and ours.
func (p *pod) removeVolume(name string, targets []target) []jsonpatch.Operation {
	i := slices.IndexFunc(p.Spec.Volumes, func(v volume) bool { return v.Name == name })
	isOther := func(c target) bool {
		return c.mounts(name) && !slices.ContainsFunc(targets, func(t target) bool { return t.path == c.path })
	}
	if i < 0 || slices.ContainsFunc(slices.Concat(p.mainContainers(), p.initContainers()), isOther) {
		return nil
	}
	return []jsonpatch.Operation{remove(fmt.Sprintf("/spec/volumes/%d", i))}
}
