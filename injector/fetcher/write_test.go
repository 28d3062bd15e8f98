package fetcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

func set(content string) map[string][]byte {
	return map[string][]byte{contract.ConnectionsFile: []byte(content), contract.VariablesFile: []byte(content)}
}

// write1 writes to one folder.
func write1(directory string, mode contract.FileMode, files map[string][]byte, report contract.Report) error {
	return write(report, delivery{directory: directory, mode: fs.FileMode(mode), files: files})
}

func mustWrite(t *testing.T, directory, content string) {
	t.Helper()
	if err := write1(directory, 0o444, set(content), contract.NewReport()); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is in a folder, links with their targets, sets under one name.
func tree(t *testing.T, directory string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		name, _ := filepath.Rel(directory, path)
		if target, err := os.Readlink(path); err == nil {
			name += " -> " + target
		}
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(directory, dataLink)); err == nil {
		for i := range out {
			out[i] = strings.Replace(out[i], target, "SET", 1)
		}
	}
	slices.Sort(out)
	return out
}

var written = []string{
	"..data -> SET", "SET", "SET/connections.json", "SET/report.json", "SET/variables.json",
	"connections.json -> ..data/connections.json", "report.json -> ..data/report.json", "variables.json -> ..data/variables.json",
}

func expectTree(t *testing.T, directory string, want []string) {
	t.Helper()
	if got := tree(t, directory); !slices.Equal(got, want) {
		t.Errorf("the folder holds\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func expectFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is %q, %v, expected %q", path, got, err, want)
	}
}

func TestWriteMakesTheFolderAndModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		for _, mode := range []contract.FileMode{0o444, 0o400, 0o640} {
			root := t.TempDir()
			directory := filepath.Join(root, "made", "too")
			old := syscall.Umask(umask)
			err := write1(directory, mode, set("x"), contract.NewReport())
			syscall.Umask(old)
			if err != nil {
				t.Fatalf("umask %04o: %v", umask, err)
			}
			expectTree(t, directory, written)
			expectMode(t, filepath.Join(root, "made"), 0o755)
			expectMode(t, directory, 0o755)
			expectMode(t, filepath.Join(directory, dataLink), 0o755)
			for name := range set("") {
				expectMode(t, filepath.Join(directory, name), fs.FileMode(mode))
			}
		}
	}
}

func expectMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
		t.Errorf("%s has mode %v, %v, expected %v", path, info.Mode().Perm(), err, want)
	}
}

func TestWriteKeepsTheModeOfAFolderThatIsThere(t *testing.T) {
	directory := t.TempDir()
	os.Chmod(directory, 0o777)
	mustWrite(t, directory, "x")
	expectMode(t, directory, 0o777)
}

func TestWriteReplacesTheOldSet(t *testing.T) {
	directory := t.TempDir()
	mustWrite(t, directory, "old")
	mustWrite(t, directory, "new")
	expectTree(t, directory, written)
	expectFile(t, filepath.Join(directory, contract.ConnectionsFile), "new")
}

// A container may be killed at any point, and is then started again over what it left.
func TestWriteSweepsWhatAKilledRunLeft(t *testing.T) {
	directory := t.TempDir()
	mustWrite(t, directory, "old")
	os.Mkdir(filepath.Join(directory, setPrefix+"left"), 0o700)
	os.WriteFile(filepath.Join(directory, setPrefix+"left", contract.ConnectionsFile), []byte("half"), 0o400)
	os.Symlink(setPrefix+"left", filepath.Join(directory, newLink))
	mustWrite(t, directory, "new")
	expectTree(t, directory, written)
	expectFile(t, filepath.Join(directory, contract.VariablesFile), "new")
}

func TestWriteLeavesOtherFilesAlone(t *testing.T) {
	directory := t.TempDir()
	os.WriteFile(filepath.Join(directory, "theirs"), []byte("x"), 0o600)
	mustWrite(t, directory, "new")
	expectFile(t, filepath.Join(directory, "theirs"), "x")
}

// Each way to fail must leave the folder as it was: without a set, or with the old one whole.
func TestWriteIsAllOrNothing(t *testing.T) {
	tests := map[string]struct {
		spoil func(directory string) // makes the next write fail
		code  contract.Code
		says  string
	}{
		"a file in the way of a link": {func(d string) {
			os.Remove(filepath.Join(d, contract.VariablesFile))
			os.WriteFile(filepath.Join(d, contract.VariablesFile), []byte("theirs"), 0o600)
		}, contract.WriteFailed, "remove it"},
		"a folder in the way of the new link": {func(d string) {
			os.Remove(filepath.Join(d, dataLink))
			os.Mkdir(filepath.Join(d, dataLink), 0o700)
		}, contract.WriteFailed, dataLink},
	}
	for name, test := range tests {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first run %v", name, first), func(t *testing.T) {
				directory := t.TempDir()
				if !first {
					mustWrite(t, directory, "old")
				}
				test.spoil(directory)
				before := tree(t, directory)
				err := write1(directory, 0o444, set("new"), contract.NewReport())
				var e *contract.Error
				if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), directory) {
					t.Errorf("error is %v, expected code %s, the path and %q", err, test.code, test.says)
				}
				if after := tree(t, directory); name != "a folder in the way of the new link" && !slices.Equal(before, after) {
					t.Errorf("the folder held %q and now holds %q", before, after)
				}
			})
		}
	}
}

