package persistence

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// sign is one behaviour that code shows. Each is harmless by itself: what
// tells is which of them come together, see judge.
type sign int

// The signs.
const (
	namesService sign = iota // names a host where tokens are used
	asksService              // asks whether a token is good: the calls for that, or a host and a token together
	holdsToken               // takes a token from somewhere, or sends one
	seesRefusal              // looks whether it was refused
	goesOn                   // a loop with a pause
	wipesHome                // deletes the home folder
	deletes                  // deletes folders, or a file beyond recovery
	runsHanded               // runs what a server or a file handed it
	runsText                 // runs a text that is made as it goes
	turnsOff                 // switches the machine off
	hidesCode                // its code is not to be read
	threatens                // says in words that revoking ends badly
	reloads                  // makes other programs load its code
	remote                   // lets others run code here
	signs                    // how many there are
)

// evidence is what code shows, each sign with its reason in words, "" for none.
type evidence [signs]string

func (e *evidence) set(s sign, format string, args ...any) {
	if e[s] == "" {
		e[s] = fmt.Sprintf(format, args...)
	}
}

func (e *evidence) merge(o evidence) {
	for s, why := range o {
		if e[s] == "" {
			e[s] = why
		}
	}
}

func (e evidence) has(s ...sign) bool {
	return slices.ContainsFunc(s, func(s sign) bool { return e[s] != "" })
}

// harms reports whether it does what nobody's autostart does.
func (e evidence) harms() bool { return e.has(wipesHome, runsHanded, turnsOff, threatens, remote) }

// Where tokens are used. A host alone says little: updaters ask the same one
// for releases.
var (
	hosts = re(`\bapi\.github\.com\b|\buploads\.github\.com\b|\bgithub\.com/login/oauth\b|\bgitlab\.com/(api|oauth)\b|/api/v[34]/(user|projects|personal_access)|`+
		`\bsts\.[\w.-]*amazonaws\.com\b|\biam\.amazonaws\.com\b|\boauth2\.googleapis\.com\b|\bgoogleapis\.com/oauth2\b|\bapi\.anthropic\.com\b|\bapi\.openai\.com\b|\bslack\.com/api\b|\bupload\.pypi\.org\b|\bcrates\.io/api\b`, "github", "gitlab", "/api/v", "amazonaws", "googleapis", "api.anthropic", "api.openai", "slack.com", "pypi.org", "crates.io")
	calls = re(`api\.github\.com["'\s,+)]*/?["']?/?(user\b|rate_limit|applications/|authorizations)|/api/v[34]/user\b|/-/whoami\b|/-/npm/v1/(tokens|user)\b|`+
		`GetCallerIdentity|get[-_]caller[-_]identity|/tokeninfo\b|\bgh (api( -\S+)* /?(user|rate_limit)\b|auth status)|\bglab (api /?user\b|auth status)|\b(npm|pnpm|yarn npm) whoami\b|`+
		`getAuthenticated\s*\(|personal_access_tokens/self|slack\.com/api/auth\.test|\bviewer\s*\{\s*login`, "api.github.com", "/api/v", "whoami", "/-/npm", "getcalleridentity", "get-caller", "get_caller", "tokeninfo", "gh api", "gh auth", "glab ", "getauthenticated", "personal_access", "auth.test", "viewer")
	userPath = re(`["'`+"`"+`\s=]/user["'`+"`"+`\s]`, "/user")
	tokens   = re(`authorization["'\s]*[:=,\])]|\bbearer\s|private-token|x-oauth-basic|\b(gh|github|npm|node_auth|gitlab|aws_session|pypi|vault)_?(pat|token)\b|aws_secret_access_key|_authtoken|`+
		`\.npmrc\b|\.git-credentials|gh/hosts\.yml|gh auth token|git credential[- ](fill|manager)|\.aws/credentials|application_default_credentials|`+
		`[/\\]token\b["'\s)}]|\btoken_?file\b|\b(gh[pousr]_|github_pat_|npm_|glpat-)[a-z0-9_]{16,}`, "author", "bearer", "token", "oauth", "secret", ".npmrc", "credential", "hosts.yml", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "npm_", "glpat-")
	refused = re(`\b40[0-4]\b|\b40\[|\b40\\d|\b40\?|\b4\?\?|\b4xx\b|\^4|startswith\(\s*["']4|bad credentials|unauthori[sz]ed|forbidden|(invalid|revoked|expired)[\s_-]?token|token[\s_-]?(is |was )?(revoked|invalid|expired)|`+
		`httperror|raise_for_status|curl(\s[^\n|;]*)?\s(-[a-z]*f[a-z]*\s|--fail\b)|![\w.]+\.ok\b|not\s+[\w.]+\.ok\b|>=\s*400|-ge\s+400|/100\s*(==|===|-eq)\s*4|wget\s[^\n]*\|\|`, "40", "4??", "4xx", "^4", "\"4", "'4", "credential", "author", "forbidden", "token", "httperror", "raise_for", "curl", ".ok", "/100", "wget")
	loops = re(`\bwhile\b[^\n]{0,40}(true|\b1\b|:|\[|sleep)|\bfor\s*\(\s*;\s*;|\bfor\s*\{|setInterval|\bsleep\s*\(?\s*["']?[\d$a-z.]|time\.sleep|start-sleep|\buntil\b|\bloop\s*\{|settimeout\s*\(|sleepsync|usleep|nanosleep|timeout\s+/t|schedule\.every|thread::sleep|task\.delay`, "while", "for", "interval", "sleep", "until", "loop", "timeout", "every", "delay")
)

