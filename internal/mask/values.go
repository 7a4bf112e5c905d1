package mask

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// secretName reports whether a variable, field, header or flag with this name
// holds a secret. firm is false for names that often hold something else, so
// that only a value which looks drawn by lot is hidden.
func secretName(name string) (secret, firm bool) {
	if len(name) < 3 {
		return false, false
	}
	// The last letter rules out nearly every name without looking further.
	switch name[len(name)-1] | 0x20 {
	case 'n', 't', 'd', 'e', 'y', 's', 'h', 'g', 'l', 'p':
	default:
		return false, false
	}
	var buf [64]byte
	k := buf[:0]
	for i := max(0, len(name)-len(buf)); i < len(name); i++ {
		switch c := name[i]; {
		case c == '-' || c == '.': // api-key, api_key and apiKey are one name
			k = append(k, '_')
		case 'A' <= c && c <= 'Z':
			k = append(k, c|0x20)
		default:
			k = append(k, c)
		}
	}
	for _, end := range secretNames {
		if len(k) >= len(end) && string(k[len(k)-len(end):]) == end {
			return true, true
		}
	}
	switch string(bytes.TrimLeft(k, "_")) {
	case "pass", "auth", "sig", "otp":
		return true, true
	case "key":
		return true, false
	}
	return bytes.HasSuffix(k, []byte("_key")), false
}

// secretNames are how the names of secrets end.
var secretNames = []string{"token", "secret", "password", "passwd", "passphrase", "api_key", "apikey", "access_key",
	"accesskey", "secret_key", "secretkey", "private_key", "privatekey", "account_key", "accountkey", "auth_key", "authkey",
	"authorization", "cookie", "credentials", "credential", "_pass", "_pwd", "_auth", "_pat", "encryption_key", "master_key"}

// assignment looks at the = or : at s[i]: a name and its value, the header of
// a request, the user and password of an address.
func (f *found) assignment(s string, i int, at place) {
	if s[i] == ':' && strings.HasPrefix(s[i:], "://") {
		f.userinfo(s, i+3)
		return
	}
	name, start := nameBefore(s, i)
	secret, firm := secretName(name)
	if !secret {
		return
	}
	v := i + 1
	for v < len(s) && s[v] == '=' { // a comparison
		v++
	}
	if s[i] == ':' && start >= 2 && s[start-2:start] == "${" { // ${TOKEN:-value}
		if n := strings.IndexByte(s[v:min(len(s), v+longest)], '}'); n > 0 {
			f.value(s, v+1, v+n, name)
		}
		return
	}
	blank := v
	for v < len(s) && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	if v == len(s) {
		return
	}
	quoted := s[v] == '"' || s[v] == '\''
	if s[i] == '=' && v > blank && !quoted && s[i-1] != ' ' { // an empty value: TOKEN= command
		return
	}
	if s[i] == ':' && v == blank && !quoted {
		firm = false // npm run token:refresh
	}
	low := strings.ToLower(name)
	if s[i] == ':' && (strings.HasSuffix(low, "authorization") || strings.HasSuffix(low, "cookie")) {
		v = headerValue(s, v, at)
		f.value(s, v, headerEnd(s, v, at), name)
		return
	}
	if firm {
		f.value(s, v, valueEnd(s, v, at, start), name)
		return
	}
	// A name that often holds something else: the value must look like it.
	s = s[:min(len(s), v+512)]
	end := valueEnd(s, v, at, start)
	if bare := strings.Trim(s[v:end], `"'`); len(bare) >= 20 && random(bare) {
		f.value(s, v, end, name)
	}
}

// nameBefore returns the name that ends before the = or : at s[i] and where it
// begins. Quotes and blanks between the two are skipped.
func nameBefore(s string, i int) (string, int) {
	j := i
	for j > 0 && i-j < 2 && (s[j-1] == '+' || s[j-1] == ':' || s[j-1] == '?' || s[j-1] == '!' || s[j-1] == '=') {
		j--
	}
	for n := 0; j > 0 && n < 4 && (s[j-1] == ' ' || s[j-1] == '\\' || s[j-1] == '}' || s[j-1] == '"' || s[j-1] == '\''); n++ {
		j--
	}
	end := j
	for j > 0 && end-j < 64 && classOf[s[j-1]]&(word|dot) != 0 {
		j--
	}
	return s[j:end], j
}

