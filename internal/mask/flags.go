package mask

import "strings"

// flags are the long options whose next word is a secret, in every program
// that has them.
var flags = []string{"access-token", "account-key", "api-key", "api-token", "apikey", "app-password", "auth", "auth-token",
	"client-secret", "cookie", "deploy-token", "encryption-key", "github-token", "http-password", "initial-password", "key-password",
	"master-password", "npm-token", "oauth-token", "oauth2-bearer", "otp", "pass", "passphrase", "passwd", "password", "pat",
	"personal-access-token", "proxy-password", "refresh-token", "registry-token", "sas-token", "secret", "secret-access-key",
	"secret-key", "session-token", "storepass", "token", "user-password", "_auth", "_authToken", "_password"}

// shortFlag is an option whose meaning hangs on the program.
type shortFlag struct {
	program string
	also    string // a word that must be there too
	flag    string
	glue    bool // the value may stand in the same word
	login   bool // the value is user:password
}

// short are the options of the programs that people type passwords into.
var short = []shortFlag{
	{program: "sshpass", flag: "-p", glue: true},
	{program: "mysql", flag: "-p", glue: true},
	{program: "mysqldump", flag: "-p", glue: true},
	{program: "mysqladmin", flag: "-p", glue: true},
	{program: "mariadb", flag: "-p", glue: true},
	{program: "mariadb-dump", flag: "-p", glue: true},
	{program: "docker", also: "login", flag: "-p"},
	{program: "podman", also: "login", flag: "-p"},
	{program: "nerdctl", also: "login", flag: "-p"},
	{program: "helm", also: "login", flag: "-p"},
	{program: "oc", also: "login", flag: "-p"},
	{program: "az", also: "login", flag: "-p"},
	{program: "twine", flag: "-p"},
	{program: "redis-cli", flag: "-a"},
	{program: "7z", flag: "-p", glue: true},
	{program: "zip", flag: "-P", glue: true},
	{program: "unzip", flag: "-P", glue: true},
	{program: "mongo", flag: "-p"},
	{program: "mongosh", flag: "-p"},
	{program: "sqlcmd", flag: "-P", glue: true},
	{program: "ldapsearch", flag: "-w", glue: true},
	{program: "openssl", flag: "-pass"},
	{program: "openssl", flag: "-passin"},
	{program: "openssl", flag: "-passout"},
	{program: "openssl", flag: "-k"},
	{program: "curl", flag: "-u", glue: true, login: true},
	{program: "curl", flag: "--user", login: true},
	{program: "curl", flag: "-U", glue: true, login: true},
	{program: "curl", flag: "--proxy-user", login: true},
	{program: "curl", flag: "-b", glue: true},
	{program: "http", flag: "-a", login: true},
	{program: "https", flag: "-a", login: true},
}

// known reports whether the option called name is in flags.
func known(name string) bool {
	for _, f := range flags {
		if len(f) == len(name) && strings.EqualFold(f, name) {
			return true
		}
	}
	return false
}

// follows is what the arguments before one say about it.
type follows int

const (
	nothing      follows = iota
	valueFollows         // it is, or ends with, the value of a secret
	codeFollows          // it is a line for a shell
)

// before looks at the arguments before args[i], and at its own beginning. For
// valueFollows it says where in args[i] the value begins.
func before(args []string, i int) (from int, _ follows) {
	a := args[i]
	if len(a) > 2 && a[0] == '-' && a[1] != '-' {
		if n := glued(a, &command{args: args}); n > 0 {
			return n, valueFollows
		}
	}
	if i == 0 {
		return 0, nothing
	}
	p := args[i-1]
	switch {
	case len(p) < 2:
	case code(p):
		return 0, codeFollows
	case p[0] == '-':
		if n := optionValue(p, a, &command{args: args}); n >= 0 {
			return n, valueFollows
		}
	case settable(p):
		for _, set := range args[:i-1] {
			if sets(set) {
				return 0, valueFollows
			}
		}
	}
	return 0, nothing
}

// optionValue says where in next, the word after the option p, a secret
// begins: -1 for nowhere.
func optionValue(p, next string, in *command) int {
	if next == "" || next[0] == '-' {
		return -1
	}
	if len(p) > 2 && p[1] == '-' && known(p[2:]) {
		if strings.HasPrefix(next, "id=") || strings.HasPrefix(next, "type=") { // docker build --secret
			return -1
		}
		return 0
	}
	for _, r := range short {
		if r.flag == p && in.runs(r) {
			return r.from(next)
		}
	}
	return -1
}