// What harms.
var (
	wipeCode = re(`(rmtree|rm_rf|rm_r|remove_entry|removeall|remove_dir_all|rmsync|rmdirsync|rimraf|fs\.rm|promises\.rm|rm)\s*\(\s*[^)\n]*(expanduser\s*\(\s*["']~/?["']|path\.home\(\)|home_dir\(\)|homedir\(\)|userhomedir\(\)|dir\.home|environ(\.get)?[\[(]["']home["']|env\.home\b|env\.userprofile|getenv\(["']home["'])\s*\)?\s*[,)]|`+
		`rm -[a-z]*r[a-z]*[\s,]+(os\.path\.expanduser|path\.home|os\.homedir|homedir\(\)|process\.env\.home|os\.environ)|`+
		`os\.walk\([^)\n]*(expanduser|path\.home|environ)[\s\S]{0,300}os\.(remove|unlink)`, "rmtree", "rm_r", "remove", "rmsync", "rmdir", "rimraf", "fs.rm", "rm(", "rm (", "rm -", "os.walk")
	wipeWindows = re(`\b(del|erase)\s+(/[a-z]+\s+)*["']?(%userprofile%|%homepath%|%homedrive%|\$env:userprofile|\$home)\\?\*?|\b(rd|rmdir)\s+(/[a-z]+\s+)*["']?(%userprofile%|%homepath%|\$env:userprofile)["'\\]?(\s|$|["'])|\bcipher\s+/w:|`+
		`remove-item\b[^\n|;]*(\$home|\$env:userprofile|\s~)["'\\/*]*(\s|$)|(\$home|\$env:userprofile)[^\n;]*\|\s*remove-item|\bformat\s+[a-z]:`, "del ", "erase", "rd ", "rmdir", "cipher", "remove-item", "format")
	wipeDisk   = re(`\bdd\s[^\n]*of=/dev/(sd|nvme|vd|mapper|disk)|\bmkfs(\.\w+)?\s|\bwipefs\s+-a|>\s*/dev/(sd|nvme|vd)`, "/dev/", "mkfs", "wipefs")
	deleteCode = re(`\brmtree\b|\brm_rf\b|\bremoveall\b|remove_dir_all|rmdirsync|\brimraf\b|recursive:\s*(true|!0)|remove-item\b[^\n]*-r|\bshred\b|\bsrm\b|-delete\b|\b(rd|rmdir)\s+/s|\bdel\s+(/[a-z]\s*)*/s`, "rmtree", "rm_rf", "removeall", "remove_dir", "rmdir", "rimraf", "recursive", "remove-item", "shred", "srm", "-delete", "rd ", "del ")

	pipeToShell = re(`\b(curl|wget|fetch|irm|iwr)\b[^\n|;]*\|\s*(sudo\s+)?(/\w+)*/?((ba|z|da|k|a|fi)?sh|python[\d.]*|node|perl|ruby|bun)\b|`+
		`\b(curl|wget)\b[^\n]*-o\s*["']?(\S+)[^\n]*(;|&&)\s*(chmod[^\n]*(;|&&)\s*)?((ba|z|da)?sh|python[\d.]*|node|bun)\s`, "curl", "wget", "fetch", "irm", "iwr")
	decodeToShell = re(`(base64\s+(-d|-D|--decode|-di)|base32\s+-d|openssl\s+(enc|base64)[^\n|]*-d|xxd\s+-r|gunzip|zcat|uudecode)[^\n;]*\|\s*(sudo\s+)?(/\w+)*/?((ba|z|da|k|a)?sh|python[\d.]*|node|perl|ruby|bun)\b|`+
		`(exec|eval|compile|__import__)\s*\([^\n]*(b64decode|b32decode|a85decode|fromhex|unhexlify|decompress|marshal\.loads|codecs\.decode|rot_?13)|`+
		`(eval|function|runin\w+|_compile)\s*\([^\n]*(atob|from\([^\n]*["'](base64|hex)["']|fromcharcode|inflatesync|gunzipsync|unescape\()|`+
		`-e(nc|ncodedcommand|c)?\s+[a-z0-9+/]{60,}|frombase64string[\s\S]{0,200}(iex|invoke-expression|\[scriptblock\])|(iex|invoke-expression)[\s\S]{0,200}frombase64string`, "base64", "base32", "b64", "b32", "a85", "openssl", "xxd", "gunzip", "zcat", "uudecode", "fromhex", "unhex", "decompress", "marshal", "decode", "rot", "atob", "hex", "charcode", "inflate", "unescape", "-e")
	evalFetched = re(`\beval\s+["']?(\$\(|`+"`"+`)\s*(curl|wget|cat|base64|head|tail|jq|openssl|<)|\b(ba|z|da|k)?sh\s+-c\s+["']?(\$\(|`+"`"+`)\s*(curl|wget|cat|base64|jq|openssl|<)|`+
		`\b(source|\.|(ba|z)?sh)\s+<\(\s*(curl|wget|base64)|`+
		`\b(exec|eval|compile)\s*\([^\n]*(urlopen|requests\.|httpx|\bopen\s*\(|\.read\w*\(|response|\.text\b|\.body\b)|`+
		`\b(eval|function|runin\w+|execsync|exec)\s*\([^\n]*(readfile|fetch\(|\.body\b|\.data\b|response|\.text\(\))|`+
		`(iex|invoke-expression)\b[^\n]*(irm|iwr|invoke-(webrequest|restmethod)|downloadstring|get-content|\bgc\b|\$)|(irm|iwr|invoke-(webrequest|restmethod)|downloadstring|get-content)\b[^\n]*\|\s*(iex|invoke-expression)`, "eval", "sh", "source", ".", "exec", "function", "runin", "iex", "invoke")
	evalText = re(`\beval\b|\bexec\s*\(|\bnew function\s*\(|\b(ba|z|da)?sh\s+(-c\s+)?["']?\$|\b(source|\.)\s+["']?\$|os\.system\s*\(|shell\s*=\s*true|execsync\s*\(|child_process|invoke-expression|\biex\b|popen\s*\(|spawn(sync)?\s*\(`, "eval", "exec", "function", "sh", "source", ". ", "system", "shell", "child_process", "iex", "invoke", "popen", "spawn")
	powerOff = re(`(^|[\n;&|"'(\[,]\s*)(sudo\s+)?(/\w+)*/?(shutdown(\s+(-[hHPrf]+|now|\+\d|/[sprf])|["',\s]+-h)|poweroff\b|halt(\s|$|\n)|init\s+0\b|systemctl\s+(poweroff|halt)|stop-computer)`, "shutdown", "poweroff", "halt", "init", "stop-computer")
	threat   = re(`(revoke|invalidat|yank|rotat)[a-z]{0,60}token[a-z]{0,60}(wipe|nuke|kaboom|boom|destroy|erase)|(dont|donot)(revoke|yank|invalidate)\w{0,40}|(revoke|yank|invalidate)and\w{0,20}(boom|wipe|nuke)\w*`, "revoke", "invalidat", "yank", "rotat")
	mangled  = re(`\b_0x[0-9a-f]{4,6}\b`, "_0x")
)

