package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Content is what an archive holds.
type Content struct {
	Config Config
	Files  map[string]int64 // path without leading slash → bytes; folders end in a slash
	Size   int64            // bytes of all files
}

// Read reads a docker-archive of one image.
func Read(archive string) (Content, error) {
	members, err := readMembers(archive)
	if err != nil {
		return Content{}, fmt.Errorf("reading the image %s: %w", archive, err)
	}
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(members["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		return Content{}, fmt.Errorf("reading the image %s: manifest.json lists %d images (%v), expected one", archive, len(manifest), err)
	}
	var image struct{ Config Config }
	if err := json.Unmarshal(members[manifest[0].Config], &image); err != nil {
		return Content{}, fmt.Errorf("reading the image %s: its configuration: %w", archive, err)
	}
	content := Content{Config: image.Config, Files: map[string]int64{}}
	for _, layer := range manifest[0].Layers {
		if err := content.add(members[layer]); err != nil {
			return Content{}, fmt.Errorf("reading the image %s: layer %s: %w", archive, layer, err)
		}
	}
	return content, nil
}

func readMembers(archive string) (map[string][]byte, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	members := map[string][]byte{}
	for in := tar.NewReader(file); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		if members[header.Name], err = io.ReadAll(in); err != nil {
			return nil, err
		}
	}
}

// add adds the files of a layer, which may be compressed.
func (c *Content) add(layer []byte) error {
	var plain io.Reader = bytes.NewReader(layer)
	if bytes.HasPrefix(layer, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(plain)
		if err != nil {
			return err
		}
		plain = unzipped
	}
	for in := tar.NewReader(plain); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Files[header.Name] = header.Size
		c.Size += header.Size
	}
}
