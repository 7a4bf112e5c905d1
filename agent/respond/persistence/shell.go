package persistence

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"wormbell/internal/autostart"
	"wormbell/internal/cmdline"
)

// lookShell finds lines in shells' start-up files that run something. There is
// no older version to compare with: only what a line runs can be young, and of
// lines that run nothing only those count that do harm.
func lookShell(_ context.Context, s *scan) {
	for _, name := range autostart.ShellFiles {
		s.shellFile(s.files.inHome(name))
	}
	for _, dir := range autostart.ShellFolders {
		dir = s.files.inHome(dir)
		for _, name := range s.list(dir) {
			if slices.Contains(autostart.ShellEndings, filepath.Ext(name)) {
				s.shellFile(filepath.Join(dir, name))
			}
		}
	}
}

// shellFile looks at one such file.
func (s *scan) shellFile(p string) {
	b, when, ok := s.open(p)
	if !ok {
		return
	}
	text := string(b)
	vars := assignments(text)
	vars["HOME"] = s.Home
	depth, at := 0, 0
	for n, line := range logicalLines(text) {
		from := at
		at += len(line)
		code := strings.TrimSpace(unfold(line))
		inside := depth > 0
		depth = max(0, depth+braces(code))
		if code == "" || strings.HasPrefix(code, "#") {
			continue
		}
		s.shellLine(&entry{what: Shell, path: p, part: "line " + itoa(n), text: code, changed: when, file: true, starts: true,
			steps: []step{{Kind: stepLine, From: p, Old: strings.TrimRight(line, "\r\n"), At: from}}}, code, vars, inside)
	}
}

var (
	aliasLine = regexp.MustCompile(`^\s*(?:alias|abbr)\s+(?:-\S+\s+)*([\w.-]+)[= ](.*)$`)
	testWords = []string{"[", "[[", "test", "export", "local", "declare", "typeset", "readonly", "set", "unset", "echo", "printf", "case", "function", "return", "true", "false", ":", "cd", "ls", "bindkey", "setopt", "autoload", "zstyle", "shopt", "PATH", "path", "fpath"}
)

// shellLine makes an entry of a line that runs something of the user's, makes
// programs load something, or does harm.
func (s *scan) shellLine(e *entry, code string, vars map[string]string, inside bool) {
	alias := aliasLine.FindStringSubmatch(code)
	if alias != nil {
		code = strings.Trim(alias[2], `"'`)
	}
	e.environment(s, code)
	for _, part := range cmdline.Parts(code) {
		words := cmdline.Split(expand(part, vars), false)
		for len(words) > 0 && (words[0] == "." || words[0] == "source" || words[0] == "builtin" || words[0] == "&" || words[0] == "dot" || strings.HasPrefix(words[0], "exec")) && len(words) > 1 {
			words = words[1:]
		}
		if len(words) > 0 && !slices.Contains(testWords, words[0]) {
			e.execute(s, words, s.Home)
		}
	}
	e.runs = slices.DeleteFunc(e.runs, func(p string) bool {
		g := s.program(p)
		return g.place == inSystem || g.gone || g.real == e.path
	})
	// What stands in a function or an alias runs when somebody calls it, so
	// that it is nobody's trap by itself.
	if !inside && alias == nil && !functionLine.MatchString(code) {
		if shows := behaviour(code, s.Sites, s.Home); shows.harms() {
			e.inline = append(e.inline, code)
		}
	} else {
		e.inline = nil
	}
	if len(e.runs) > 0 || len(e.inline) > 0 && behaviour(strings.Join(e.inline, "\n"), s.Sites, s.Home).harms() {
		s.add(e)
	}
}

var functionLine = regexp.MustCompile(`^\s*(?:function\s+[\w:.-]+|[\w:.-]+\s*\(\s*\))`)