// pattern is an expression over text in lower case, with words of which one
// stands in whatever it matches: to look for those first is much cheaper.
type pattern struct {
	*regexp.Regexp
	words []string
}

func re(expr string, words ...string) pattern {
	lower := []byte(expr)
	for i := range lower {
		if c := lower[i]; c >= 'A' && c <= 'Z' && (i == 0 || lower[i-1] != '\\') {
			lower[i] = c + 'a' - 'A'
		}
	}
	return pattern{regexp.MustCompile(string(lower)), words}
}

func (p pattern) may(text string) bool {
	return slices.ContainsFunc(p.words, func(w string) bool { return strings.Contains(text, w) })
}

// in reports whether it matches text.
func (p pattern) in(text string) bool { return p.may(text) && p.MatchString(text) }

// first is its first match in text, "" for none.
func (p pattern) first(text string) string {
	if !p.may(text) {
		return ""
	}
	return p.FindString(text)
}

// all are its matches in text with their parts, no more than 50.
func (p pattern) all(text string) [][]string {
	if !p.may(text) {
		return nil
	}
	return p.FindAllStringSubmatch(text, 50)
}

const (
	// wholeText is up to where a text is judged as one. In larger ones, which
	// are bundles of many authors, everything occurs somewhere.
	wholeText = 128 << 10
	window    = 16 << 10 // of larger ones: signs count together if they stand together
	maxSpots  = 48       // of a large text, around which windows are laid
	maxClose  = 12       // of these, read closely
)