// userinfo looks at the address whose host part begins at s[i].
func (f *found) userinfo(s string, i int) {
	colon, sign := -1, -1
	for j := i; j < len(s) && j < i+2048; j++ {
		switch s[j] {
		case ':':
			if colon < 0 {
				colon = j
			}
			continue
		case '@':
			sign = j
			continue
		case '/', '?', '#', ' ', '\t', '\n', '"', '\'', '<', '>', '|', ';':
		default:
			continue
		}
		break
	}
	switch {
	case sign < 0:
	case colon >= 0 && colon < sign:
		f.value(s, colon+1, sign, "")
		if user := s[i:colon]; len(user) >= 20 && random(user) { // the token as the user's name
			f.value(s, i, colon, "")
		}
	case sign-i >= 16 && random(s[i:sign]):
		f.value(s, i, sign, "")
	}
}

// headerValue returns where the credential of the header at s[v:] begins, after
// the quote and the name of its scheme.
func headerValue(s string, v int, at place) int {
	if (s[v] == '"' || s[v] == '\'') && s[v] != at.quote {
		v++
	}
	for v+1 < len(s) && s[v] == '\\' && s[v+1] == ' ' {
		v += 2
	}
	end := run(s, v, alnum|under)
	switch strings.ToLower(s[v:end]) {
	case "bearer", "basic", "token", "digest", "negotiate", "apikey", "aws4-hmac-sha256":
		for end < len(s) && (s[end] == ' ' || s[end] == '\\') {
			end++
		}
		return end
	}
	return v
}

// headerEnd returns where it ends: with the quotes around it, or the word.
func headerEnd(s string, v int, at place) int {
	switch {
	case at.arg:
		return len(s)
	case at.quote != 0:
		if n := strings.IndexByte(s[v:], at.quote); n >= 0 {
			return v + n
		}
		return len(s)
	}
	return shellWord(s, v)
}

// valueEnd returns where the value at s[v:] of the name at s[start:] ends.
func valueEnd(s string, v int, at place, start int) int {
	if v >= len(s) {
		return len(s)
	}
	c := s[v]
	if c == '\\' && v+1 < len(s) && s[v+1] == '"' { // \"value\" within quotes
		if n := strings.Index(s[v+2:], `\"`); n >= 0 {
			return v + 2 + n + 2
		}
	}
	if (c == '"' || c == '\'') && (at.arg || at.quote != 0 && c != at.quote) {
		for j := v + 1; j < len(s) && s[j] != at.quote; j++ {
			if s[j] == '\\' {
				j++
			} else if s[j] == c {
				return j + 1
			}
		}
	}
	switch {
	case !at.arg && at.quote == 0:
		return shellWord(s, v)
	case start == at.opened+1 && (at.arg || !code(wordBefore(s, at.opened))):
		// "TOKEN=a b" as one word: it goes to the end of the word.
		if at.arg {
			return len(s)
		}
		if n := strings.IndexByte(s[v:], at.quote); n >= 0 {
			return v + n
		}
		return len(s)
	}
	for j := v; j < len(s); j++ {
		switch s[j] {
		case ' ', '\t', '\n', '\r', '&', ';', '|', '<', '>', ')':
			return j
		case '$':
			j = max(j, reference(s, j)-1)
		case '"', '\'':
			if at.arg || s[j] == at.quote {
				return j
			}
		}
	}
	return len(s)
}

// shellWord returns the end of the word at s[i:], with the quoting that the
// shells have in common.
func shellWord(s string, i int) int {
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r', ';', '|', '&', '<', '>', '(', ')':
			return i
		case '\\':
			i++
		case '\'', '"', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '\'' {
					i++
				}
			}
		case '$':
			i = max(i, reference(s, i)-1)
		}
	}
	return min(i, len(s))
}

// longest is how far the end of a $(command) is looked for: what is longer is
// no reference. It keeps the work linear.
const longest = 1024

