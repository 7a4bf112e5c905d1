package procs

import (
	"bytes"
	"slices"
	"strings"
)

// Bounds of the names that are kept of an environment's secrets.
const (
	secretsMax    = 32
	secretNameMax = 64 // bytes; a longer name is cut
)

// Secrets are the names in e of variables that seem to hold a secret, sorted,
// at most 32 of them; nil for none.
func (e *Env) Secrets() []string {
	if e.SecretNames == "" {
		return nil
	}
	names := strings.Split(e.SecretNames, "\n")
	slices.Sort(names)
	return slices.Compact(names)
}

// secret keeps the name of a variable that seems to hold a secret. The first
// ones count: what a script adds to its environment to crowd out others is seen
// in the environment that it was given itself.
func (e *Env) secret(key, value []byte) {
	if e.SecretNames != "" && strings.Count(e.SecretNames, "\n")+1 >= secretsMax || !holdsSecret(key, value) {
		return
	}
	name := string(key)
	if len(name) > secretNameMax {
		name = name[:secretNameMax-len("…")] + "…"
	}
	if e.SecretNames != "" {
		name = "\n" + name
	}
	e.SecretNames += name
}

// holdsSecret reports whether a variable seems to hold a secret, by the words
// of its name; of the value it matters whether it can be one.
func holdsSecret(key, value []byte) bool {
	// Most variables are done with here; the rest costs more.
	url := withPassword(value) // DATABASE_URL, HTTPS_PROXY
	if len(value) == 0 || !url && !mayBeSecret(key) || len(key) > 256 || !nameLike(key) {
		return false
	}
	if url {
		return true
	}
	if flagLike(value) {
		return false
	}
	name := strings.ToUpper(string(key))
	if slices.Contains(harmless, name) {
		return false
	}
	for _, prefix := range harmlessPrefixes {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' || r == ':' || r == '/' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	if slices.Contains(aboutOne, last) && !strings.HasSuffix(name, "ACCESS_KEY_ID") {
		return false
	}
	for i, w := range words {
		for _, s := range secretWords {
			if strings.HasSuffix(w, s) || strings.HasSuffix(w, s+"S") {
				return true
			}
		}
		// These are common at the end of other words, and in the middle of names.
		if slices.Contains(lastWords, w) && (i == len(words)-1 || i == len(words)-2 && (last == "ID" || len(last) == 1)) {
			return true
		}
	}
	return false
}

var (
	// secretWords end a word of a name that is a secret's: NPM_TOKEN, npm_config_//host/:_authToken, PGPASSWORD.
	secretWords = []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "WEBHOOK"}
	// lastWords are whole words that end such a name.
	lastWords = []string{"KEY", "KEYS", "PAT", "PASS", "PWD", "AUTH", "JWT"}
	// aboutOne ends the name of what is said about a secret: where it is, how
	// long it lives, who hands it out.
	aboutOne = []string{"FILE", "PATH", "DIR", "URL", "URI", "HOST", "ENDPOINT", "TYPE", "NAME", "ID", "TTL", "EXPIRY", "EXPIRES", "EXPIRATION", "HELPER", "STORE",
		"PROVIDER", "COMMAND", "CMD", "SOCK", "LIMIT", "MAX", "MIN", "SIZE", "COUNT", "VERSION", "REGION", "PROFILE", "ENABLED", "DISABLED"}
	// harmless are names that look like a secret's and are none.
	harmless = []string{"PWD", "OLDPWD", "INIT_CWD", "GPG_KEY", "SSH_ASKPASS", "GIT_ASKPASS", "SUDO_ASKPASS", "MAX_THINKING_TOKENS", "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
		"COMP_KEY", "HUSKY_GIT_PASS", "NPM_CONFIG_KEY", "NPM_CONFIG_AUTH_TYPE"}
	harmlessPrefixes = []string{"NPM_PACKAGE_", "XDG_", "LC_", "LESS_TERMCAP_"}
)

// nameLike reports whether a name has only characters that names of variables
// and npm's settings have, so that it can be shown as it is.
func nameLike(key []byte) bool {
	for _, c := range key {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.', c == '/', c == ':', c == '@':
		default:
			return false
		}
	}
	return true
}

// mayBeSecret is a quick look for a letter pair that every name of a secret has:
// TOKEN, KEY, WEBHOOK; SECRET; PASS, PAT; PWD; CREDENTIAL; AUTH; JWT.
func mayBeSecret(key []byte) bool {
	for i := 0; i+1 < len(key); i++ {
		switch [2]byte{key[i] | 0x20, key[i+1] | 0x20} { // in lower case
		case [2]byte{'o', 'k'}, [2]byte{'k', 'e'}, [2]byte{'e', 'c'}, [2]byte{'p', 'a'}, [2]byte{'p', 'w'}, [2]byte{'r', 'e'}, [2]byte{'a', 'u'}, [2]byte{'j', 'w'}:
			return true
		}
	}
	return false
}

// flagLike reports whether a value is a number or a yes or no, which no secret is.
func flagLike(value []byte) bool {
	if len(value) > 9 {
		return false
	}
	digits := true
	for _, c := range value {
		digits = digits && c >= '0' && c <= '9'
	}
	switch strings.ToLower(string(value)) {
	case "true", "false", "yes", "no", "on", "off", "none", "null", "undefined", "auto":
		return true
	}
	return digits
}

// withPassword reports whether a value is a URL with a password:
// scheme://user:password@host.
func withPassword(value []byte) bool {
	i := bytes.Index(value[:min(len(value), 32)], []byte("://"))
	if i <= 0 {
		return false
	}
	rest := value[i+3:]
	if end := bytes.IndexAny(rest, "/?# \t"); end >= 0 {
		rest = rest[:end]
	}
	at := bytes.LastIndexByte(rest, '@')
	if at < 0 {
		return false
	}
	colon := bytes.IndexByte(rest[:at], ':')
	return colon >= 0 && colon < at-1
}
