package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/executable"
	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// TestAnnounced: the program beside the agent may read what it says it will,
// for the person; not for a package's script, and no copy of it may.
func TestAnnounced(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	token := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, token, secretservice.Start(t, secretservice.Config{UID: person}))

	// The person's own.
	out := s.ours("~", "", "--json", "tokens")
	var listed struct {
		Tokens []struct {
			Name, Owner, Answer string
			Places              []struct{ Path string }
		}
		Problems []string
	}
	if err := json.Unmarshal([]byte(out), &listed); err != nil || len(listed.Tokens) != 1 || listed.Tokens[0].Owner != "dev" || listed.Tokens[0].Answer != "alive" ||
		listed.Tokens[0].Places[0].Path != "~/.npmrc" || len(listed.Problems) > 0 {
		t.Errorf("tokens: %v\n%s", err, out)
	}
	s.ours("~", "", "rotate", "npm", "--plan")
	s.ours("~", "", "rotate", "--resume")
	s.ours("~", password+"\n", "rotate", "npm", "--yes", "--password-stdin")
	s.ours("~", "", "vault", "list")
	s.nothingElse("the person's own wormbell")
	if calls, _ := s.wormbell("calls", "--json"); !strings.Contains(calls, "~/.npmrc") {
		t.Errorf("what was announced is not on record: %s", calls)
	}
	fresh := s.tokenIn([]byte(s.read("~/.npmrc")))
	if v.Whoami(token) != "" || v.Whoami(fresh) != "dev" {
		t.Error("it was not rotated")
	}

	// The same program, below a package's script.
	s.dependency("lister", `
const {spawnSync} = require('child_process'), {WORMBELL, SOCKET, HOME} = process.env
const r = spawnSync(WORMBELL, ['--socket', SOCKET, 'tokens'], {encoding: 'utf8'})
require('fs').writeFileSync(HOME + '/listed', r.stdout + r.stderr)
`)
	b, err := os.ReadFile(s.path("~/listed"))
	if err != nil {
		t.Fatal(err)
	}
	s.hides("what it printed", b, fresh)
	if flat := strings.Join(strings.Fields(string(b)), " "); !strings.Contains(flat, "refused to announce the reading of credentials") || !strings.Contains(flat, "lister@1.0.0") {
		t.Errorf("below a script it says:\n%s", b)
	}
	s.rings("guard-tampering")
	alert, f := s.rings("credential-read")
	if f.Subject != "~/.npmrc" || !by(f, "lister") {
		t.Errorf("%+v", f)
	}
	s.settle()
	var known []string
	for _, a := range s.alerts("--all") {
		known = append(known, a.ID)
	}

	// A copy of it, started by the person's own script. It comes last: what
	// started it is suspect from then on.
	copyTo(t, filepath.Join(bin, "wormbell"), s.path("~/wormbell"))
	s.write("~/list.sh", "~/wormbell --socket "+s.socket+" tokens\n")
	out, _ = s.at("~", "", "bash", s.path("~/list.sh"))
	s.hides("what the copy printed", []byte(out), fresh)
	if flat := strings.Join(strings.Fields(out), " "); !strings.Contains(flat, "refused to announce the reading of credentials: another program asks") {
		t.Errorf("the copy says:\n%s", out)
	}
	s.until(fmt.Sprintf("a ring for the copy's reading; there were %q", known), 20*time.Second, func() bool {
		return slices.ContainsFunc(s.alerts(), func(a wormbell.Alert) bool {
			return a.ID != alert.ID && slices.ContainsFunc(a.Findings, func(f wormbell.Finding) bool {
				return f.Detector == "credential-read" && f.Subject == "~/.npmrc"
			})
		})
	})
}

// by reports whether a finding is about a package's script.
func by(f wormbell.Finding, name string) bool {
	for _, e := range f.Evidence {
		for p := range e.Process.Chain {
			if p.Package != nil && p.Package.Name == name {
				return true
			}
		}
	}
	return false
}

// copyTo copies a program.
func copyTo(t *testing.T, from, to string) {
	t.Helper()
	if err := executable.Copy(from, to); err != nil {
		t.Fatal(err)
	}
}