// reference returns the end of the $NAME, ${NAME}, $(command) or $env:NAME at
// s[i:], or i if there is none.
func reference(s string, i int) int {
	if i+1 >= len(s) || s[i] != '$' {
		return i
	}
	var open, shut byte
	switch s[i+1] {
	case '{':
		open, shut = '{', '}'
	case '(':
		open, shut = '(', ')'
	default:
		end := run(s, i+1, alnum)
		for end < len(s) && (s[end] == '_' || s[end] == ':') {
			end = run(s, end+1, alnum)
		}
		if end == i+1 && strings.IndexByte("@*#?$!", s[i+1]) >= 0 {
			return i + 2
		}
		if end == i+1 {
			return i
		}
		return end
	}
	depth := 0
	for j := i + 1; j < len(s) && j < i+longest; j++ {
		switch s[j] {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return j + 1
			}
		}
	}
	return i
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// harmless reports whether v is no secret by its look: nothing, a reference, a
// yes or no, the gap in a template, or masked already.
func harmless(v string) bool {
	if len(v) > longest {
		return false
	}
	switch strings.ToLower(v) {
	case "", "true", "false", "yes", "no", "null", "none", "nil", "undefined", "0", "1", Gone:
		return true
	}
	switch v[0] {
	case '$':
		end := reference(v, 0)
		// ${TOKEN:-secret} holds a value of its own
		return end == len(v) && (v[1] != '{' || !strings.Contains(v, ":-") && !strings.Contains(v, ":=") || strings.Contains(v, Gone))
	case '`':
		return len(v) > 1 && strings.IndexByte(v[1:], '`') == len(v)-2
	case '%':
		return len(v) > 2 && run(v, 1, word) == len(v)-1 && v[len(v)-1] == '%'
	case '<':
		return len(v) > 2 && v[len(v)-1] == '>' && strings.Trim(v[1:len(v)-1], letters+" -_") == ""
	case '{':
		return strings.HasPrefix(v, "{{") && strings.HasSuffix(v, "}}")
	}
	if kept := strings.TrimSuffix(v, Gone); len(kept) < len(v) {
		for i := range tokens {
			if tokens[i].prefix == kept {
				return true
			}
		}
	}
	return false
}

// value hides s[from:to], the value of something called name, but for its
// quotes and the prefix of its format, and reports it if the name makes it
// certain. Tokens inside are found, and reported, on their own.
func (f *found) value(s string, from, to int, name string) {
	for _, q := range [][2]string{{`$'`, `'`}, {`\"`, `\"`}, {`"`, `"`}, {`'`, `'`}} {
		if v := s[from:to]; len(v) >= len(q[0])+len(q[1]) && strings.HasPrefix(v, q[0]) && strings.HasSuffix(v, q[1]) {
			from, to = from+len(q[0]), to-len(q[1])
			break
		}
	}
	v := s[from:to]
	if harmless(v) {
		return
	}
	f.until = to
	if t, at, _, _ := tokenAt(v, 0); t != nil && t.back == 0 {
		f.hide(from+at, to)
		return
	}
	f.report(namedKind(strings.TrimLeft(name, "-"), v))
	f.hide(from, to)
}

// namedKind is the kind of a secret that only its name tells: formats without
// a mark of their own.
func namedKind(name, v string) string {
	switch low := strings.ToLower(name); {
	case low == "_authtoken" || low == "npm_token" || low == "node_auth_token":
		if uuid(v) || len(v) >= 20 && run(v, 0, word|dot|equal) == len(v) && random(v) && !strings.HasPrefix(v, "npm_") {
			return "npm access token"
		}
	case low == "_auth" || low == "_password":
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(raw) >= 8 && !placeholder(v) &&
			(low == "_password" || strings.Contains(string(raw), ":")) {
			return "npm registry password"
		}
	case strings.HasSuffix(low, "github_token") || low == "gh_token" || strings.HasSuffix(low, "github_pat"):
		if len(v) == 40 && strings.Trim(v, "0123456789abcdef") == "" && random(v) {
			return "GitHub token"
		}
	case low == "aws_secret_access_key":
		if len(v) == 40 && run(v, 0, base64c) == 40 && random(v) {
			return "AWS secret key"
		}
	}
	return ""
}

// uuid reports whether v is one: the look of npm's tokens before 2020, which
// other registries still hand out.
func uuid(v string) bool {
	if len(v) != 36 || v[8] != '-' || v[13] != '-' || v[18] != '-' || v[23] != '-' {
		return false
	}
	hex := strings.ReplaceAll(v, "-", "")
	return len(hex) == 32 && strings.Trim(hex, "0123456789abcdef") == "" && random(hex)
}
