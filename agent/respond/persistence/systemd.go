package persistence

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/internal/autostart"
	"wormbell/internal/cmdline"
)

// unit is one systemd unit of the user, with what belongs to it.
type unit struct {
	name    string // "x.service"
	path    string
	fields  map[string][]string // "Service.ExecStart"
	changed time.Time
	links   []string // in *.wants and the like, which make it start
	dropins []string // files in x.service.d
	active  bool     // it is in a folder of units that were started by hand
}

// unitFolders are where a user's units come from, systemd.unit(5); without the
// system's own, which only root can write.
func (s *scan) unitFolders() []string {
	var dirs []string
	for _, dir := range autostart.UnitFolders {
		dirs = append(dirs, s.files.inHome(dir))
	}
	return append(dirs, s.runtime("systemd/user"), s.runtime("systemd/user.control"), s.runtime("systemd/transient"))
}

// runtime is a path in the user's folder in /run.
func (s *scan) runtime(p string) string {
	return s.files.sys(filepath.Join("/run/user", itoa(s.UID), p))
}

// lookSystemd finds units. A timer, a path and a socket are told of with the
// service that they start.
func lookSystemd(_ context.Context, s *scan) {
	units := map[string]*unit{}
	var order []string
	get := func(name string) *unit {
		if units[name] == nil {
			units[name] = &unit{name: name, fields: map[string][]string{}}
			order = append(order, name)
		}
		return units[name]
	}
	var linked []string // folders of links, which are not the units themselves
	for _, dir := range s.unitFolders() {
		for _, name := range s.list(dir) {
			p := filepath.Join(dir, name)
			switch {
			case strings.HasSuffix(name, ".d"):
				s.dropins(get(strings.TrimSuffix(name, ".d")), p)
			case strings.HasSuffix(name, ".wants") || strings.HasSuffix(name, ".requires") || strings.HasSuffix(name, ".upholds"):
				linked = append(linked, p)
			case unitKind(name):
				u := get(name)
				s.unitFile(u, p)
				u.active = u.active || strings.Contains(dir, "/run/user/")
			}
		}
	}
	for _, dir := range linked {
		for _, name := range s.list(dir) {
			u, p := get(name), filepath.Join(dir, name)
			u.links = append(u.links, p)
			u.late(linkChanged(p))
			if u.path == "" { // it leads to a unit elsewhere
				s.unitFile(u, p)
			}
		}
	}
	for _, name := range order {
		if kind := filepath.Ext(name); kind == ".service" || len(units[name].fields["Service.ExecStart"]) > 0 {
			s.addUnit(units[name], units)
		} else if kind == ".socket" || kind == ".timer" || kind == ".path" {
			if units[units[name].target()] == nil { // it starts a unit of the system's
				s.addUnit(units[name], units)
			}
		}
	}
	s.managerConfig()
}

func unitKind(name string) bool {
	return slices.Contains(autostart.UnitEndings, filepath.Ext(name))
}

// unitFile reads a unit's file. The first one found is the one that counts.
func (s *scan) unitFile(u *unit, p string) {
	b, when, ok := s.open(p)
	if !ok {
		return
	}
	u.late(when)
	if to, err := os.Readlink(p); err == nil && to == "/dev/null" {
		return // masked: it can never start
	}
	if u.path == "" {
		u.path = p
		for k, v := range unitFields(b) {
			u.fields[k] = append(u.fields[k], v...)
		}
	}
}

// dropins reads what changes a unit, also one of the system's.
func (s *scan) dropins(u *unit, dir string) {
	for _, name := range s.list(dir) {
		if !strings.HasSuffix(name, ".conf") {
			continue
		}
		p := filepath.Join(dir, name)
		if b, when, ok := s.open(p); ok {
			u.late(when)
			u.dropins = append(u.dropins, p)
			for k, v := range unitFields(b) {
				u.fields[k] = append(u.fields[k], v...)
			}
		}
	}
}

func (u *unit) late(t time.Time) {
	if t.After(u.changed) {
		u.changed = t
	}
}

