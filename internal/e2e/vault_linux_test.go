package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// TestVaultBesideAgent: with an agent that asks who takes tokens, a person moves
// theirs off the disk, uses them, and moves them back, and nothing rings.
func TestVaultBesideAgent(t *testing.T) {
	needRoot(t)
	needNPM(t)
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	session := secretservice.Start(t, secretservice.Config{UID: person})
	m := prepare(t, options{})
	m.token = v.AddToken(v.AddUser("dev", password), password, false)
	m.uid = person
	m.own(person)
	m.write("~/.npmrc", fmt.Sprintf("registry=%s/\n//%s/:_authToken=%s\n", v.URL, v.Host, m.token))
	term := m.login("DBUS_SESSION_BUS_ADDRESS=" + session.Address)
	m.launch(options{})
	m.ready()
	wormbell := filepath.Join(bin, "wormbell") + " --socket " + m.socket + " "
	for _, line := range []string{"vault npm", "vault list", "exec -- npm whoami", "vault npm --restore"} {
		term.types(wormbell + line + "; echo status-$?")
	}
	term.types("npm whoami")
	said := term.out.String()
	if strings.Count(said, "status-0") != 4 || strings.Count(said, "\ndev\r\n") != 2 {
		t.Errorf("the terminal shows:\n%s", said)
	}
	if strings.Contains(said, m.token) {
		t.Error("the terminal shows the token")
	}
	m.quiet("a person who uses the vault")
}