// glued says where in a, a short option, the value of a secret begins in the
// same word: 0 for nowhere.
func glued(a string, in *command) int {
	for _, r := range short {
		if r.glue && len(a) > len(r.flag) && strings.HasPrefix(a, r.flag) && in.runs(r) {
			if n := r.from(a[len(r.flag):]); n >= 0 {
				return len(r.flag) + n
			}
		}
	}
	return 0
}

// from returns where in the value v of the option the secret begins, -1 for
// nowhere.
func (r shortFlag) from(v string) int {
	if !r.login {
		return 0
	}
	if n := strings.IndexByte(v, ':'); n >= 0 {
		return n + 1
	}
	return -1
}

// command is what an option stands in: the arguments of a process, or else
// part of a line, which is taken apart only when somebody asks.
type command struct {
	args []string
	line string
}

// runs reports whether the program of r runs in c.
func (c *command) runs(r shortFlag) bool {
	if c.args == nil {
		c.args = strings.Fields(c.line)
	}
	return c.has(r.program) && (r.also == "" || c.has(r.also))
}

func (c *command) has(name string) bool {
	for _, a := range c.args[:min(len(c.args), 8)] { // sudo -u x env Y=z sh -x curl
		if strings.HasSuffix(a, name) && (len(a) == len(name) || a[len(a)-len(name)-1] == '/') {
			return true
		}
	}
	return false
}

// simple returns the simple command of the line s up to s[i].
func simple(s string, i int) *command {
	from := max(0, i-512)
	if n := strings.LastIndexAny(s[from:i], ";|&\n(`"); n >= 0 {
		from += n + 1
	}
	return &command{line: s[from:i]}
}

// option looks at the option that begins at s[i] of a line.
func (f *found) option(s string, i int, at place) {
	end := run(s, i, word)
	if end-i < 2 || end-i > 64 {
		return
	}
	p, in := s[i:end], simple(s, i)
	if p[1] != '-' {
		stop := valueEnd(s, i, at, len(s))
		if n := glued(s[i:stop], in); n > 0 {
			f.value(s, i+n, stop, "")
			return
		}
	}
	v := end
	for v < len(s) && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	if v == end || v == len(s) {
		return
	}
	stop := valueEnd(s, v, at, len(s))
	if s[v] == '"' || s[v] == '\'' { // -u "user:password"
		if stop > v+1 && s[stop-1] == s[v] {
			v, stop = v+1, stop-1
		}
	}
	if n := optionValue(p, s[v:min(stop, v+512)], in); n >= 0 {
		f.value(s, v+n, stop, "")
	}
}

// setting looks at the blank s[i] of a line: the word before it may be the
// name of a secret that the one after it is the value of.
func (f *found) setting(s string, i int, at place) {
	start := i
	for start > 0 && i-start < 64 && classOf[s[start-1]]&(word|dot) != 0 {
		start--
	}
	if !settable(s[start:i]) {
		return
	}
	for _, w := range strings.Fields(simple(s, start).line) {
		if sets(w) {
			v := i + 1
			for v < len(s) && s[v] == ' ' {
				v++
			}
			if v < len(s) && s[v] != '-' {
				f.value(s, v, valueEnd(s, v, at, len(s)), s[start:i])
			}
			return
		}
	}
}

// wordBefore returns the word that ends before s[i].
func wordBefore(s string, i int) string {
	end := i
	for end > 0 && s[end-1] == ' ' {
		end--
	}
	start := end
	for start > 0 && end-start < 32 && s[start-1] != ' ' {
		start--
	}
	return s[start:end]
}

// code reports whether the word after p is a line for a shell.
func code(p string) bool {
	switch p {
	case "/c", "/C", "-Command", "-command", "eval", "--command", "--run":
		return true
	}
	return len(p) >= 2 && len(p) <= 5 && p[0] == '-' && p[1] != '-' && p[len(p)-1] == 'c' && run(p, 1, lower) == len(p)
}

// settable reports whether a word is the name of a secret as config commands
// and shells take it: NPM_TOKEN, aws_secret_access_key, //host/:_authToken.
func settable(p string) bool {
	if n := strings.LastIndexAny(p, ":/"); n >= 0 {
		p = p[n+1:]
	}
	if len(p) < 4 || p[0] == '-' || run(p, 0, word|dot) < len(p) {
		return false
	}
	if strings.IndexByte(p, '_') < 0 && strings.IndexByte(p, '.') < 0 && run(p, 0, upper) < len(p) {
		return false
	}
	_, firm := secretName(p)
	return firm
}

// sets reports whether a is a command that gives the next word a value.
func sets(a string) bool {
	switch a {
	case "set", "config", "setenv", "setx", "c", "secret", "variable":
		return true
	}
	return false
}
