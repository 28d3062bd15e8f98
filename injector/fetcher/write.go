package fetcher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// The folder is laid out as Kubernetes lays out its Secret volumes: the files of one run are a set, a folder of their
// own, and the name that each is known by leads there through one link.
//
//	connections.json -> ..data/connections.json
//	files            -> ..data/files
//	..data           -> ..set-1234567890
//	..set-1234567890/connections.json
//
// So all files change at once, when ..data is renamed, and whoever opens ..data sees one set and never half of another. Where
// there are two folders, they change one right after the other, once both sets are written.
const (
	dataLink  = "..data"
	newLink   = "..data_tmp"
	setPrefix = "..set-"
)

// delivery is what one folder is to hold.
type delivery struct {
	directory string
	mode      fs.FileMode // of the files
	files     map[string][]byte
	// program is a file to be copied beside them under the name contract.ExecProgram, for anybody to run. Empty: none.
	program string
}

// write puts the report into the first folder, and into each what it is to hold, in place of what an earlier run has put
// there. If it fails, every folder holds what it held before: nothing, or the earlier set.
func write(report contract.Report, deliveries ...delivery) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	deliveries = slices.Clone(deliveries)
	deliveries[0].files = maps.Clone(deliveries[0].files)
	deliveries[0].files[contract.ReportFile] = append(text, '\n')
	if err := checkSize(deliveries); err != nil {
		return err
	}
	writers := make([]*writer, len(deliveries))
	for i, d := range deliveries {
		writers[i] = &writer{delivery: d}
	}
	if err := replace(writers); err != nil {
		for _, w := range slices.Backward(writers) {
			w.undo()
		}
		return &contract.Error{Code: contract.WriteFailed, Detail: remedy(err), Err: err}
	}
	return nil
}

func checkSize(deliveries []delivery) error {
	var size int
	for _, d := range deliveries {
		for _, content := range d.files {
			size += len(content)
		}
	}
	if size > contract.MaxWrittenBytes {
		return tooLarge(size)
	}
	return nil
}

func tooLarge(size int) error {
	return &contract.Error{Code: contract.TooLarge, Detail: fmt.Sprintf("the files would have %d bytes or more, and the limit is %d", size, contract.MaxWrittenBytes)}
}

// replace turns all folders to their new sets. What may fail for want of room or rights comes before the first turn.
func replace(writers []*writer) error {
	for _, w := range writers {
		if err := w.prepare(); err != nil {
			return err
		}
	}
	for _, w := range writers {
		if err := w.turn(); err != nil {
			return err
		}
	}
	for _, w := range writers {
		w.sweep(w.set)
	}
	return nil
}

// writer replaces the set of one folder by another.
type writer struct {
	delivery
	made     []string // paths made by this run, oldest first
	old, set string   // names of the sets
	turned   bool
}

// prepare writes the new set and its links beside the old set. On a first run the links lead nowhere until the turn, which
// to a reader is the same as no file; so the whole set appears with ..data.
func (w *writer) prepare() (err error) {
	if err := w.makeDirectory(w.directory); err != nil {
		return err
	}
	w.old = w.current()
	w.sweep(w.old)
	if w.set, err = w.writeSet(); err != nil {
		return err
	}
	for _, name := range w.entries() {
		if err := w.link(filepath.Join(dataLink, name), name); err != nil {
			return err
		}
	}
	return w.link(w.set, newLink)
}

// turn lets readers have the new set.
func (w *writer) turn() error {
	err := os.Rename(w.path(newLink), w.path(dataLink))
	w.turned = err == nil
	return err
}

// entries are the names in the folder by which the files are reached, in order: a file's own, or that of its folder.
func (w *writer) entries() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		if first, _, _ := strings.Cut(name, "/"); !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	if w.program != "" {
		names = append(names, contract.ExecProgram)
	}
	return names
}

func (w *writer) path(name string) string { return filepath.Join(w.directory, name) }

// makeDirectory makes the directory and the parents it lacks. One that is there keeps its mode.
func (w *writer) makeDirectory(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := w.makeDirectory(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, directoryMode); err != nil {
		return err
	}
	w.made = append(w.made, path)
	return letIn(path)
}

