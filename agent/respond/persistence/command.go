package persistence

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"wormbell/internal/cmdline"
	"wormbell/internal/mask"
)

// clean makes what others wrote fit to be shown: one line, no terminal codes,
// no characters that change the direction of writing, not too long.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar, unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return '?'
		}
		return r
	}, cut(s, 400))
	return strings.TrimSpace(s)
}

// command is a command line as a person may see it.
func command(s string) string {
	s, _ = mask.Line(s)
	return cut(clean(s), 200)
}

// interpreterFlags are those whose value is the next word.
var interpreterFlags = []string{"-W", "-X", "-Q", "-C", "--conditions", "-ExecutionPolicy", "-ep", "-ex", "-WindowStyle", "-w", "-Version", "--title"}

// Interpreters, by name: how to read their arguments, not whether to trust them.
var interpreter = regexp.MustCompile(`(?i)^(ba|z|da|k|mk|a|fi|tc|c)?sh$|^(python|pypy|pyston)w?[\d.]*$|^(node|nodejs|bun|deno|tsx|ts-node|qjs)[\d.-]*$|^(perl|ruby|php|lua|luajit|tclsh|osascript|java)[\d.]*$|^(pwsh|powershell(_ise)?|cmd|wscript|cscript|mshta|rundll32|regsvr32|wsl)$|^(nu|elvish|xonsh|awk|gawk|mawk|nawk)$`)

var (
	codeFlags  = []string{"-c", "-e", "-p", "-pe", "-E", "--eval", "--print", "-command", "/c", "/k", "-encodedcommand", "-enc", "-ec", "-en", "-r"}
	loadFlags  = []string{"-r", "--require", "--import", "--loader", "--experimental-loader", "--preload", "-file", "-f", "--init-file", "--rcfile"}
	classPaths = []string{"-cp", "-classpath", "--class-path", "-p", "--module-path"}
	scriptExt  = regexp.MustCompile(`(?i)\.(sh|bash|zsh|fish|py|pyw|pyz|pyc|js|mjs|cjs|ts|mts|pl|rb|php|lua|ps1|psm1|bat|cmd|vbs|vbe|jse|wsf|hta|exe|dll|jar|bin|so|dylib|scpt|applescript|command|run)$`)
)

