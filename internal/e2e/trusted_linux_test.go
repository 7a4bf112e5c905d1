package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormbell"
)

// nvm lays real node and real npm out in the home as nvm does, and returns their folder.
func (m *machine) nvm() string {
	m.t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		m.t.Skip("there is no node")
	}
	npm, err := exec.LookPath("npm")
	if err == nil {
		npm, err = filepath.EvalSymlinks(npm)
	}
	if err == nil {
		node, err = filepath.EvalSymlinks(node)
	}
	if err != nil || !strings.HasSuffix(npm, "/npm/bin/npm-cli.js") {
		m.t.Skipf("npm is at %q (%v)", npm, err)
	}
	dir := m.path("~/.nvm/versions/node/v20.0.0")
	for _, cmd := range [][]string{
		{"mkdir", "-p", dir + "/bin", dir + "/lib/node_modules"},
		{"cp", "--reflink=auto", node, dir + "/bin/node"},
		{"cp", "-r", filepath.Dir(filepath.Dir(npm)), dir + "/lib/node_modules/npm"},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			m.t.Fatalf("%s: %v\n%s", cmd[0], err, out)
		}
	}
	return dir
}

// rang waits for a finding about a process with a word in its command line.
func (m *machine) rang(word string) {
	m.t.Helper()
	m.until("a finding about "+word, 20e9, func() bool { return m.readBy(word) })
}

// readBy reports whether there is one.
func (m *machine) readBy(word string) bool {
	for _, a := range m.alerts() {
		for _, f := range a.Findings {
			if f.Detector == "credential-read" && slices.ContainsFunc(f.Evidence, func(e wormbell.Event) bool {
				return e.Process != nil && slices.ContainsFunc(e.Process.Args, func(arg string) bool { return strings.Contains(arg, word) })
			}) {
				return true
			}
		}
	}
	return false
}

