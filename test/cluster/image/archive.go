// Package image makes container images without a registry, and reads what is in them.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Config is what an image says about its containers.
type Config struct {
	User       string   `json:",omitempty"` // uid or uid:gid
	WorkingDir string   `json:",omitempty"`
	Entrypoint []string `json:",omitempty"`
	Cmd        []string `json:",omitempty"`
	Env        []string `json:",omitempty"` // NAME=value
}

// Write makes a docker-archive of one image of one layer: all that is under root, with owners, modes and times as they
// are there (compiled Python names its source's time). The same folder gives the same bytes.
func Write(archive, reference, root string, config Config) (err error) {
	layer, err := os.CreateTemp(filepath.Dir(archive), "layer-")
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	digest := sha256.New()
	if err := writeLayer(io.MultiWriter(layer, digest), root); err != nil {
		return fmt.Errorf("writing the layer of %s: %w", reference, err)
	}
	file, err := os.Create(archive)
	if err != nil {
		return err
	}
	if err := writeArchive(file, layer, hex.EncodeToString(digest.Sum(nil)), reference, config); err != nil {
		return fmt.Errorf("writing the image %s: %w", reference, errors.Join(err, file.Close()))
	}
	return file.Close()
}

// writeArchive writes what names the layer, and the layer.
func writeArchive(archive io.Writer, layer *os.File, digest, reference string, config Config) error {
	imageConfig, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	})
	if err != nil {
		return err
	}
	const configName, layerName = "config.json", "layer.tar"
	manifest, err := json.Marshal([]any{map[string]any{"Config": configName, "RepoTags": []string{reference}, "Layers": []string{layerName}}})
	if err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := tar.NewWriter(archive)
	for _, member := range []struct {
		name    string
		size    int64
		content io.Reader
	}{
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
		{configName, int64(len(imageConfig)), bytes.NewReader(imageConfig)},
		{layerName, size, layer},
	} {
		if err := out.WriteHeader(&tar.Header{Name: member.name, Mode: 0o644, Size: member.size}); err != nil {
			return err
		}
		if _, err := io.Copy(out, member.content); err != nil {
			return err
		}
	}
	return out.Close()
}

// writeLayer writes a folder in the order of its names.
func writeLayer(layer io.Writer, root string) error {
	out := tar.NewWriter(layer)
	links := map[uint64]string{} // inode → the name it was written under
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return writeMember(out, path, name, entry, links)
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func writeMember(out *tar.Writer, path, name string, entry fs.DirEntry, links map[uint64]string) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = name
	if info.IsDir() {
		header.Name += "/"
	}
	header.Uname, header.Gname = "", ""
	header.ModTime = header.ModTime.Truncate(time.Second)
	if info.Mode()&fs.ModeSymlink != 0 {
		header.ModTime = time.Time{} // nobody reads that of a link
	}
	header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
	stat := info.Sys().(*syscall.Stat_t)
	if first, again := links[stat.Ino]; again && info.Mode().IsRegular() {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
	} else if stat.Nlink > 1 {
		links[stat.Ino] = name
	}
	if err := out.WriteHeader(header); err != nil || header.Size == 0 {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(out, file)
	return err
}
