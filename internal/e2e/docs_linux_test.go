package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/docs"
)

// told is what this test must be told about a line of the documentation that
// does not simply run and end with status 0.
type told struct {
	exit   int    // the status that it ends with, where the page says or shows so
	until  string // it does not end: it is interrupted once it has printed this, by then with status 0
	answer string // what the person types
	// elsewhere is where the line is run if not here, as FILE or FILE:Test, and
	// why says what keeps it from running here.
	elsewhere, why string
}

// lines are the lines of the documentation that need to be told something.
// Everything else is run as it stands, by a person at a terminal, against the
// agent of this build.
var lines = map[string]told{
	"make run":                    {elsewhere: "internal/docs/make_linux_test.go:TestMakeRun", why: "it would guard this machine's homes"},
	"make build":                  {elsewhere: "internal/docs/make_linux_test.go:TestMakeRun", why: "it writes into the repository"},
	"sudo bin/wormbell run":       {elsewhere: "internal/docs/make_linux_test.go:TestMakeRun", why: "it would guard this machine's homes"},
	"systemctl restart wormbelld": {elsewhere: "internal/e2e/machine/package_linux_test.go:TestPackage", why: "it needs systemd"},
	"wormbell checkup":            {exit: 1}, // there is an alert that nobody has answered
	"make test":                   {elsewhere: ".ci/run", why: "it runs this test"},
	"make generate":               {elsewhere: "internal/docs/detector_test.go:TestWriteADetector", why: "it writes into the repository"},
	"make vet":                    {elsewhere: "Makefile:test", why: "make test runs it"},
	"make cross":                  {elsewhere: "Makefile:test", why: "make test runs it"},
	"go test ./agent/detect":      {elsewhere: "internal/docs/detector_test.go:TestWriteADetector", why: "it is a test"},
	`PATH="$PWD/bin:$PATH"`:       {elsewhere: "internal/docs/make_linux_test.go:TestMakeRun", why: "the programs are elsewhere in this test"},
	"wormbell vault npm":          {elsewhere: "internal/e2e/offdisk_linux_test.go:TestOffDisk", why: "it wants a keychain"},
	"wormbell dashboard":          {elsewhere: "internal/e2e/dashboard_linux_test.go:TestDashboard", why: "it opens a browser"},
	// What rang here is a worm: of that nothing may be allowed. TestItWasMe says so of a script of the person's own.
	"wormbell alert trust ID":          {exit: 2},
	"wormbell alerts --follow":         {until: "A program collects credentials"},
	"wormbell respond ID":              {exit: 2, answer: "n"},
	"wormbell revoke npm":              {exit: 2, answer: "n"},
	"wormbell rotate npm":              {exit: 2, answer: "n"},
	"wormbell exec -- npm publish":     {elsewhere: "internal/e2e/offdisk_linux_test.go:TestOffDisk", why: "it wants a keychain"},
	"go test ./internal/words -update": {elsewhere: "internal/docs/detector_test.go:TestWriteADetector", why: "it writes into the repository"},
}

// pagesElsewhere are followed as a whole by another test.
var pagesElsewhere = map[string]string{
	"README.ja.md":             "internal/docs/japanese_test.go:TestJapanese", // and with that here, as README.md
	"docs/write-a-detector.md": "internal/docs/detector_test.go:TestWriteADetector",
}

// TestDocsAgent: every flag of the agent that a page names is there.
func TestDocsAgent(t *testing.T) {
	root, err := docs.Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(filepath.Join(bin, "wormbelld"), "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("wormbelld --help: %v\n%s", err, help)
	}
	flag := regexp.MustCompile(`--[a-z-]+`)
	known := flag.FindAllString(string(help), -1)
	if len(known) < 4 {
		t.Fatalf("wormbelld --help names %q", known)
	}
	for _, p := range pages {
		for _, c := range append(p.Spans(), p.Commands()...) {
			if !strings.HasPrefix(strings.TrimPrefix(c.Text, "sudo "), "wormbelld ") {
				continue
			}
			for _, f := range flag.FindAllString(c.Text, -1) {
				if !slices.Contains(known, f) {
					t.Errorf("%s:%d: %s: the agent has no %s", c.Page, c.Line, c.Text, f)
				}
			}
		}
	}
}

