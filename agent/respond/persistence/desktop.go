package persistence

import (
	"context"
	"path/filepath"
	"strings"

	"wormbell/internal/autostart"
	"wormbell/internal/cmdline"
)

// lookDesktop finds what a desktop starts at login, and what D-Bus starts when
// somebody asks for a name.
func lookDesktop(_ context.Context, s *scan) {
	for _, dir := range autostart.DesktopFolders {
		dir = s.files.inHome(dir)
		for _, name := range s.list(dir) {
			p := filepath.Join(dir, name)
			if strings.HasSuffix(name, ".desktop") {
				s.desktopFile(p)
			} else if scriptLike(name) || strings.Contains(dir, "autostart-scripts") || strings.Contains(dir, "plasma-workspace") || strings.HasSuffix(dir, "Autostart") || name == "autostart" {
				s.startedFile(Autostart, p)
			}
		}
	}
	dir := s.files.inHome(".local/share/dbus-1/services")
	for _, name := range s.list(dir) {
		p := filepath.Join(dir, name)
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		f := unitFields(b)
		e := &entry{what: Activation, path: p, changed: when, starts: true, steps: []step{{Kind: stepMove, From: p}}}
		for _, line := range f["D-BUS Service.Exec"] {
			e.text = line
			e.execute(s, cmdline.Split(line, false), s.Home)
		}
		s.add(e)
	}
}

func scriptLike(name string) bool { return scriptExt.MatchString(name) }

// startedFile is a file that is run as it is.
func (s *scan) startedFile(what, p string) {
	_, info, err := s.files.resolve(p)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	s.add(&entry{what: what, path: p, changed: linkChanged(p), starts: true, text: s.files.tilde(p), runs: []string{p}, steps: []step{{Kind: stepMove, From: p}}})
}

// desktopFile reads an autostart entry, Desktop Entry Specification and
// Desktop Application Autostart Specification.
func (s *scan) desktopFile(p string) {
	b, when, ok := s.open(p)
	if !ok {
		return
	}
	f := unitFields(b)
	last := func(key string) string {
		v := f["Desktop Entry."+key]
		if len(v) == 0 {
			return ""
		}
		return v[len(v)-1]
	}
	e := &entry{what: Autostart, path: p, changed: when, text: last("Exec"), starts: last("Hidden") != "true" && last("X-GNOME-Autostart-enabled") != "false",
		steps: []step{{Kind: stepMove, From: p}}}
	dir := s.Home
	if d := last("Path"); d != "" {
		dir = s.files.untilde(d)
	}
	words := cmdline.Split(strings.ReplaceAll(e.text, "%%", "%"), false)
	for i := len(words) - 1; i >= 0; i-- {
		if len(words[i]) == 2 && words[i][0] == '%' && words[i] != "%h" { // %u, %F: what it is opened with
			words = append(words[:i], words[i+1:]...)
		}
	}
	e.execute(s, words, dir)
	if t := last("TryExec"); t != "" {
		e.execute(s, []string{t}, dir)
	}
	s.add(e)
}
