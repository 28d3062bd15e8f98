package injector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// Where variables are delivered, the program that sets them stands before each Airflow container's own command. An earlier
// pass may have put it there already, in a pod that now wants files.

// execCommand is what stands before a command then.
var execCommand = contract.Exec(nil)

// program is the word by which it is found in a list of args that is not read yet.
var program = []byte(execCommand[0])

// added are the indexes of the words that are ours, wherever they stand: another webhook may have put a program of its own
// before them.
func added(words []string) (ours []int) {
	var own []int
	for i, word := range words {
		own = append(own, i)
		from := len(own) - len(execCommand)
		if from >= 0 && words[own[from]] == execCommand[0] && words[own[from+1]] == execCommand[1] && word == execCommand[2] {
			ours, own = append(ours, own[from:]...), own[:from]
		}
	}
	slices.Sort(ours)
	return ours
}

// isExec says whether the program stands at the very start.
func isExec(command []string) bool {
	return len(command) >= len(execCommand) && slices.Equal(command[:len(execCommand)], execCommand)
}

// isWrapped says whether an earlier pass has put the program before the container's command, which another webhook may have
// moved to the args since.
func (c container) isWrapped() bool {
	return len(c.addedToCommand()) > 0 || len(c.addedToArgs()) > 0
}

func (c container) addedToCommand() []int {
	if !slices.Contains(c.Command, execCommand[0]) {
		return nil
	}
	return added(c.Command)
}

func (c container) addedToArgs() []int {
	if !bytes.Contains(c.Args, program) {
		return nil
	}
	return added(c.args())
}

// args are the container's. They may be long, so they are read where they are asked for only.
func (c container) args() []string {
	var words []string
	if json.Unmarshal(c.Args, &words) != nil {
		return nil // of what is no list of texts, an API server makes no pod
	}
	return words
}

// ownCommand is the container's without what an earlier pass has put there: the program, and the image's entrypoint where
// there was no command.
func (f *former) ownCommand(t target) []string {
	ours := t.addedToCommand()
	if len(ours) == 0 {
		return t.Command
	}
	var own []string
	for i, word := range t.Command {
		if !slices.Contains(ours, i) {
			own = append(own, word)
		}
	}
	if slices.Equal(own, f.earlier.Entrypoint) && slices.Contains(f.earlier.EntrypointOf, t.Name) {
		return nil
	}
	return own
}

// isBare says whether a container that has no command of its own has no args either, so that it runs all that its image
// has. Of that, a command of ours leaves only the entrypoint.
func (c container) isBare() bool { return len(c.args()) == len(c.addedToArgs()) }

// startProblems are containers that our program would have nothing to run for.
func (f *former) startProblems(s settings) (problems []problem) {
	if len(s.entrypoint) > 0 {
		return nil
	}
	for _, name := range f.bare {
		problems = append(problems, problem{code: contract.InvalidAnnotations, subject: "the container " + shown(name),
			expected: "what its image runs as its command or args, since " + s.subject("entrypoint") + " is empty", found: "neither"})
	}
	return problems
}

// wireCommand puts the program before the container's own command, or takes it away. It adds and removes single words, so
// that no word of the pod's own gets into the patch; only an entrypoint of ours is written whole.
func (f *former) wireCommand(t target, s settings) []jsonpatch.Operation {
	path, byEnv := t.path+"/command", s.deliver == contract.DeliverEnv
	operations := removeWords(t.path+"/args", t.addedToArgs())
	ours := t.addedToCommand()
	if len(f.ownCommand(t)) == 0 {
		entrypoint := contract.Exec(s.entrypoint)
		switch {
		case !byEnv && len(ours) > 0:
			return append(operations, remove(path))
		case byEnv && !slices.Equal(t.Command, entrypoint):
			return append(operations, add(path, entrypoint))
		}
		return operations
	}
	stands := byEnv && isExec(t.Command)
	if stands {
		ours = ours[len(execCommand):]
	}
	operations = append(operations, removeWords(path, ours)...)
	if byEnv && !stands {
		for i, word := range execCommand {
			operations = append(operations, add(fmt.Sprintf("%s/%d", path, i), word))
		}
	}
	return operations
}

// removeWords takes words out of a list, the last one first.
func removeWords(path string, at []int) (operations []jsonpatch.Operation) {
	for _, i := range slices.Backward(at) {
		operations = append(operations, remove(fmt.Sprintf("%s/%d", path, i)))
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
