package respond

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"wormbell/internal/mask"
)

// Exported is a variable that looks like a secret, set in a file that shells
// read when they start. Every program that is started from them inherits it, so
// stealing it opens no file. Its value is not kept.
type Exported struct {
	Name     string `json:"name"`
	Path     string `json:"path"`           // with ~
	Line     int    `json:"line"`           // from 1
	Exported bool   `json:"exported"`       // false: it only stands there, in a comment too
	Kind     string `json:"kind,omitempty"` // ID of the Kind that it seems to be, "" if that is not known
	What     string `json:"what,omitempty"` // what its format says for sure: "npm access token"
}

// shellFiles are the files that shells read when they start: their manuals,
// and environment.d(5). The last part of a path may hold path.Match patterns.
func shellFiles(m *Machine) []string {
	files := []string{
		"~/.bashrc", "~/.bash_profile", "~/.bash_login", "~/.profile", "~/.bash_aliases",
		"~/.zshrc", "~/.zshenv", "~/.zprofile", "~/.zlogin",
		"~/.config/fish/config.fish", "~/.config/fish/conf.d/*.fish", "~/.config/fish/fish_variables",
		"~/.config/environment.d/*.conf",
		"~/.config/powershell/profile.ps1", "~/.config/powershell/Microsoft.PowerShell_profile.ps1",
		"~/Documents/PowerShell/profile.ps1", "~/Documents/PowerShell/Microsoft.PowerShell_profile.ps1",
		"~/Documents/WindowsPowerShell/profile.ps1", "~/Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1",
	}
	for _, moved := range []struct{ env, from string }{{"ZDOTDIR", "~/.z"}, {"XDG_CONFIG_HOME", "~/.config/"}} {
		dir := m.Getenv(moved.env)
		if !filepath.IsAbs(dir) || filepath.Clean(dir) == filepath.Clean(m.Home) {
			continue
		}
		for _, f := range files[:len(files):len(files)] {
			if rest, ok := strings.CutPrefix(f, moved.from); ok {
				if moved.env == "ZDOTDIR" {
					rest = ".z" + rest
				}
				files = append(files, m.tilde(dir)+"/"+rest)
			}
		}
	}
	return files
}

const (
	shellMost = 500     // how many variables are listed, and files of one folder looked at
	shellLine = 1 << 14 // how much of a line is looked at, in bytes
)

// FindExported returns the variables that look like secrets in the files that
// the user's shells read. paths, with ~, are the files that may be opened; nil
// means all. An error that wraps [ErrPartly] comes with those that were found.
func FindExported(ctx context.Context, m *Machine, paths []string) ([]Exported, error) {
	var all []Exported
	files := dataFiles{m: m}
	for _, pattern := range shellFiles(m) {
		for _, p := range shellMatches(m, pattern) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if !dataMay(paths, p) || files.data[p] != nil {
				continue
			}
			data := files.read(p)
			for _, e := range shellVariables(p, data) {
				if len(all) < shellMost {
					all = append(all, e)
				}
			}
			clear(data)
		}
	}
	return all, files.err()
}

// shellMatches returns pattern, or the files of its folder that fit it.
func shellMatches(m *Machine, pattern string) []string {
	dir, last := path.Split(pattern)
	if !strings.Contains(last, "*") {
		return []string{pattern}
	}
	entries, err := os.ReadDir(m.Abs(dir))
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if ok, _ := path.Match(last, e.Name()); ok && len(found) < shellMost {
			found = append(found, dir+e.Name())
		}
	}
	return found
}

// shellSet is one variable that a line sets or exports.
type shellSet struct {
	name     string
	value    string // as it stands there, quoted
	exported bool
	bare     bool // only exported, by its name
	once     bool // for one command
}