// behaviour reads what code shows. home is what "~" stands for.
func behaviour(text string, sites []string, home string) evidence {
	if len(text) <= wholeText {
		return behaviourOf(text, sites, home, 0)
	}
	return bundle([]byte(text), false, sites, home)
}

// landmarks are what a large program is searched for before it is read closely
// there. They are parts of what hosts and calls match, in lower case.
var landmarks = []string{"api.github.com", "github.com/login/oauth", "gitlab.com/", "/api/v4/", "/api/v3/", "amazonaws.com", "googleapis.com", "/-/whoami", "/-/npm/v1/", "getcalleridentity", "get-caller-identity",
	"slack.com/api", "tokeninfo", "personal_access_tokens", "api.anthropic.com", "api.openai.com", "upload.pypi.org", "crates.io/api", "gh auth status", "npm whoami"}

// bundle reads a program of many authors. As a whole it shows only whom it
// names; the rest counts only where all of the trap stands together.
func bundle(data []byte, binary bool, sites []string, home string) evidence {
	lower := lowerASCII(data) // of the same length: bytes.ToLower's may be another
	best, most := evidence{}, 0
	var whole evidence
	spots, close := 0, 0
	for _, mark := range slices.Concat(landmarks, sites) {
		mark = strings.ToLower(mark)
		for at := 0; spots < maxSpots && mark != ""; spots++ {
			i := bytes.Index(lower[at:], []byte(mark))
			if i < 0 {
				break
			}
			at += i
			text := string(data[max(0, at-window/2):min(len(data), at+window/2)])
			if binary {
				text = stringsOf([]byte(text))
			}
			var e evidence
			low := strings.ToLower(unfold(text))
			e.service(low, flatten(low), sites)
			if close < maxClose && e.has(asksService) && refused.in(low) {
				close++
				e = behaviourOf(text, sites, home, 0)
			}
			if e.has(namesService) {
				whole.set(namesService, "%s, among much else", e[namesService])
			}
			if e.has(asksService) {
				whole.set(asksService, "%s, among much else", e[asksService])
			}
			if n := e.number(); n > most && e.has(asksService) && e.has(seesRefusal) && e.has(wipesHome, runsHanded, threatens) {
				best, most = e, n
			}
			at += window / 2 // what is nearer was just read
			if at >= len(lower) {
				break
			}
		}
	}
	best.merge(whole)
	return best
}

