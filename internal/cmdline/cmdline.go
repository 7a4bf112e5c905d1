// Package cmdline reads command lines as shells would, without running or
// expanding anything: words, the commands of a line, what stands before the
// program that is really run.
//
// It knows no program but those wrappers, and does no I/O.
package cmdline

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Split splits a command line as a shell would, without running or
// expanding anything. On Windows a backslash is part of a path.
func Split(line string, windows bool) []string {
	var words []string
	var b strings.Builder
	var quote rune
	started, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\' && !windows && quote != '\'':
			escaped, started = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				b.WriteRune(r)
			}
		case r == '"' || r == '\'' && !windows:
			quote, started = r, true
		case unicode.IsSpace(r):
			if started {
				words = append(words, b.String())
				b.Reset()
			}
			started = false
		default:
			b.WriteRune(r)
			started = true
		}
		if len(words) > 500 {
			return words
		}
	}
	if started {
		words = append(words, b.String())
	}
	return words
}

// wrapperFlags are flags of wrappers whose value is the next word.
var wrapperFlags = []string{"-n", "-u", "-C", "-k", "-s", "-c", "--signal", "--chdir", "--user", "-S", "-p", "-t"}

// What stands before the program that is really run, with how many of its own
// words come after its flags.
var wrappers = map[string]int{"env": 0, "nohup": 0, "setsid": 0, "nice": 0, "ionice": 0, "chrt": 0, "taskset": 1, "timeout": 1, "stdbuf": 0, "sudo": 0, "doas": 0,
	"flock": 1, "exec": 0, "command": 0, "systemd-cat": 0, "systemd-inhibit": 0, "dbus-run-session": 0, "dbus-launch": 0, "xvfb-run": 0, "caffeinate": 0, "start": 0, "busybox": 0, "time": 0, "chronic": 0,
	"unbuffer": 0, "conhost": 0, "uwsm-app": 0, "gtk-launch": 0}

// Base is the name of a program without folder and ".exe".
func Base(p string) string {
	p = path.Base(strings.ReplaceAll(p, `\`, "/"))
	return strings.TrimSuffix(strings.TrimSuffix(p, ".exe"), ".EXE")
}

// Unwrap takes off what only starts the real program.
func Unwrap(words []string) []string {
	for range 8 {
		for len(words) > 0 && strings.Contains(words[0], "=") && !strings.ContainsAny(words[0], `/\`) {
			words = words[1:] // A=b command
		}
		if len(words) < 2 {
			return words
		}
		skip, ok := wrappers[strings.ToLower(Base(words[0]))]
		if !ok {
			return words
		}
		rest := words[1:]
		for len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || strings.Contains(rest[0], "=") && !strings.HasPrefix(rest[0], "/")) {
			value := slices.Contains(wrapperFlags, rest[0])
			rest = rest[1:]
			if value && len(rest) > 0 {
				rest = rest[1:]
			}
		}
		if len(rest) <= skip {
			return words
		}
		words = rest[skip:]
	}
	return words
}

// Commands splits a shell's line at ; & | and newlines that no quote hides, and
// at parentheses and braces. No more than a hundred are returned.
func Commands(line string) []string {
	var out []string
	for _, c := range Pipes(line) {
		out = append(out, c.Text)
	}
	return out
}

// Piped is one command of a shell's line.
type Piped struct {
	Text string
	Pipe bool // its input is what the one before prints
}

// maxCommands bounds what an enemy's line can cost.
const maxCommands = 100

// Pipes is [Commands], with how each command hangs on the one before.
func Pipes(line string) []Piped {
	var out []Piped
	var quote rune
	start := 0
	marks := "" // the first two since the command before, closing ones aside
	add := func(text string) {
		text = strings.TrimSpace(text)
		for _, word := range []string{"then ", "do ", "else ", "if ", "while ", "until ", "! "} {
			text = strings.TrimPrefix(text, word)
		}
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, Piped{text, len(out) > 0 && strings.HasPrefix(marks, "|") && marks != "||"})
			marks = ""
		}
	}
	for i, r := range line {
		switch {
		case len(out) == maxCommands:
			return out
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case strings.ContainsRune(";&|\n(){}", r):
			add(line[start:i])
			if closing := r == ')' || r == '}'; len(marks) < 2 && !(closing && marks == "") {
				marks += string(r)
			}
			start = i + 1
		}
	}
	if len(out) < maxCommands {
		add(line[start:])
	}
	return out
}

var substitution = regexp.MustCompile(`\$\(([^()]*)\)|` + "`([^`]*)`" + `|<\(([^()]*)\)`)

// Parts are the commands of a line, those in substitutions too.
func Parts(code string) []string {
	parts := Commands(code)
	for range 3 {
		found := substitution.FindAllStringSubmatch(code, 20)
		if found == nil {
			break
		}
		for _, m := range found {
			parts = append(parts, Commands(m[1]+m[2]+m[3])...)
		}
		code = substitution.ReplaceAllString(code, " ")
	}
	return parts
}