// shellVariables finds the variables in one file.
func shellVariables(p string, data []byte) (found []Exported) {
	read := shellPOSIX
	switch {
	case strings.HasSuffix(p, ".ps1"):
		read = shellPowerShell
	case strings.HasSuffix(p, ".fish"), strings.HasSuffix(p, "/fish_variables"):
		read = shellFish
	}
	always := strings.HasSuffix(p, ".conf") // of environment.d
	exported, never := map[string]bool{}, map[int]bool{}
	for i, raw := range bytes.Split(data, []byte("\n")) {
		line := strings.TrimSpace(string(raw[:min(len(raw), shellLine)]))
		rest := strings.TrimLeft(line, "# \t")
		comment := len(rest) < len(line)
		switch {
		case comment:
		case strings.HasPrefix(line, "set -a"), strings.HasPrefix(line, "set -o allexport"):
			always = true
		case strings.HasPrefix(line, "set +a"), strings.HasPrefix(line, "set +o allexport"):
			always = false
		}
		for _, s := range read(rest) {
			if s.bare {
				exported[s.name] = exported[s.name] || !comment
				continue
			}
			e := Exported{Name: s.name, Path: p, Line: i + 1, Exported: !comment && !s.once && (s.exported || always), Kind: VariableKind(s.name)}
			exported[s.name] = exported[s.name] || e.Exported
			text := s.name + "=" + s.value
			masked, kinds := mask.Line(text)
			if masked == text {
				continue
			}
			if len(kinds) > 0 {
				e.What = kinds[0]
				if k := shellKinds()[e.What]; k != "" {
					e.Kind = k
				}
			}
			never[len(found)] = comment || s.once
			found = append(found, e)
		}
	}
	for i, e := range found {
		// Once exported a variable stays so, whatever line gives it its value.
		found[i].Exported = e.Exported || exported[e.Name] && !never[i]
	}
	return found
}

// shellKinds are the kinds by the words that package mask has for their formats.
func shellKinds() map[string]string {
	return map[string]string{
		"npm access token": "npm", "npm registry password": "npm", "GitHub token": "github", "GitLab token": "gitlab", "AWS secret key": "aws", "AWS Bedrock key": "aws",
		"Google access token": "google", "Google client secret": "google", "Azure client secret": "azure", "PyPI token": "pypi", "Vault token": "vault", "Stripe key": "stripe",
		"Slack token": "slack", "Anthropic key": "anthropic", "OpenAI key": "openai", "Hugging Face token": "huggingface", "RubyGems key": "rubygems",
		"crates.io token": "crates-io", "Vercel token": "vercel", "private key": "ssh",
	}
}

// shellNames are the kinds by what the names of their variables hold, the more
// telling first: the tools' own documentation of what they read.
var shellNames = regexp.MustCompile(`^(?:` +
	`(?P<npm>(?:.*_)?NPM_(?:AUTH_)?TOKEN|NODE_AUTH_TOKEN|YARN_NPM_AUTH_TOKEN|NPM_CONFIG_.*AUTH.*)` +
	`|(?P<github>(?:.*_)?(?:GITHUB|GH)_(?:.*_)?(?:TOKEN|PAT)|GH_TOKEN)` +
	`|(?P<gitlab>(?:.*_)?(?:GITLAB|GL)_(?:.*_)?(?:TOKEN|PAT)|CI_JOB_TOKEN)` +
	`|(?P<aws>AWS_(?:SECRET_ACCESS_KEY|SESSION_TOKEN|ACCESS_KEY_ID|BEARER_TOKEN_BEDROCK))` +
	`|(?P<google>(?:GOOGLE|GCLOUD|CLOUDSDK)_.*(?:TOKEN|SECRET|CREDENTIALS))` +
	`|(?P<azure>(?:AZURE|ARM)_.*(?:SECRET|PASSWORD|TOKEN))` +
	`|(?P<slack>SLACK_.*TOKEN)|(?P<vault>(?:VAULT|BAO)_TOKEN)` +
	`|(?P<crates_io>CARGO_(?:REGISTRY|REGISTRIES_.*)_?TOKEN)|(?P<vercel>VERCEL_(?:.*_)?TOKEN)` +
	`|(?P<pypi>(?:TWINE|PYPI|FLIT|UV_PUBLISH|POETRY_PYPI|HATCH_INDEX).*(?:TOKEN|PASSWORD|AUTH).*)` +
	`|(?P<docker_hub>DOCKER(?:HUB)?_.*(?:TOKEN|PASSWORD|PAT))|(?P<stripe>STRIPE_.*KEY)` +
	`|(?P<openai>OPENAI_.*KEY)|(?P<anthropic>(?:ANTHROPIC|CLAUDE)_.*(?:KEY|TOKEN))` +
	`|(?P<huggingface>(?:HF|HUGGING_?FACE)_.*TOKEN)|(?P<rubygems>(?:GEM_HOST|RUBYGEMS)_.*KEY)` +
	`)$`)

// VariableKind returns the ID of the Kind of what a variable of this name
// holds as a rule, "" if the name does not tell.
func VariableKind(name string) string {
	found := shellNames.FindStringSubmatch(strings.ToUpper(name))
	for i, group := range shellNames.SubexpNames() {
		if i > 0 && i < len(found) && found[i] != "" && group != "" {
			return strings.ReplaceAll(group, "_", "-")
		}
	}
	return ""
}