// takeApart splits the words of a command: the files that it runs, as they
// are written, and the code that stands in it.
func takeApart(words []string) (files, inline []string) {
	words = cmdline.Unwrap(words)
	if len(words) == 0 {
		return nil, nil
	}
	files = append(files, words[0])
	name := cmdline.Base(words[0])
	if !interpreter.MatchString(name) {
		return files, nil
	}
	shell := strings.HasSuffix(name, "sh") && name != "pwsh"
	classes := false // it was said where the classes lie
	for i := 1; i < len(words); i++ {
		w := words[i]
		flag, value, joined := strings.Cut(w, "=")
		lower := strings.ToLower(flag)
		more := i+1 < len(words)
		switch {
		case slices.Contains(loadFlags, lower) && !(lower == "-r" && (name == "php" || shell)) && !(lower == "-f" && shell):
			if joined {
				files = append(files, value)
			} else if more {
				i++
				files = append(files, words[i])
			}
			if lower == "-file" {
				return files, inline
			}
		case slices.Contains(codeFlags, lower), shell && len(w) > 1 && w[0] == '-' && w[1] != '-' && strings.HasSuffix(w, "c"):
			if joined {
				inline = append(inline, value)
			} else if more {
				inline = append(inline, strings.Join(words[i+1:min(len(words), i+50)], " "))
			}
			if strings.HasPrefix(lower, "-e") && lower != "-e" && more && (strings.HasPrefix(lower, "-enc") || lower == "-ec" || lower == "-en") {
				inline[len(inline)-1] = "-EncodedCommand " + words[i+1]
			}
			return files, inline
		case name == "java" && more && slices.Contains(classPaths, w):
			i++
			jars := strings.FieldsFunc(words[i], func(r rune) bool { return r == ':' || r == ';' })
			files, classes = append(files, jars[:min(len(jars), maxMentions)]...), true
		case w == "-m" && more:
			return files, append(inline, "-m "+words[i+1])
		case slices.Contains(interpreterFlags, w) && more && !shell:
			i++
		case strings.HasPrefix(w, "-") || strings.HasPrefix(w, "//"):
		case strings.HasPrefix(w, "/") && (name == "cmd" || name == "wscript" || name == "cscript") && len(w) <= 3:
		case name == "bun" && (w == "run" || w == "x"), name == "deno" && w == "run":
		case strings.HasSuffix(name, "awk"):
			return files, append(inline, w)
		case classes:
			return files, inline // it names a class in them
		default:
			if name == "rundll32" || name == "regsvr32" {
				w, _, _ = strings.Cut(w, ",")
			}
			if name == "mshta" && strings.Contains(w, ":") && !strings.Contains(w, `:\`) {
				return files, append(inline, strings.Join(words[i:], " "))
			}
			return append(files, w), inline
		}
	}
	return files, inline
}

// variables that name folders of the home, in the writing of shells, systemd,
// PowerShell and cmd.
func (f *files) folders() *strings.Replacer {
	roaming, local := filepath.Join(f.home, "AppData", "Roaming"), filepath.Join(f.home, "AppData", "Local")
	var pairs []string
	add := func(value string, names ...string) {
		for _, n := range names {
			pairs = append(pairs, n, value)
		}
	}
	add(f.home, "%h", "$HOME", "${HOME}", "%USERPROFILE%", "%HOMEDRIVE%%HOMEPATH%", "%userprofile%", "$env:USERPROFILE", "${userHome}", "${env:HOME}", "${env:USERPROFILE}", "$CLAUDE_HOME")
	add(roaming, "%APPDATA%", "%appdata%", "$env:APPDATA")
	add(filepath.Join(local, "Temp"), "%TEMP%", "%TMP%", "$env:TEMP", "$env:TMP")
	add(local, "%LOCALAPPDATA%", "%localappdata%", "$env:LOCALAPPDATA")
	add(filepath.Join(f.home, ".config"), "$XDG_CONFIG_HOME", "${XDG_CONFIG_HOME}", "%E")
	add(filepath.Join(f.home, ".local", "share"), "$XDG_DATA_HOME", "${XDG_DATA_HOME}")
	add(filepath.Join(f.home, ".cache"), "$XDG_CACHE_HOME", "${XDG_CACHE_HOME}", "%C")
	return strings.NewReplacer(pairs...)
}

// find is where on this machine the program or script that word names is; "" if
// nothing of the sort is there. dir is what a relative name starts from.
func (f *files) find(word, dir string) string {
	word = f.folders().Replace(word)
	if word == "~" || word == "" || strings.ContainsAny(word, "\x00\n") {
		return ""
	}
	if f.system == "windows" {
		word = strings.ReplaceAll(word, `\`, "/")
	}
	var tries []string
	switch {
	case strings.HasPrefix(word, "~/"):
		tries = []string{f.inHome(word[2:])}
	case filepath.IsAbs(word):
		tries = []string{f.actual(word)}
	case strings.Contains(word, "/"):
		tries = []string{filepath.Join(dir, word), f.inHome(word)}
		if f.system == "windows" && len(word) > 2 && word[1] == ':' {
			tries = []string{word}
		}
	default:
		if dir != "" {
			tries = append(tries, filepath.Join(dir, word))
		}
		for _, bin := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
			tries = append(tries, f.sys(filepath.Join(bin, word)))
		}
		for _, bin := range []string{".local/bin", "bin", ".npm-global/bin", ".cargo/bin", "go/bin", ".bun/bin", ".deno/bin"} {
			tries = append(tries, filepath.Join(f.inHome(bin), word))
		}
		tries = append(tries, f.sys("/usr/local/bin/"+word))
	}
	for _, p := range tries {
		for _, ext := range []string{"", ".exe", ".cmd", ".bat", ".ps1", ".js"} {
			if ext != "" && f.system != "windows" {
				break
			}
			if _, info, err := f.resolve(p + ext); err == nil && info.Mode().IsRegular() {
				return p + ext
			}
		}
	}
	return ""
}

// missing is where a program would lie that word names and that is not there;
// "" if it cannot be told or would be the system's.
func (f *files) missing(word, dir string) string {
	word = f.folders().Replace(word)
	if f.system == "windows" {
		word = strings.ReplaceAll(word, `\`, "/")
	}
	switch {
	case strings.HasPrefix(word, "~/"):
		return f.inHome(word[2:])
	case filepath.IsAbs(word):
		return f.actual(word)
	case strings.HasPrefix(word, "./") && dir != "":
		return filepath.Join(dir, word)
	}
	return ""
}

var pathWords = regexp.MustCompile(`(?:~|\$\{?HOME\}?|\$\{?XDG_\w+_HOME\}?|%h|%[A-Z]+%|\$env:[A-Z]+|\$\{?[A-Za-z_]\w*\}?|\.|)[/\\][\w.@+%,=/\\~$\{\}-]{1,300}|["'][\w.-]{1,60}\.(?:sh|py|js|mjs|cjs|pl|rb|ps1)["']`)

// mentions are the files that code names and that exist: what it may run in
// turn. dir is the code's own folder.
func (f *files) mentions(code, dir string, most int) []string {
	vars := assignments(code)
	for name, v := range vars {
		if strings.Contains(v, "dirname") || strings.Contains(v, "__dirname") {
			vars[name] = dir
		}
	}
	var out []string
	for _, w := range pathWords.FindAllString(code, 300) {
		w = strings.Trim(expand(strings.Trim(w, `"'`), vars), `"'`)
		w = strings.TrimRight(w, `.,;:)}]\`)
		p := f.find(w, dir)
		if p == "" || slices.Contains(out, p) {
			continue
		}
		if real, _, err := f.resolve(p); err != nil || f.place(real) == inSystem {
			continue
		}
		if out = append(out, p); len(out) >= most {
			break
		}
	}
	return out
}
