package persistence

import (
	"regexp"
	"strings"
)

var (
	assigned  = regexp.MustCompile(`(?m)(?:^|[;&|{(\s])(?:export\s+|local\s+|readonly\s+|declare\s+(?:-\w+\s+)?)?([A-Za-z_]\w{0,40})=("[^"\n]{0,400}"|'[^'\n]{0,400}'|\$\([^\n]{0,400}?\)|[^\s;&|"'()]{1,400})`)
	variable  = regexp.MustCompile(`\$(?:\{([A-Za-z_]\w{0,40})(?::?[-=?+][^}]*)?\}|([A-Za-z_]\w{0,40}))`)
	rmCommand = regexp.MustCompile(`(?m)(?:^|[\s;&|({"'` + "`" + `/])(?:rm|srm)\s+([^;&|\n)` + "`" + `]{1,400})`)
	findWords = regexp.MustCompile(`(?m)(?:^|[\s;&|({"'` + "`" + `/])find\s+([^\n]{1,600})`)
	runsVar   = regexp.MustCompile(`(?:\beval\s+|\b(?:ba|z|da|k)?sh\s+-c\s+|\bpython[\d.]*\s+-c\s+|\bnode\s+-e\s+)["']?\$\{?([A-Za-z_]\w*)`)
	fetched   = regexp.MustCompile(`(?i)(?:\$\(|` + "`" + `)\s*(?:curl|wget|cat|base64|jq|openssl|head|tail|<)|\|\s*base64\s+(?:-d|--decode)`)
	homeWords = regexp.MustCompile(`^(?:~|\$HOME|\$\{HOME(?::?[?-][^}]*)?\}|%h|/home/[\w.-]+|/Users/[\w.-]+|/root)(?:/+(?:\*|\.\*|\.\[\^?!?\.\]\*|\{[^}]*\}|Documents|Desktop|Pictures|\.ssh)?/*\*?)?$`)
)

// assignments are the variables of a shell script and what they were last set
// to, as it is written.
func assignments(text string) map[string]string {
	vars := map[string]string{}
	for _, m := range assigned.FindAllStringSubmatch(text, 500) {
		value := m[2]
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') {
			value = value[1 : n-1]
		}
		vars[m[1]] = value
	}
	return vars
}

// expand puts the values of variables in, but for those that are commands.
func expand(s string, vars map[string]string) string {
	for range 4 {
		next := variable.ReplaceAllStringFunc(s, func(ref string) string {
			m := variable.FindStringSubmatch(ref)
			v, ok := vars[m[1]+m[2]]
			if !ok || strings.Contains(v, "$(") || strings.Contains(v, "`") || len(v) > 400 {
				return ref
			}
			return v
		})
		if next == s || len(next) > 4000 {
			return s
		}
		s = next
	}
	return s
}

// isHome reports whether a word of a command means the home folder, all that
// is in it, or what a person keeps there.
func isHome(word string, vars map[string]string, home string) bool {
	word = strings.Trim(expand(strings.Trim(word, `"'`), vars), `"'`)
	word = strings.NewReplacer(`"`, "", `'`, "").Replace(word)
	if home != "" && (word == home || strings.HasPrefix(word, home+"/")) {
		word = "~" + word[len(home):]
	}
	return homeWords.MatchString(word)
}

// wipesHomeInShell finds rm -r and find -delete on the home folder, also when
// the folder's name comes through a variable.
func wipesHomeInShell(text string, vars map[string]string, home string) bool {
	for _, m := range rmCommand.FindAllStringSubmatch(text, 100) {
		recursive, words := rmWords(m[1])
		for _, w := range words {
			if recursive && isHome(w, vars, home) {
				return true
			}
		}
	}
	for _, m := range findWords.FindAllStringSubmatch(text, 100) {
		words := strings.Fields(m[1])
		rest := m[1]
		if len(words) < 2 || !strings.Contains(rest, "-delete") && !strings.Contains(rest, "shred") && !strings.Contains(rest, "rm ") && !strings.Contains(rest, "rm\t") {
			continue
		}
		for _, w := range words {
			if strings.HasPrefix(w, "-") && w != "-H" && w != "-L" && w != "-P" {
				break
			}
			// A name or an age that limits what it deletes is housekeeping.
			if isHome(w, vars, home) && !strings.Contains(rest, "-name") && !strings.Contains(rest, "-iname") && !strings.Contains(rest, "-mtime") && !strings.Contains(rest, "-path") {
				return true
			}
		}
	}
	return false
}

// rmWords splits the arguments of rm.
func rmWords(args string) (recursive bool, words []string) {
	for w := range strings.FieldsSeq(strings.NewReplacer(",", " ", "[", " ", "]", " ").Replace(args)) {
		w = strings.Trim(w, `"'`)
		switch {
		case w == "--recursive":
			recursive = true
		case strings.HasPrefix(w, "--"):
		case strings.HasPrefix(w, "-"):
			recursive = recursive || strings.ContainsAny(w, "rR")
		default:
			words = append(words, w)
		}
	}
	return recursive, words
}

// deletesInShell finds rm -r of what a variable names, unless it is a folder
// that the script made for itself.
func deletesInShell(text string, vars map[string]string) bool {
	for _, m := range rmCommand.FindAllStringSubmatch(text, 100) {
		recursive, words := rmWords(m[1])
		for _, w := range words {
			name := variable.FindStringSubmatch(w)
			if recursive && name != nil && !strings.Contains(vars[name[1]+name[2]], "mktemp") {
				return true
			}
		}
	}
	return false
}

// evalVariable finds code that came from a file or a server into a variable,
// and is run from there.
func evalVariable(text string, vars map[string]string) bool {
	for _, m := range runsVar.FindAllStringSubmatch(text, 100) {
		if fetched.MatchString(vars[m[1]]) {
			return true
		}
	}
	return false
}