var (
	shellAssign = regexp.MustCompile(`(?s)^([A-Za-z_][A-Za-z0-9_]{0,127})\+?=(.*)$`)
	shellName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	shellPSEnv  = regexp.MustCompile(`(?i)\$\{?env:([A-Za-z_][A-Za-z0-9_]{0,127})\}?\s*=\s*(.+)$`)
	shellPSSet  = regexp.MustCompile(`(?i)SetEnvironmentVariable\(\s*['"]([A-Za-z_][A-Za-z0-9_]{0,127})['"]\s*,\s*('[^']*'|"[^"]*")`)
	shellFishU  = regexp.MustCompile(`^SETUVAR (--[a-z ]+)?\s?([A-Za-z_][A-Za-z0-9_]{0,127}):(.*)$`)
)

// shellPOSIX reads a line of sh, bash, zsh or environment.d.
func shellPOSIX(line string) (sets []shellSet) {
	for _, words := range shellCommands(line) {
		exports, once := false, false
		switch words[0] {
		case "export":
			exports = !slices.Contains(words, "-n")
		case "declare", "typeset", "readonly", "local":
			exports = slices.ContainsFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") && strings.Contains(w, "x") })
		case "alias":
			for _, w := range words[1:] {
				if _, code, ok := strings.Cut(w, "="); ok && len(code) < len(line) {
					for _, s := range shellPOSIX(strings.Trim(code, `"'`)) {
						s.once = true
						sets = append(sets, s)
					}
				}
			}
			continue
		default:
			once = !shellAssign.MatchString(words[0]) || !shellAssign.MatchString(words[len(words)-1])
		}
		for i, w := range words {
			switch a := shellAssign.FindStringSubmatch(w); {
			case a != nil:
				sets = append(sets, shellSet{name: a[1], value: a[2], exported: exports, once: once})
			case exports && i > 0 && shellName.MatchString(w):
				sets = append(sets, shellSet{name: w, bare: true})
			}
		}
	}
	return sets
}

// shellFish reads a line of fish, or of the file where it keeps its universal
// variables.
func shellFish(line string) (sets []shellSet) {
	if u := shellFishU.FindStringSubmatch(line); u != nil {
		return []shellSet{{name: u[2], value: "'" + strings.ReplaceAll(u[3], "'", "") + "'", exported: strings.Contains(u[1], "--export")}}
	}
	for _, words := range shellCommands(line) {
		if words[0] == "export" { // which fish has, too
			sets = append(sets, shellPOSIX(strings.Join(words, " "))...)
			continue
		}
		if words[0] != "set" {
			continue
		}
		exports, i := false, 1
		for ; i < len(words) && strings.HasPrefix(words[i], "-"); i++ {
			long := strings.HasPrefix(words[i], "--")
			exports = exports || words[i] == "--export" || !long && strings.Contains(words[i], "x")
		}
		if i+1 < len(words) && shellName.MatchString(words[i]) {
			sets = append(sets, shellSet{name: words[i], value: strings.Join(words[i+1:], " "), exported: exports})
		}
	}
	return sets
}

// shellPowerShell reads a line of PowerShell.
func shellPowerShell(line string) (sets []shellSet) {
	for _, r := range []*regexp.Regexp{shellPSEnv, shellPSSet} {
		if a := r.FindStringSubmatch(line); a != nil {
			sets = append(sets, shellSet{name: a[1], value: strings.TrimRight(a[2], "; \t"), exported: true})
		}
	}
	return sets
}

// shellCommands splits a line into simple commands and those into words, which
// keep their quotes. It need not understand every line: what it takes for a
// word is looked at, not run.
func shellCommands(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	finish := func() {
		end()
		for len(words) > 0 && slices.Contains([]string{"then", "else", "do", "!", "command", "builtin", "and", "or", "begin"}, words[0]) {
			words = words[1:]
		}
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	var quote byte
	depth := 0 // of $( and ${, in which nothing ends
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' && i+1 < len(line) {
				word.WriteByte(c)
				i++
				c = line[i]
			} else if c == quote {
				quote = 0
			}
		case c == '\\' && i+1 < len(line):
			word.WriteByte(c)
			i++
			c = line[i]
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == '$' && i+1 < len(line) && (line[i+1] == '(' || line[i+1] == '{'):
			depth++
			word.WriteByte(c)
			i++
			c = line[i]
		case depth > 0:
			switch c {
			case '(', '{':
				depth++
			case ')', '}':
				depth--
			}
		case c == ' ' || c == '\t':
			end()
			continue
		case c == '#' && word.Len() == 0, c == ';' || c == '&' || c == '|' || c == '(' || c == ')' || c == '{' && word.Len() == 0 || c == '}' && word.Len() == 0:
			finish()
			continue
		}
		word.WriteByte(c)
	}
	finish()
	return commands
}
