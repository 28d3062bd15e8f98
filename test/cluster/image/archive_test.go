package image

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

// tree makes a folder with every kind of file that an image may hold.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "bin/one"), []byte("one"), 0o755))
	must(t, os.Link(filepath.Join(root, "bin/one"), filepath.Join(root, "bin/two")))
	must(t, os.Symlink("one", filepath.Join(root, "bin/three")))
	must(t, os.WriteFile(filepath.Join(root, "empty"), nil, 0o600))
	must(t, forgetTimes(root))
	return root
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "image.tar")
	config := Config{User: "50000", WorkingDir: "/opt", Entrypoint: []string{"/bin/one"}, Cmd: []string{"a"}, Env: []string{"PATH=/bin"}}
	must(t, Write(archive, "localhost/one:1", tree(t), config))
	content, err := Read(archive)
	must(t, err)
	if !reflect.DeepEqual(content.Config, config) {
		t.Errorf("the configuration is %+v, expected %+v", content.Config, config)
	}
	if got, want := slices.Sorted(maps.Keys(content.Files)), []string{"bin/", "bin/one", "bin/three", "bin/two", "empty"}; !slices.Equal(got, want) {
		t.Errorf("the image holds %q, expected %q", got, want)
	}
	if content.Size != 3 {
		t.Errorf("the image has %d bytes, expected 3: the second name of a file costs nothing", content.Size)
	}
}

// TestSameFolderSameBytes writes two folders that differ in nothing but when they were made.
func TestSameFolderSameBytes(t *testing.T) {
	write := func() []byte {
		archive := filepath.Join(t.TempDir(), "image.tar")
		must(t, Write(archive, "localhost/one:1", tree(t), Config{}))
		bytes, err := os.ReadFile(archive)
		must(t, err)
		return bytes
	}
	first := write()
	time.Sleep(1100 * time.Millisecond) // an archive knows seconds
	if !bytes.Equal(first, write()) {
		t.Error("two archives of the same content differ")
	}
}

func TestReadRefusesWhatIsNoImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no.tar")
	must(t, os.WriteFile(file, []byte("no archive"), 0o600))
	for _, path := range []string{file, filepath.Join(t.TempDir(), "absent.tar")} {
		if _, err := Read(path); err == nil {
			t.Errorf("%s is read as an image", path)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