func (e evidence) number() (n int) {
	for _, why := range e {
		if why != "" {
			n++
		}
	}
	return n
}

// maxDepth is how often code may be wrapped in itself.
const maxDepth = 4

func behaviourOf(text string, sites []string, home string, depth int) evidence {
	var e evidence
	text = unfold(text)
	vars := assignments(text)
	lower := strings.ToLower(text)
	flat := flatten(lower)
	e.service(lower, flat, sites)
	if refused.in(lower) {
		e.set(seesRefusal, "it looks whether the service refuses the token")
	}
	if loops.in(lower) {
		e.set(goesOn, "it goes on in a loop")
	}
	e.harm(text, lower, flat, vars, home)
	if depth >= maxDepth {
		return e
	}
	for _, hidden := range hiddenTexts(text) {
		inner := behaviourOf(hidden, sites, home, depth+1)
		for s, why := range inner {
			if why != "" && !strings.HasSuffix(why, hiddenMark) {
				inner[s] = why + hiddenMark
			}
		}
		if inner.has(namesService, wipesHome, runsHanded, asksService, deletes, runsText) {
			inner.set(hidesCode, "it holds code that is encoded so that nobody reads it")
		}
		e.merge(inner)
	}
	return e
}

const hiddenMark = " (in text that it hides)"

// service finds whom the text asks, and with what.
func (e *evidence) service(text, flat string, sites []string) {
	host := hosts.first(text)
	for _, site := range sites {
		if host == "" && len(site) > 3 && strings.Contains(text, strings.ToLower(site)) {
			host = site
		}
	}
	if host != "" {
		e.set(namesService, "it names %s", clean(host))
	}
	if tokens.in(text) || tokens.in(flat) {
		e.set(holdsToken, "it uses a token")
	}
	call := cmp.Or(calls.first(text), calls.first(flat))
	switch {
	case call != "":
		e.set(asksService, "it asks a token service whether a token is good (%s)", clean(cut(call, 60)))
	case host != "" && userPath.in(text):
		e.set(asksService, "it asks %s who a token belongs to", clean(host))
	case host != "" && e.has(holdsToken):
		e.set(asksService, "it asks %s with a token", clean(host))
	}
}

// harm finds what the text does.
func (e *evidence) harm(text, lower, flat string, vars map[string]string, home string) {
	switch {
	case wipesHomeInShell(text, vars, home), wipeCode.in(lower), wipeCode.in(flat), wipesHomeByName(lower), wipeWindows.in(lower):
		e.set(wipesHome, "it deletes the home folder")
	case wipeDisk.in(lower):
		e.set(wipesHome, "it overwrites disks")
	}
	if deleteCode.in(lower) || deletesInShell(text, vars) {
		e.set(deletes, "it deletes folders")
	}
	code := statements(lower)
	switch {
	case pipeToShell.in(lower):
		e.set(runsHanded, "it runs what it downloads")
	case decodeToShell.in(code):
		e.set(runsHanded, "it decodes code and runs it")
		e.set(hidesCode, "it holds code that is encoded so that nobody reads it")
	case evalFetched.in(code), evalVariable(text, vars):
		e.set(runsHanded, "it runs what a file or a server hands it")
	}
	if evalText.in(lower) {
		e.set(runsText, "it runs commands that it makes as it goes")
	}
	if powerOff.in(lower) {
		e.set(turnsOff, "it switches the machine off")
	}
	if threat.in(lower) {
		e.set(threatens, "it says what will happen if a token is revoked")
	}
	if len(mangled.all(lower)) >= 12 {
		e.set(hidesCode, "its code was made unreadable")
	}
}