// TestWhoIsVouchedFor: real programs that are vouched for read a credential, as
// they are and with somebody else's code in them.
func TestWhoIsVouchedFor(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := prepare(t, options{})
	nvm := m.nvm()
	term := m.login()
	m.launch(options{})
	m.ready()
	rc := m.path("~/.npmrc")
	read := fmt.Sprintf("require('fs').readFileSync(%q)", rc)
	m.write("~/hook.js", read)
	m.write("~/steal.js", read)
	m.write("~/auto.js", `require('child_process').execFileSync('/bin/bash', ['-c', 'read x < `+rc+`; : W-bash'])`)
	m.write("~/x.c", "unsigned la_version(unsigned v) { return v; }\n")
	m.write("~/other/.node_modules/encoding.js", "")
	m.write("~/other/.npmrc", "")
	library := m.path("~/x.so")
	compiled := exec.Command("gcc", "-shared", "-fPIC", "-o", library, m.path("~/x.c")).Run() == nil
	m.must("~", "mkdir", "-p", m.path("~/.local/bin"), m.path("~/libs"))
	m.must("~", "cp", nvm+"/bin/node", m.path("~/.local/bin/npm"))
	libc := strings.TrimSpace(m.must("~", "sh", "-c", "ldd /bin/cat | sed -n 's/.*=> \\(.*libc.so.6\\) .*/\\1/p'"))
	if libc != "" {
		m.must("~", "cp", libc, m.path("~/libs/"))
	}
	node := nvm + "/bin/node"
	npm := nvm + "/lib/node_modules/npm/bin/npm-cli.js"

	// As they are.
	for _, argv := range [][]string{{"npm", "whoami"}, {node, npm, "whoami"}, {"cat", rc}, {"env", "LD_LIBRARY_PATH=" + m.path("~/.nvm"), "cat", rc}} {
		m.must("~", argv...)
		term.types(line(argv))
	}
	m.quiet("a program that is vouched for")

	for _, tc := range []struct {
		word string // in the command line of who reads
		argv []string
		skip bool
	}{
		// A person may well read with what they choose to, so these are not typed. For
		// each another program: of one the agent tells once a minute.
		{"W-preload", []string{"env", "LD_PRELOAD=" + library, "cat", rc, "W-preload"}, !compiled},
		{"W-audit", []string{"env", "LD_AUDIT=" + library, "head", rc, "W-audit"}, !compiled},
		{"W-path", []string{"env", "LD_LIBRARY_PATH=" + m.path("~/libs"), "tail", rc, "W-path"}, libc == ""},
		// These are.
		{"W-eval", []string{"node", "-e", read + "// W-eval"}, false},
		{"W-print", []string{"node", "-p", read + "// W-print"}, false},
		{"W-import", []string{"node", "--import=data:text/javascript,0", m.path("~/steal.js"), "W-import"}, false},
		{"W-npmimport", []string{"sh", "-c", "exec node --import=data:text/javascript,0 $(command -v npm) whoami W-npmimport"}, false},
		{"W-pipe", []string{"sh", "-c", "echo \"" + strings.ReplaceAll(read, `"`, `'`) + "\" | node - W-pipe"}, false},
		{"W-options", []string{"env", "NODE_OPTIONS=--require=" + m.path("~/hook.js"), "npm", "whoami", "W-options"}, false},
		{"W-home", []string{"env", "HOME=" + m.path("~/other"), "npm", "--userconfig=" + rc, "whoami", "W-home"}, false},
		{"W-copy", []string{m.path("~/.local/bin/npm"), m.path("~/steal.js"), "W-copy"}, false},
		{"W-python", []string{"/usr/bin/python3", "-c", fmt.Sprintf("open(%q).read() # W-python", rc)}, !exists("/usr/bin/python3")},
		{"W-perl", []string{"perl", "-e", fmt.Sprintf("open(F, %q); <F>; # W-perl", rc)}, !exists("/usr/bin/perl")},
		{"W-bash", []string{"node", m.path("~/auto.js")}, false},
		{"W-module", []string{node, npm, "whoami", "W-module"}, false},
	} {
		if tc.skip {
			t.Logf("%s: what it needs is not here", tc.word)
			continue
		}
		if m.readBy(tc.word) {
			t.Fatalf("%s rang before it ran", tc.word)
		}
		if tc.word == "W-module" { // a module beside npm's entry file
			m.must("~", "sh", "-c", "echo '// mine' >> "+nvm+"/lib/node_modules/npm/lib/cli.js")
		}
		if slices.ContainsFunc(tc.argv, func(a string) bool { return strings.HasPrefix(a, "LD_") }) {
			m.run("~", tc.argv...)
		} else {
			term.types(line(tc.argv))
		}
		m.rang(tc.word)
	}
	if n := m.status().Notices; !slices.ContainsFunc(n, func(s string) bool {
		return strings.Contains(s, "~/.nvm/versions/node/v20.0.0 is trusted no more: lib/node_modules/npm/lib/cli.js changed")
	}) {
		t.Errorf("status tells %q", n)
	}
	// "That was me."
	var rows struct{ Trust []wormbell.TrustRow }
	out, code := m.wormbell("trust", "list", "--json")
	if err := json.Unmarshal([]byte(out), &rows); code != 0 || err != nil {
		t.Fatalf("trust list: %d %v\n%s", code, err, out)
	}
	i := slices.IndexFunc(rows.Trust, func(r wormbell.TrustRow) bool { return r.Who == "signer:first-use:~/.nvm/versions/node/v20.0.0" })
	if i < 0 || rows.Trust[i].By != "first-use" || !strings.Contains(rows.Trust[i].Reason, "fallen") {
		t.Fatalf("rows: %+v", rows)
	}
	term.types(line([]string{filepath.Join(m.bin, "wormbell"), "--socket", m.socket, "trust", "remove", rows.Trust[i].ID}))
	if n := m.status().Notices; len(n) > 0 {
		t.Errorf("after it was taken back status tells %q; the terminal shows:\n%s", n, term.out.String())
	}
	term.types(line([]string{node, npm, "whoami", "W-again"}))
	m.settle()
	if m.readBy("W-again") {
		t.Error("npm rings after its owner has trusted what is there now")
	}
}

// line is one for a shell.
func line(argv []string) string {
	var words []string
	for _, a := range argv {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