// TestDocsLimits: the table of docs/limits.md says of each detector what the
// agent says of itself, as root and as a user.
func TestDocsLimits(t *testing.T) {
	needRoot(t)
	root, err := docs.Folder()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	for column, uid := range []int{0, person} {
		m := start(t, options{user: uid})
		for _, d := range m.status().Detectors {
			i := strings.Index(string(page), "`"+d.ID+"`")
			if i < 0 {
				t.Errorf("%s is not in the table", d.ID)
				continue
			}
			row, _, _ := strings.Cut(string(page)[i:], "\n")
			cells := strings.Split(row, "|")
			if len(cells) < 4 {
				t.Errorf("%s is first named in %q, which is no row of a table", d.ID, row)
				continue
			}
			cell := strings.TrimSpace(cells[1+column])
			got := "blind"
			switch {
			case cell == "ring" || cell == "rings":
				got = "sees"
			case strings.Contains(cell, "who"):
				got = "cannot see who"
			}
			if got != d.Sees {
				t.Errorf("as uid %d, %s says %q, and the table %q", uid, d.ID, d.Sees, cell)
			}
		}
	}
}

// TestDocs: every line that the documentation tells a reader to type does what
// the page says, and what it shows is what is printed.
func TestDocs(t *testing.T) {
	needRoot(t)
	needNPM(t)
	root, err := docs.Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	ran := 0
	for _, p := range pages {
		commands := p.Commands()
		if by := pagesElsewhere[p.Path]; by != "" {
			there(t, root, docs.Command{Page: p.Path, Text: "all of it"}, told{elsewhere: by, why: "all of it is followed there"})
			continue
		}
		for _, c := range commands {
			used[c.Text] = true
		}
		if len(commands) == 0 {
			continue
		}
		t.Run(p.Path, func(t *testing.T) {
			var r *reader
			for _, c := range commands {
				say := lines[c.Text]
				if c.By != "" { // the page says so itself
					say = told{elsewhere: c.By, why: c.Why}
				}
				if say.elsewhere != "" {
					there(t, root, c, say)
					continue
				}
				if r == nil {
					r = newReader(t)
				}
				r.follow(c, say)
				ran++
			}
		})
	}
	for text := range lines {
		if !used[text] {
			t.Errorf("no page says %q any more", text)
		}
	}
	if ran < 5 {
		t.Errorf("%d lines were run", ran)
	}
}

// reader is a person who does what a page says.
type reader struct {
	*machine
	term  *terminal
	alert string // the ID of what rang
}

// collector is a package that takes what it finds, as worms do.
var collector = pkg{name: "colour-strings", version: "1.0.3",
	scripts: map[string]any{"postinstall": "node postinstall.js"},
	files: map[string]string{
		"postinstall.js": "require('child_process').execFileSync(process.execPath, ['collect.js'])\n",
		"collect.js": "for (const f of ['.npmrc', '.aws/credentials', '.config/gh/hosts.yml'])\n" +
			"  require('fs').readFileSync(process.env.HOME + '/' + f)\n"}}