var (
	longLine    = regexp.MustCompile(`[^\n]{1000}`)
	functionOf  = regexp.MustCompile(`\bfunction\b[\w$\s*]*\([^()]*\)\s*\{`)
	execCall    = regexp.MustCompile(`\.exec\((?:[^()]|\([^()]*\))*\)`)
	execHanded  = regexp.MustCompile(`readfile|fetch|urlopen|body|data|response|text|b64|base64|read\w*\(|atob|decode|fromhex|decompress`)
	statementOf = regexp.MustCompile(`[;}]|[^$]\{`)
)

// statements puts each statement of minified code on a line of its own, for what
// looks for a call and its argument on one line. In code that has them already
// nothing changes. A function's head is no call of Function, and a call of exec on
// a name is most often a regular expression's.
func statements(text string) string {
	if !longLine.MatchString(text) {
		return text
	}
	text = functionOf.ReplaceAllString(text, "{\n")
	text = execCall.ReplaceAllStringFunc(text, func(call string) string {
		if execHanded.MatchString(call) {
			return call
		}
		return ""
	})
	return statementOf.ReplaceAllString(text, "$0\n")
}

var (
	homeNamed = re(`\b(\w{1,40})\s*(?::=|=)\s*(?:(?:os\.path\.|path\.)?expanduser\(\s*["']~/?["']\s*\)|(?:pathlib\.)?path\.home\(\)|(?:require\(["'](?:node:)?os["']\)|os)\.homedir\(\)|homedir\(\)|process\.env\.(?:home|userprofile)\b|os\.environ(?:\[["']home["']\]|\.get\(["']home["']\))|os\.getenv\(["']home["']\)|\$env:userprofile|\$home|env\[["']home["']\]|dir\.home)`, "home", "expanduser", "userprofile")
	deletesOf = re(`(?:rmtree|rm_rf|rm_r|removeall|remove_dir_all|rmsync|rmdirsync|rimraf|fs\.rm|promises\.rm|remove-item(?:\s+-\w+)*)\s*\(?\s*["']?\$?(\w{1,40})\b["']?\s*(?:[,);\n]|$|\s-)`, "rm", "remove", "rimraf")
	deletesIn = re(`(?:rmtree|rmsync|rm_rf|removeall|rimraf)\s*\(\s*[^)\n]*(?:expanduser|homedir|path\.home)\b`, "rm", "removeall", "rimraf")
	homeAlone = regexp.MustCompile(`["']~/?["']`)
)

// wipesHomeByName finds that the home folder is deleted by a name that was
// given to it before.
func wipesHomeByName(text string) bool {
	for _, m := range homeNamed.all(text) {
		for _, d := range deletesOf.all(text) {
			if d[1] == m[1] {
				return true
			}
		}
	}
	return homeAlone.MatchString(text) && deletesIn.in(text)
}

// flatten makes one command of a list of arguments: ["gh", "api", "user"].
func flatten(text string) string { return flatMarks.ReplaceAllString(text, " ") }

var flatMarks = regexp.MustCompile(`["'` + "`" + `,\[\]()\s]+`)

// unfold undoes what makes one text of several pieces: lines that go on, and
// strings that are put together.
func unfold(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\\\r\n", " "), "\\\n", " ")
	return joined.ReplaceAllString(text, "")
}

var joined = regexp.MustCompile(`"\s*\+\s*"|'\s*\+\s*'|""|''`)

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// lowerASCII returns b with A to Z as a to z, byte for byte.
func lowerASCII(b []byte) []byte {
	lower := bytes.Clone(b)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}
