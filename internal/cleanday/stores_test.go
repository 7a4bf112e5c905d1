package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/stores"
)

// TestStoresDay: the programs of the stores do their work, and nothing rings.
func TestStoresDay(t *testing.T) {
	only := "ssh-script,env-tools,gpg-script,pass,shells,repls"
	d, err := live(t.Context(), options{offline: true, bin: build(t), chores: storeChores, only: only}, 5)
	var b strings.Builder
	d.tell(&b, false)
	t.Log(b.String())
	if err != nil || len(d.rang) > 0 || d.done < 4 {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// stolen are files of the stores, by the store.
var stolen = map[string]string{
	"ssh": "~/.ssh/id_ed25519", "env": "~/other/site/.env", "gpg": "~/.gnupg/private-keys-v1.d/0123.key", "password-manager": "~/.password-store/web/example.gpg",
	"wallet": "~/.electrum/wallets/default_wallet", "solana": "~/.config/solana/id.json", "browser": "~/.mozilla/firefox/x.default/logins.json",
	"editor": "~/.config/Code/User/globalStorage/state.vscdb", "history": "~/.zsh_history",
}

// TestStoresThief: the install script of a dependency that opens a file of each
// store rings for each, by what is in it, and for a collection; what looks like
// such files does not.
func TestStoresThief(t *testing.T) {
	files := map[string]string{
		"package.json": project(""), ".npmrc": "fund=false\n", ".env": "A=decoy\n",
		"thief/package.json": `{"name":"thief","version":"1.0.0","scripts":{"postinstall":"node steal.js"}}`,
	}
	var b strings.Builder
	harmless := []string{"~/.ssh/id_ed25519.pub", "~/.ssh/known_hosts", "~/other/site/.env.example", "~/.gnupg/pubring.kbx", "~/.config/Code/User/settings.json"}
	for _, f := range slices.Concat(harmless, []string{"~/work/thief/.env"}) {
		if files[f] = "decoy\n"; f == "~/work/thief/.env" {
			delete(files, f) // it lies there already
		}
		fmt.Fprintf(&b, "require('fs').readFileSync('%s'.replace('~', process.env.HOME))\n", f)
	}
	for _, f := range stolen {
		files[f] = "decoy\n"
		fmt.Fprintf(&b, "require('fs').readFileSync('%s'.replace('~', process.env.HOME))\n", f)
	}
	files["thief/steal.js"] = b.String()
	list := []chore{{name: "thief", files: files, types: `(cd thief && npm pack --silent --pack-destination ..) && npm install --foreground-scripts ./thief-1.0.0.tgz`}}
	d, err := live(t.Context(), options{bin: build(t), chores: list, offline: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	d.tell(&told, false)
	all := told.String()
	if loud, _ := d.count(); loud == 0 {
		t.Errorf("nothing is above low:\n%s", all)
	}
	// That it read the .env of the project that it is installed in is one of the
	// day's usual findings, told before the rest was known; the grave alert has it, too.
	for _, e := range d.rang {
		for _, f := range e.findings {
			if e.severity <= wormbell.Low && !strings.Contains(f.summary, "(~/work/thief/.env)") {
				t.Errorf("only low: %s", f.summary)
			}
		}
	}
	for id, f := range stolen {
		if want := fmt.Sprintf("read your %s (%s)", stores.ByID(id).Kind, f); !strings.Contains(all, "credential-read: postinstall of thief@1.0.0 (node steal.js, ") || !strings.Contains(all, want) {
			t.Errorf("no alert says %q:\n%s", want, all)
		}
	}
	if !strings.Contains(all, "credential-sweep") {
		t.Errorf("no collection:\n%s", all)
	}
	for _, f := range harmless {
		if strings.Contains(all, "("+f+")") {
			t.Errorf("%s rings", f)
		}
	}
}
