package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
)

// Seed puts one version into the registry as if it had always been there.
// manifest is its package.json and must hold a name and a version; files are
// the other files, by their path inside the package.
func (s *Server) Seed(manifest map[string]any, files map[string]string) error {
	name, _ := manifest["name"].(string)
	version, _ := manifest["version"].(string)
	if name == "" || version == "" {
		return errors.New("seed a package: its manifest needs a name and a version")
	}
	tarball, err := Tarball(manifest, files)
	if err != nil {
		return fmt.Errorf("seed %s@%s: %w", name, version, err)
	}
	if _, err := s.add(name, version, manifest, nil, tarball, false); err != nil {
		return fmt.Errorf("seed %s@%s: %w", name, version, err)
	}
	return nil
}

// Tarball builds a package's .tgz as npm pack lays it out: everything below
// package/, package.json first, and nothing in it that changes from run to run.
func Tarball(manifest map[string]any, files map[string]string) ([]byte, error) {
	body, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode package.json: %w", err)
	}
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	out := tar.NewWriter(zip)
	add := func(name string, data []byte) error {
		h := &tar.Header{
			Name: "package/" + name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg,
			ModTime: time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC), // npm pack's own
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err := out.Write(data)
		return err
	}
	if err := add("package.json", append(body, '\n')); err != nil {
		return nil, fmt.Errorf("pack package.json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := add(name, []byte(files[name])); err != nil {
			return nil, fmt.Errorf("pack %q: %w", name, err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("close the tarball: %w", err)
	}
	return buf.Bytes(), nil
}

// unescape undoes the percent-encoding of one segment of a path.
func unescape(part string) (string, error) {
	seg, err := url.PathUnescape(part)
	if err != nil {
		return "", fmt.Errorf("read the path: %w", err)
	}
	return seg, nil
}
