package installer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"wormbell/packaging"
)

// programs are the three that always lie in one folder: the agent vouches for
// those beside it. Their mode keeps others from reading two of them, so that the
// kernel hides their memory from the user's other programs (docs/threat-model.md).
var programs = []struct {
	name string
	mode fs.FileMode
}{{"wormbelld", 0o755}, {"wormbell", 0o711}, {"wormbell-tray", 0o711}}

const tray = "wormbell-tray"

// programName is what a program's file is called on this system.
func (m *Machine) programName(name string) string {
	if m.OS == "windows" {
		return name + ".exe"
	}
	return name
}

// bin is the folder of the programs.
func (m *Machine) bin(prefix string) string {
	if m.OS == "windows" {
		return prefix
	}
	return filepath.Join(prefix, "bin")
}

// DefaultPrefix is where an installation puts what it brings, unless it is told
// otherwise: "/usr/local", or the folder for programs on Windows.
func (m *Machine) DefaultPrefix() string {
	if m.OS == "windows" {
		return `C:\Program Files\Wormbell`
	}
	return "/usr/local"
}

// layout returns the files of an installation: the programs of a source, and what
// makes the system start them. Files of share lie below
// prefix/share. Paths in units name the folder of the programs.
func (m *Machine) layout(c Config, from *source, withTray bool) (files []File, err error) {
	bin := m.bin(c.Prefix)
	for _, p := range programs {
		if p.name == tray && !withTray {
			continue
		}
		name := m.programName(p.name)
		files = append(files, File{Path: filepath.Join(bin, name), Mode: p.mode, Data: from.programs[p.name], kind: program})
	}
	add := func(k kind, path, text string) {
		files = append(files, File{Path: path, Mode: 0o644, Data: []byte(text), kind: k})
	}
	switch m.OS {
	case "linux":
		for _, one := range []struct {
			kind       kind
			name, path string
			tray       bool
		}{
			{unit, "systemd/wormbelld.service", unitPath, false},
			{autostart, "systemd/" + trayUnit, trayUnitPath, true},
			{autostart, "xdg/org.wormbell.Tray.desktop", autostartPath, true},
		} {
			if one.tray && !withTray {
				continue
			}
			text, err := data(one.name, bin)
			if err != nil {
				return nil, err
			}
			add(one.kind, one.path, text)
		}
	case "darwin":
		add(unit, "/Library/LaunchDaemons/"+LaunchdLabel+".plist", daemonPlist(filepath.Join(bin, "wormbelld"), m.State))
		if withTray {
			add(autostart, "/Library/LaunchAgents/"+launchdTray+".plist", agentPlist(filepath.Join(bin, tray)))
		}
	}
	if m.OS != "windows" {
		for _, f := range c.Share {
			f.Path, f.kind = filepath.Join(c.Prefix, "share", f.Path), extra
			if f.Mode == 0 {
				f.Mode = 0o644
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// data returns a file of the packages with the folder of the programs in it.
func data(name, bin string) (string, error) {
	b, err := fs.ReadFile(packaging.Files, name)
	if err != nil {
		return "", fmt.Errorf("the program was built without %q: %w", name, err)
	}
	return strings.ReplaceAll(string(b), "/usr/bin/", bin+"/"), nil
}

// brought are the files that a release lays beside the programs, in ../share:
// glob and the most that such a file may take, in bytes.
var brought = []string{"man/man1/wormbell*.1", "man/man1/wormbell*.1.gz", "applications/org.wormbell.*.desktop", "icons/hicolor/*/apps/wormbell.*"}

const maxBrought = 4 << 20

// Brought returns what a release's folder has beside its programs: man pages, the
// dashboard's entry for menus, its icon. source is the folder of the programs,
// which lies in prefix when the installed program is run; paths are below share.
// Entries of menus name the programs in bin. From a folder that others than root
// can change nothing is brought: an entry of a menu says what everybody runs.
func Brought(source, bin string) ([]File, error) {
	share := filepath.Join(filepath.Dir(source), "share")
	if exposed(share) != nil {
		return nil, nil
	}
	var files []File
	for _, glob := range brought {
		names, err := filepath.Glob(filepath.Join(share, filepath.FromSlash(glob)))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			b, err := readBrought(name)
			if err != nil {
				return nil, err
			}
			rel, err := filepath.Rel(share, name)
			if err != nil {
				return nil, err
			}
			if strings.HasSuffix(name, ".desktop") {
				b = []byte(strings.ReplaceAll(string(b), "/usr/bin/", filepath.ToSlash(bin)+"/"))
			}
			files = append(files, File{Path: rel, Data: b})
		}
	}
	return files, nil
}

func readBrought(name string) ([]byte, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBrought+1))
	if err == nil && len(b) > maxBrought {
		err = errors.New("it is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return b, nil
}

// has reports whether source holds the program.
func (m *Machine) has(source, name string) bool {
	info, err := os.Lstat(filepath.Join(source, m.programName(name)))
	return err == nil && info.Mode().IsRegular()
}