const (
	directoryMode = 0o755
	programMode   = 0o555
)

// current is the name of the set that ..data leads to, or empty.
func (w *writer) current() string {
	set, err := os.Readlink(w.path(dataLink))
	if err != nil {
		return ""
	}
	return set
}

// sweep removes all sets but one: the one just replaced, and what a run that was killed has left behind, which would
// fill the volume when the container is restarted in its pod. What cannot be removed is left to the next run.
func (w *writer) sweep(keep string) {
	entries, _ := os.ReadDir(w.directory)
	for _, e := range entries {
		if name := e.Name(); name == newLink || strings.HasPrefix(name, setPrefix) && name != keep {
			os.RemoveAll(w.path(name))
		}
	}
}

// writeSet writes the files into a folder of their own and returns its name. It does not wait for the disk: what takes
// the machine down takes the pod with it, and this program runs again before the pod's containers do.
func (w *writer) writeSet() (string, error) {
	set, err := os.MkdirTemp(w.directory, setPrefix+"*")
	if err != nil {
		return "", err
	}
	w.made = append(w.made, set)
	if err := letIn(set); err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		if err := makeFolders(set, filepath.Dir(name)); err != nil {
			return "", err
		}
		if err := writeFile(filepath.Join(set, name), bytes.NewReader(w.files[name]), w.mode); err != nil {
			return "", err
		}
	}
	if w.program != "" {
		err = copyProgram(w.program, filepath.Join(set, contract.ExecProgram))
	}
	return filepath.Base(set), err
}

// copyProgram copies a program without ever holding the whole of it.
func copyProgram(from, to string) error {
	program, err := os.Open(from)
	if err != nil {
		return err
	}
	defer program.Close()
	return writeFile(to, program, programMode)
}

// makeFolders makes what is missing of a path below the set.
func makeFolders(set, path string) error {
	if path == "." {
		return nil
	}
	if err := makeFolders(set, filepath.Dir(path)); err != nil {
		return err
	}
	path = filepath.Join(set, path)
	if err := os.Mkdir(path, directoryMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return letIn(path)
}

// letIn gives a folder that this run has made its mode, past the umask and MkdirTemp's own. It stays setgid, as it is in a
// volume that belongs to the pod's fsGroup: then the group of the volume is that of all that is put into the folder.
func letIn(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, directoryMode|info.Mode()&fs.ModeSetgid)
}

func writeFile(path string, content io.Reader, mode fs.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.Chmod(mode) // past the umask
}

// link makes a symbolic link, unless it is there already.
func (w *writer) link(target, name string) error {
	if old, err := os.Readlink(w.path(name)); err == nil && old == target {
		return nil
	}
	if err := os.Symlink(target, w.path(name)); err != nil {
		return err
	}
	w.made = append(w.made, w.path(name))
	return nil
}

// undo gives readers the old set again, if they have the new one, and removes what this run has made.
func (w *writer) undo() {
	if w.turned {
		if w.old == "" || os.Symlink(w.old, w.path(newLink)) != nil || os.Rename(w.path(newLink), w.path(dataLink)) != nil {
			os.Remove(w.path(dataLink)) // rather nothing than one folder of this run and one of another
		}
	}
	for _, path := range slices.Backward(w.made) {
		if strings.HasPrefix(filepath.Base(path), setPrefix) {
			os.RemoveAll(path)
		} else {
			os.Remove(path) // a folder only if nobody else has put anything into it
		}
	}
}

// remedy says what to do about a failure to write.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("user %d, group %d may not write there: set the pod's fsGroup, or let that user own the folder", os.Getuid(), os.Getgid())
	case errors.Is(err, syscall.EROFS):
		return "it is on a read-only file system: mount a writable volume there"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Sprintf("the volume is full: give it %d bytes, room for two sets of the largest size", contract.VolumeBytes)
	case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return "something else has that name: remove it, or choose another folder"
	}
	return "check the volume"
}