// newReader makes a person's home on a machine that an agent guards, where a
// package has collected credentials.
func newReader(t *testing.T) *reader {
	t.Helper()
	m := prepare(t, options{bin: installed(t)})
	m.uid = person
	m.write("~/.aws/credentials", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n")
	m.write("~/.config/gh/hosts.yml", "github.com:\n    user: dev\n    oauth_token: gho_0000000000000000000000000000000000000000\n")
	m.write("~/app/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	m.seed(collector)
	m.own(person)
	// Whatever asks a service that is not on loopback gets no answer.
	r := &reader{machine: m, term: m.login("HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost")}
	m.launch(options{})
	m.ready()
	r.term.types(fmt.Sprintf("wormbell() { %s --socket %s \"$@\"; }; wormbelld() { %s \"$@\"; }; sudo() { \"$@\"; }",
		quoted(filepath.Join(m.bin, "wormbell")), quoted(m.socket), quoted(filepath.Join(m.bin, "wormbelld"))))
	r.term.types("cd ~/app && npm install colour-strings; cd ~")
	alert, _ := m.rings("credential-sweep")
	m.settle()
	r.alert = alert.ID
	return r
}

// placeholder is what a reader puts something of theirs in for.
var placeholder = regexp.MustCompile(`\bID\b|\b` + shownID + `\b`)

// shownID is the ID that every alert has in the documentation.
const shownID = "zgtscutg"

// follow does what one line of a page says.
func (r *reader) follow(c docs.Command, say told) {
	r.t.Helper()
	at := fmt.Sprintf("%s:%d: %s", c.Page, c.Line, c.Text)
	base := filepath.Join(r.term.dir, fmt.Sprint("line", c.Line))
	text := placeholder.ReplaceAllString(c.Text, r.alert)
	if say.until != "" {
		r.untilPrints(at, base, text, say.until)
		return
	}
	for name, text := range c.Files {
		r.write("~/"+name, text)
	}
	line := "{ " + text + "\n} >" + base + ".out 2>" + base + ".err"
	if say.answer != "" {
		line += " <<<" + quoted(say.answer)
	}
	if err := os.WriteFile(base+".sh", []byte(line+"\necho $? >"+base+".code\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	// A demonstration alone may take a minute and a half.
	r.term.pty.WriteString(" . " + base + ".sh\n")
	r.until("the terminal to finish "+at, 4*time.Minute, func() bool { b, _ := os.ReadFile(base + ".code"); return bytes.HasSuffix(b, []byte("\n")) })
	var code int
	got, err1 := os.ReadFile(base + ".out")
	errors, err2 := os.ReadFile(base + ".err")
	status, err3 := os.ReadFile(base + ".code")
	if err1 != nil || err2 != nil || err3 != nil {
		r.t.Fatalf("%s: %v %v %v", at, err1, err2, err3)
	}
	if fmt.Sscan(string(status), &code); code != say.exit {
		r.t.Errorf("%s\nended with status %d, want %d\n%s%s", at, code, say.exit, got, errors)
	}
	if bytes.Contains(append(got, errors...), []byte(r.token)) {
		r.t.Errorf("%s: it printed the token", at)
	}
	if c.Shows {
		if fault := docs.Differ(c.Output, strings.Split(strings.TrimRight(strings.ReplaceAll(string(got)+string(errors), r.alert, shownID), "\n"), "\n")); fault != "" {
			r.t.Errorf("%s\n%s\nit printed\n%s%s", at, fault, got, errors)
		}
	}
}

// untilPrints runs what does not end by itself until it has printed something.
func (r *reader) untilPrints(at, base, text, want string) {
	r.t.Helper()
	r.term.types(text + " >" + base + ".out 2>&1 & echo $! >" + base + ".pid")
	b, err := os.ReadFile(base + ".pid")
	if err != nil {
		r.t.Fatalf("%s: %v", at, err)
	}
	var pid int
	fmt.Sscan(string(b), &pid)
	printed := func() string { b, _ := os.ReadFile(base + ".out"); return string(b) }
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(printed(), want); time.Sleep(20 * time.Millisecond) {
		if gone(pid) || time.Now().After(deadline) {
			r.t.Errorf("%s: it did not print %q but\n%s", at, want, printed())
			break
		}
	}
	for _, child := range append(children(pid), pid) {
		syscall.Kill(child, syscall.SIGINT)
	}
	r.term.types("wait")
}

// there fails the test if the one that is said to run a line is not there.
func there(t *testing.T, root string, c docs.Command, say told) {
	t.Helper()
	file, name, _ := strings.Cut(say.elsewhere, ":")
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || name != "" && !strings.Contains(string(b), "func "+name+"(") && !strings.Contains(string(b), "\n"+name+":") || say.why == "" {
		t.Errorf("%s:%d: %q is run by %s, which is not there (%v)", c.Page, c.Line, c.Text, say.elsewhere, err)
	}
}