// The turn of the second folder comes last, and takes that of the first back where it fails.
func TestWriteTurnsBothFoldersOrNone(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first run %v", first), func(t *testing.T) {
			root := t.TempDir()
			one, two := filepath.Join(root, "one"), filepath.Join(root, "two")
			both := func(content string) error {
				return write(contract.NewReport(), delivery{directory: one, mode: 0o444, files: set(content)},
					delivery{directory: two, mode: 0o444, files: map[string][]byte{contract.EnvFile: []byte(content)}, program: os.Args[0]})
			}
			if !first {
				if err := both("old"); err != nil {
					t.Fatal(err)
				}
				expectMode(t, filepath.Join(two, contract.ExecProgram), 0o555)
				os.Remove(filepath.Join(two, dataLink))
			}
			os.MkdirAll(filepath.Join(two, dataLink, "in the way"), 0o755)
			var e *contract.Error
			if err := both("new"); !errors.As(err, &e) || e.Code != contract.WriteFailed {
				t.Fatalf("error is %v, expected code %s", err, contract.WriteFailed)
			}
			if first {
				expectTree(t, root, []string{"two", "two/..data", "two/..data/in the way"})
				return
			}
			expectTree(t, one, written)
			expectFile(t, filepath.Join(one, contract.ConnectionsFile), "old")
		})
	}
}

func TestWriteIntoWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	for _, directory := range []string{file, filepath.Join(file, "below")} {
		err := write1(directory, 0o444, set("x"), contract.NewReport())
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "something else has that name") {
			t.Errorf("writing to %s gives %v, expected the path and what to do", directory, err)
		}
	}
}

func TestWriteRemovesTheFoldersItMadeInVain(t *testing.T) {
	root := t.TempDir()
	err := write1(filepath.Join(root, "a", "b"), 0o444, map[string][]byte{"file": nil, "file/below": nil}, contract.NewReport())
	if err == nil {
		t.Fatal("a file in a file was written")
	}
	if left := tree(t, root); len(left) != 0 {
		t.Errorf("%q is left, expected nothing", left)
	}
}

func TestRemedies(t *testing.T) {
	tests := map[error]string{
		&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}:  fmt.Sprintf("user %d", os.Getuid()),
		&fs.PathError{Op: "open", Path: "/x", Err: syscall.EPERM}:   "fsGroup",
		&fs.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}:   "read-only",
		&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}: "the volume is full",
		&os.LinkError{Op: "symlink", Err: syscall.EEXIST}:           "remove it",
		&fs.PathError{Op: "write", Path: "/x", Err: syscall.EIO}:    "check the volume",
	}
	for err, want := range tests {
		if got := remedy(err); !strings.Contains(got, want) {
			t.Errorf("%v: remedy is %q, expected it to hold %q", err, got, want)
		}
	}
}

// A reader that opens ..data has one whole set, old or new, however often it is replaced meanwhile, and one that opens a
// file by the name that Airflow knows has that file whole. Who has found the old set may find its files gone: then it
// looks again.
func TestReadersSeeWholeSets(t *testing.T) {
	directory := t.TempDir()
	mustWriteSet(t, directory, 0)
	stop := make(chan struct{})
	var sets, setsGone, files, filesGone atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					count(expectWholeSet(t, directory), &sets, &setsGone)
					count(expectWholeFiles(t, directory), &files, &filesGone)
				}
			}
		})
	}
	const swaps = 300
	for i := range swaps {
		mustWriteSet(t, directory, i+1)
	}
	close(stop)
	readers.Wait()
	expectTree(t, directory, written)
	t.Logf("%d swaps: as a set %d times read and %d times gone meanwhile, by names %d and %d", swaps, sets.Load(), setsGone.Load(), files.Load(), filesGone.Load())
	if sets.Load() == 0 || files.Load() == 0 {
		t.Error("no reader ever saw the files")
	}
}

func count(found bool, yes, no *atomic.Int64) {
	if found {
		yes.Add(1)
	} else {
		no.Add(1)
	}
}

// mustWriteSet writes three files that all say the number of their set, many times over.
func mustWriteSet(t *testing.T, directory string, number int) {
	t.Helper()
	report := contract.NewReport()
	report.Warnings = []string{whole(number)}
	if err := write1(directory, 0o444, set(whole(number)), report); err != nil {
		t.Fatal(err)
	}
}

// whole is larger than a page.
func whole(number int) string { return strings.Repeat(fmt.Sprintf("%06d ", number), 2_000) }

// numberOf is the number in a content, which must be whole.
func numberOf(t *testing.T, name, content string) (number int) {
	if name == contract.ReportFile {
		var report contract.Report
		if err := json.Unmarshal([]byte(content), &report); err != nil || len(report.Warnings) != 1 {
			t.Errorf("a reader saw a report of %d bytes: %v", len(content), err)
			return -1
		}
		content = report.Warnings[0]
	}
	if number, _ = strconv.Atoi(content[:min(len(content), 6)]); content != whole(number) {
		t.Errorf("a reader saw %d bytes of %s, which start with %.20q", len(content), name, content)
	}
	return number
}

func expectWholeSet(t *testing.T, directory string) (found bool) {
	data, err := os.OpenRoot(filepath.Join(directory, dataLink))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Error(err)
		return false
	}
	defer data.Close()
	numbers := map[int]bool{}
	for _, name := range []string{contract.ConnectionsFile, contract.VariablesFile, contract.ReportFile} {
		content, err := data.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err != nil {
			t.Error(err)
		}
		numbers[numberOf(t, name, string(content))] = true
	}
	if len(numbers) != 1 {
		t.Errorf("a reader saw a mixture of the sets %v", numbers)
	}
	return true
}

func expectWholeFiles(t *testing.T, directory string) (found bool) {
	for _, name := range []string{contract.ConnectionsFile, contract.VariablesFile, contract.ReportFile} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err != nil {
			t.Error(err)
		}
		numberOf(t, name, string(content))
	}
	return true
}
