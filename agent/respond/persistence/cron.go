package persistence

import (
	"context"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"

	"wormbell/internal/autostart"
	"wormbell/internal/cmdline"
)

// lookCron finds the lines of the user's crontab, crontab(5). The files
// themselves belong to cron, so cron is asked.
func lookCron(ctx context.Context, s *scan) {
	out, err := s.Run(ctx, nil, "crontab", "-l")
	if err != nil {
		if text := strings.ToLower(string(out) + err.Error()); !strings.Contains(text, "no crontab") && !missingProgram(err) {
			s.skip("the crontab: %v", err)
		}
		return
	}
	if len(out) > maxText {
		s.skip("the crontab: %v", errTooLarge)
		return
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		when, command, ok := cronLine(line)
		if !ok {
			if e := (&entry{what: Cron, path: "crontab", part: "line " + itoa(n), file: true, starts: true}); e.environment(s, strings.TrimSpace(line)) {
				e.steps = []step{{Kind: stepCron, Old: line}}
				s.add(e)
			}
			continue
		}
		e := &entry{what: Cron, path: "crontab", part: "line " + itoa(n), text: line, file: true, starts: true, repeats: "cron starts it again and again (" + clean(when) + ")",
			inline: []string{command}, steps: []step{{Kind: stepCron, Old: line}}}
		if when == "@reboot" {
			e.repeats = ""
		}
		s.commandLine(e, command)
		s.add(e)
	}
}

var cronFields = regexp.MustCompile(`^\s*(@\w+|(?:[\d*/,a-zA-Z~?#LW-]+\s+){4}[\d*/,a-zA-Z~?#LW-]+)\s+(\S.*)$`)

// cronLine takes a line apart. A percent sign ends the command: what follows
// is its input, which a shell would run as well.
func cronLine(line string) (when, command string, ok bool) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return "", "", false
	}
	m := cronFields.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], strings.ReplaceAll(strings.ReplaceAll(m[2], `\%`, "\x00"), "%", "\n"), true
}

// commandLine notes what each command of a shell's line runs. The line itself
// is code too, for whom it names.
func (s *scan) commandLine(e *entry, line string) {
	dir := s.Home
	for _, part := range cmdline.Commands(strings.ReplaceAll(line, "\x00", "%")) {
		words := cmdline.Split(part, false)
		if len(words) == 2 && words[0] == "cd" {
			dir = s.files.untilde(s.files.folders().Replace(words[1]))
			continue
		}
		e.execute(s, words, dir)
	}
}

// lookSession finds files that a login reads, environment.d(5) and pam_env(8),
// and whether the user's services run while nobody is logged in.
func lookSession(_ context.Context, s *scan) {
	var files []string
	dir := s.files.inHome(".config/environment.d")
	for _, name := range s.list(dir) {
		if strings.HasSuffix(name, ".conf") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	files = append(files, s.files.inHome(".pam_environment"))
	for _, p := range files {
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			line = strings.TrimRight(line, "\r\n")
			e := &entry{what: Session, path: p, part: "line " + itoa(n), text: line, changed: when, file: true, starts: true}
			if e.environment(s, strings.TrimSpace(line)) {
				e.steps = []step{{Kind: stepLine, From: p, Old: line}}
				s.add(e)
			}
		}
	}
	for _, name := range autostart.SessionFiles {
		s.shellFile(s.files.inHome(name))
	}
	if u, err := user.LookupId(itoa(s.UID)); err == nil {
		p := s.files.sys("/var/lib/systemd/linger/" + u.Username)
		if when := linkChanged(p); !when.IsZero() {
			s.add(&entry{what: Linger, path: p, changed: when, byHand: "loginctl disable-linger", tell: "the user's services run while nobody is logged in"})
		}
	}
}