// logicalLines yields lines with the number of the first, those that end in a
// backslash with what follows. Together they are the text.
func logicalLines(text string) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		n, first, held := 0, 0, ""
		for line := range strings.Lines(text) {
			n++
			if held == "" {
				first = n
			}
			held += line
			if bare := strings.TrimRight(line, "\r\n"); strings.HasSuffix(bare, `\`) && !strings.HasSuffix(bare, `\\`) && len(held) < maxText/4 {
				continue
			}
			if !yield(first, held) {
				return
			}
			held = ""
		}
		if held != "" {
			yield(first, held)
		}
	}
}

// braces is by how much a line changes the depth of functions.
func braces(code string) int {
	code = variable.ReplaceAllString(quoted.ReplaceAllString(code, ""), "")
	if i := strings.Index(code, " #"); i >= 0 {
		code = code[:i]
	}
	return strings.Count(code, "{") - strings.Count(code, "}")
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'`)

// Blocks of shells: what opens and closes them, by family.
var (
	opens      = regexp.MustCompile(`(?:^|[\s;&|({])(?:if|case|do|begin|select)(?:$|[\s;])|[({]`)
	closes     = regexp.MustCompile(`(?:^|[\s;&|)}])(?:fi|esac|done|end)(?:$|[\s;&|)}<>])|[)}]`)
	fishOpens  = regexp.MustCompile(`(?:^|[\s;&|])(?:if|switch|for|while|begin|function)(?:$|[\s;])|\(`)
	fishCloses = regexp.MustCompile(`(?:^|[\s;&|)])end(?:$|[\s;&|)])|\)`)
)

// balance is how many blocks a line leaves open; ok is false if it closes one
// that it has not opened, or holds what cannot be counted.
func balance(text string, fish bool) (open int, ok bool) {
	if strings.Contains(text, "<<") && !strings.Contains(text, "<<<") {
		return 0, false // a text inside of the file
	}
	text = variable.ReplaceAllString(quoted.ReplaceAllString(text, "''"), "")
	if strings.Count(text, `"`)%2 != 0 || strings.Count(strings.ReplaceAll(text, "''", ""), "'")%2 != 0 {
		return 0, false
	}
	o, c := opens, closes
	if fish {
		o, c = fishOpens, fishCloses
	}
	type mark struct{ at, n int }
	var marks []mark
	for _, m := range overlapping(o, text) {
		marks = append(marks, mark{m, 1})
	}
	for _, m := range overlapping(c, text) {
		marks = append(marks, mark{m, -1})
	}
	slices.SortFunc(marks, func(a, b mark) int { return a.at - b.at })
	for _, m := range marks {
		if open += m.n; open < 0 {
			return open, false
		}
	}
	return open, true
}

// overlapping are the ends of matches; the last byte of one may be the first
// of the next, so the search goes on one byte early.
func overlapping(re *regexp.Regexp, text string) []int {
	var out []int
	for at := 0; at < len(text); {
		m := re.FindStringIndex(text[at:])
		if m == nil {
			break
		}
		out = append(out, at+m[1])
		next := at + m[1]
		if m[1]-m[0] > 1 {
			next--
		}
		at = max(next, at+1)
	}
	return out
}

// blockAt is the stretch of text that has to be disabled together with the
// line old at from: the line, and whatever closes the blocks that it opens.
func blockAt(text string, from int, old string, fish bool) (string, bool) {
	end := from + len(old)
	for n := 0; n < 200; n++ {
		if open, ok := balance(text[from:end], fish); !ok {
			return "", false
		} else if open == 0 {
			return text[from:end], true
		}
		if end >= len(text) {
			return "", false
		}
		next := strings.IndexByte(text[end+1:], '\n')
		if next < 0 {
			end = len(text)
		} else {
			end += 1 + next
		}
	}
	return "", false
}

// disabled is what stands in the place of a block: a command that does
// nothing, since an empty "then" would be an error at every start, and the
// block as a remark.
func disabled(block, name string, when time.Time) string {
	head := ": # disabled by wormbell, " + when.UTC().Format("2006-01-02 15:04")
	if strings.HasSuffix(name, ".ps1") || strings.HasSuffix(name, ".nu") || strings.HasSuffix(name, ".conf") || strings.HasSuffix(name, "/config") || strings.HasSuffix(name, ".toml") || strings.HasSuffix(name, "rc") && strings.Contains(name, "npm") || strings.HasSuffix(name, ".gitconfig") {
		head = head[2:]
	}
	var b strings.Builder
	b.WriteString(head)
	for line := range strings.Lines(block) {
		b.WriteString("\n# " + strings.TrimRight(line, "\r\n"))
	}
	return b.String()
}