// target is the unit that a timer, path or socket starts.
func (u *unit) target() string {
	kind := strings.TrimPrefix(filepath.Ext(u.name), ".")
	section := strings.ToUpper(kind[:1]) + kind[1:]
	if f := u.fields[section+".Unit"]; len(f) > 0 && kind != "socket" {
		return f[len(f)-1]
	}
	if f := u.fields["Socket.Service"]; len(f) > 0 {
		return f[len(f)-1]
	}
	return strings.TrimSuffix(u.name, filepath.Ext(u.name)) + ".service"
}

// commandKeys are the settings of a service that run something, systemd.service(5).
var commandKeys = []string{"ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost", "ExecReload", "ExecCondition"}

// addUnit makes an entry of u and what starts it.
func (s *scan) addUnit(u *unit, all map[string]*unit) {
	e := &entry{what: Unit, path: u.path, changed: u.changed, unit: []string{u.name}}
	if e.path == "" && len(u.dropins) > 0 {
		e.path, e.starts = u.dropins[0], true // of a unit of the system's, which does start
		e.part = "changes " + u.name
	}
	if e.path == "" {
		return // masked, or only a link to one of the system's
	}
	parts := []*unit{u}
	// A template's instances are started by links that name them.
	stem := strings.TrimSuffix(u.name, filepath.Ext(u.name))
	for _, name := range sortedKeys(all) {
		o := all[name]
		switch kind := filepath.Ext(o.name); {
		case o == u:
		case (kind == ".timer" || kind == ".path" || kind == ".socket") && o.target() == u.name:
			parts = append(parts, o)
		case strings.HasSuffix(stem, "@") && strings.HasPrefix(o.name, stem) && kind == ".service":
			parts = append(parts, o)
		}
	}
	for _, p := range parts {
		e.starts = e.starts || len(p.links) > 0 || p.active
		if p.changed.After(e.changed) {
			e.changed = p.changed
		}
		if !slices.Contains(e.unit, p.name) {
			e.unit = append(e.unit, p.name)
		}
		s.unitTimes(e, p)
		for _, link := range p.links {
			e.steps = append(e.steps, step{Kind: stepMove, From: link})
		}
		for _, d := range p.dropins {
			e.steps = append(e.steps, step{Kind: stepMove, From: d})
		}
		if p.path != "" && !slices.Contains(p.links, p.path) {
			e.steps = append(e.steps, step{Kind: stepMove, From: p.path})
		}
	}
	s.unitCommands(e, u)
	e.steps = append(e.steps, step{Kind: stepUnit, Names: e.unit})
	if u.path == "" {
		e.unit = nil // the unit's other processes are the system's: a desktop is not to be ended for a drop-in
	}
	s.add(e)
}

// unitTimes reads how a unit makes itself run again.
func (s *scan) unitTimes(e *entry, u *unit) {
	last := func(key string) string {
		f := u.fields[key]
		if len(f) == 0 {
			return ""
		}
		return f[len(f)-1]
	}
	if r := last("Service.Restart"); r == "always" || strings.HasPrefix(r, "on-") {
		e.repeats = "it is started again when it ends (Restart=" + clean(r) + ")"
	}
	for _, key := range []string{"OnCalendar", "OnUnitActiveSec", "OnUnitInactiveSec"} {
		if v := last("Timer." + key); v != "" {
			e.repeats = "a timer starts it again and again (" + key + "=" + clean(v) + ")"
		}
	}
	for _, key := range []string{"PathExists", "PathChanged", "PathModified", "PathExistsGlob", "DirectoryNotEmpty"} {
		if v := last("Path." + key); v != "" {
			e.repeats = "it is started when a file changes (" + key + "=" + clean(v) + ")"
		}
	}
}

