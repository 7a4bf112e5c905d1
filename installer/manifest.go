package installer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Manifest says what an installation has put on a machine. It lies in the state
// folder and is root's.
type Manifest struct {
	Version  int       `json:"version"`  // 1
	Wormbell string    `json:"wormbell"` // version that was installed
	Prefix   string    `json:"prefix"`
	Time     time.Time `json:"time"`
	Files    []Entry   `json:"files"`
	Folders  []string  `json:"folders"` // that were made for it, those above first
	Tray     bool      `json:"tray"`
	Started  bool      `json:"started"` // false: the person asked for no start
}

// Entry is one file that was put.
type Entry struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Kind   string `json:"kind,omitempty"` // "program" or "unit"
}

// maxManifest is more than any of ours takes, in bytes.
const maxManifest = 1 << 20

func (m *Machine) manifestPath() string { return filepath.Join(m.State, manifestName) }

// ErrNotInstalled says that there is no manifest: nothing that 'wormbell install'
// has put.
var ErrNotInstalled = errors.New("there is nothing on this machine that 'wormbell install' has put")

// manifest reads what is installed. The error wraps [ErrNotInstalled] if nothing is.
func (m *Machine) manifest() (Manifest, error) {
	var out Manifest
	f, err := openRegular(m.path(m.manifestPath()))
	if errors.Is(err, fs.ErrNotExist) {
		return out, ErrNotInstalled
	}
	if err != nil {
		return out, fmt.Errorf("read %q: %w", m.manifestPath(), err)
	}
	defer f.Close()
	// What it lists will be removed by root.
	if info, err := f.Stat(); err != nil || !ownedByUs(info) || m.OS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return out, fmt.Errorf("read %q: others than root could have written it: %w", m.manifestPath(), errors.Join(err, fs.ErrPermission))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return out, fmt.Errorf("read %q: %w", m.manifestPath(), err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, fmt.Errorf("read %q: %w", m.manifestPath(), err)
	}
	if out.Version != 1 {
		return out, fmt.Errorf("read %q: it is of version %d, which this program does not know", m.manifestPath(), out.Version)
	}
	for _, e := range out.Files {
		if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path {
			return out, fmt.Errorf("read %q: %q is not a path that was put", m.manifestPath(), e.Path)
		}
	}
	for _, d := range out.Folders {
		if !filepath.IsAbs(d) || filepath.Clean(d) != d {
			return out, fmt.Errorf("read %q: %q is not a folder that was made", m.manifestPath(), d)
		}
	}
	return out, nil
}

// writeManifest writes it, for root alone, as a whole or not at all.
func (m *Machine) writeManifest(x Manifest) error {
	b, err := json.MarshalIndent(x, "", "\t")
	if err != nil {
		return err
	}
	s, err := m.stage(File{Path: m.manifestPath(), Mode: 0o600, Data: append(b, '\n')})
	if err != nil {
		return err
	}
	if err := replace(s.temp, m.path(m.manifestPath())); err != nil {
		os.Remove(s.temp)
		return err
	}
	return syncDir(m.path(m.State))
}

// under reports whether path lies in dir or is it.
func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