// unitCommands reads what a unit runs.
func (s *scan) unitCommands(e *entry, u *unit) {
	dir := s.Home
	if d := u.fields["Service.WorkingDirectory"]; len(d) > 0 {
		dir = s.files.untilde(s.files.folders().Replace(strings.TrimPrefix(d[len(d)-1], "-")))
	}
	for _, key := range commandKeys {
		for _, line := range u.fields["Service."+key] {
			line = strings.TrimLeft(line, "@-:+!|")
			line = strings.NewReplacer("%%", "%", "$$", "$").Replace(line)
			if e.text == "" || key == "ExecStart" && !strings.Contains(e.text, line) {
				e.text = line
			}
			e.execute(s, cmdline.Split(line, false), dir)
		}
	}
	for _, key := range []string{"Service.Environment", "Manager.DefaultEnvironment"} {
		for _, line := range u.fields[key] {
			for _, w := range cmdline.Split(line, false) {
				e.environment(s, w)
			}
		}
	}
	for _, f := range append(u.fields["Service.EnvironmentFile"], u.fields["Unit.OnFailure"]...) {
		if p := s.files.find(strings.TrimPrefix(f, "-"), dir); p != "" {
			if b, _, ok := s.open(p); ok {
				for line := range strings.Lines(string(b)) {
					e.environment(s, strings.TrimSpace(line))
				}
			}
		}
	}
}

// execute notes what a command runs.
func (e *entry) execute(s *scan, words []string, dir string) {
	files, inline := takeApart(words)
	e.inline = append(e.inline, inline...)
	for _, w := range files {
		p := s.files.find(w, dir)
		if p == "" {
			p = s.files.missing(w, dir)
		}
		if p != "" && !slices.Contains(e.runs, p) {
			e.runs = append(e.runs, p)
		}
	}
}

// Variables that make programs load code of somebody else's choice.
var loadingVariables = []string{"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "NODE_OPTIONS", "BUN_OPTIONS", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME", "PERL5OPT", "PERL5LIB", "RUBYOPT", "BASH_ENV", "ENV",
	"DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "NPM_CONFIG_SCRIPT_SHELL", "NPM_CONFIG_NODE_OPTIONS", "npm_config_script_shell", "npm_config_node_options", "PROMPT_COMMAND", "EDITOR", "JAVA_TOOL_OPTIONS"}

// environment notes what NAME=value makes programs load, if it does.
func (e *entry) environment(s *scan, assignment string) bool {
	name, value, ok := strings.Cut(strings.TrimPrefix(assignment, "export "), "=")
	name = strings.TrimSpace(name)
	if !ok || !slices.Contains(loadingVariables, name) {
		return false
	}
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	any := false
	for _, w := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t=:;,", r) }) {
		p := s.files.find(w, "")
		if p == "" || !strings.ContainsAny(w, `/\`) {
			continue
		}
		if real, _, err := s.files.resolve(p); err != nil || s.files.place(real) == inSystem {
			continue
		}
		any = true
		e.runs = append(e.runs, p)
	}
	if any {
		e.extra.set(reloads, "%s makes other programs load its code", name)
		if e.text == "" {
			e.text = assignment
		}
	}
	return any
}

// managerConfig looks at what the user's service manager passes on to all.
func (s *scan) managerConfig() {
	files := []string{s.files.inHome(".config/systemd/user.conf")}
	dir := s.files.inHome(".config/systemd/user.conf.d")
	for _, name := range s.list(dir) {
		files = append(files, filepath.Join(dir, name))
	}
	for _, p := range files {
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		e := &entry{what: Session, path: p, changed: when, starts: true, steps: []step{{Kind: stepMove, From: p}}}
		for _, line := range unitFields(b)["Manager.DefaultEnvironment"] {
			for _, w := range cmdline.Split(line, false) {
				e.environment(s, w)
			}
		}
		if len(e.runs) > 0 {
			s.add(e)
		}
	}
}

// unitFields reads a file in the format of systemd.syntax(7): "Section.Key" to
// its values in order. An empty value clears those before it.
func unitFields(b []byte) map[string][]string {
	fields := map[string][]string{}
	section := ""
	var whole string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue // also between the parts of a line that goes on
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			whole += rest + " "
			continue
		}
		whole += line
		line, whole = strings.TrimSpace(whole), ""
		switch key, value, ok := strings.Cut(line, "="); {
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case ok:
			key = section + "." + strings.TrimSpace(key)
			if value = strings.TrimSpace(value); value == "" {
				delete(fields, key)
			} else if len(fields[key]) < 100 {
				fields[key] = append(fields[key], value)
			}
		}
	}
	return fields
}
