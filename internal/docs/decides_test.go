package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestHowItDecides: who rings and who does not is as the table in
// docs/how-it-decides.md has it, row by row.
func TestHowItDecides(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/how-it-decides.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| who opens `~/.npmrc` | what happens |\n|---|---|\n")
	table, _, ends := strings.Cut(table, "\n\n")
	if !ok || !ends {
		t.Fatal("the table is not there")
	}
	const cast = `
-- processes --
9 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
12 < 9 [deb:bash] uid=1000 cwd=~/app tty=pts/0 leader /bin/bash
20 < 12 [deb:npm] fg /usr/bin/node /usr/bin/npm publish
21 < 12 [] fg /usr/bin/node release.js
22 < 21 [deb:npm] /usr/bin/node /usr/bin/npm whoami
30 < 12 [deb:coreutils] fg /usr/bin/cat ~/.npmrc
31 < 12 [deb:vim] fg /usr/bin/vim ~/.npmrc
32 < 12 [deb:grep] fg /usr/bin/grep -r x
40 < 9 [deb:cron] uid=0 /usr/sbin/cron
41 < 40 [deb:tar] uid=1000 /usr/bin/tar c /home/me
42 < 9 [deb:restic] uid=1000 /usr/bin/restic backup
50 < 12 [] fg /usr/bin/node deploy.js
51 < 50 [deb:coreutils] /usr/bin/cat ~/.npmrc
52 < 50 [deb:openssh-client] /usr/bin/ssh server
53 < 50 [deb:coreutils] /usr/bin/cat ~/.ssh/id_ed25519
60 < 12 [deb:npm] fg /usr/bin/node /usr/bin/npm install
61 < 60 [deb:dash] pkg=evil@1.0.0:postinstall cwd=~/app/node_modules/evil /bin/sh -c "npm whoami"
62 < 61 [deb:npm] /usr/bin/node /usr/bin/npm whoami
64 < 61 [] /usr/bin/node setup.js
63 < 61 [deb:npm] /usr/bin/node /usr/bin/npm publish
70 < 12 [package:~/app/node_modules/pnpm] fg /usr/bin/node ~/app/node_modules/.bin/pnpm publish
71 < 12 [package:~/app/node_modules/bun] fg script= ~/app/node_modules/bun/bin/bun.exe install
72 < 12 [] fg /usr/bin/node ~/app/node_modules/.bin/pnpm publish
73 < 12 [] tool=tool:~/app/node_modules/lerna fg /usr/bin/node ~/app/node_modules/.bin/lerna publish
-- events --
`
	rings := func(events string) bool {
		s, err := scene.Parse([]byte(cast + events))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range scene.Replay(s.Events, detect.NewEngine(detect.All, detect.NewTrust()).Observe) {
			if f.Severity > wormbell.Low {
				return true
			}
		}
		return false
	}
	read := func(id string) string { return "0s file.read " + id + " ~/.npmrc\n" }
	// Of each row, what is played, and what must ring besides.
	rows := []struct {
		says         string
		quiet, rings []string
	}{
		{"`npm publish`, `npm whoami`, typed", []string{read("20"), read("22")}, nil},
		{"`npx pnpm publish`, the bun", []string{read("70"), read("71")}, []string{read("72")}},
		{"`npx lerna publish`", []string{read("73")}, nil},
		{"`cat ~/.npmrc`, an editor", []string{read("30"), read("31"), read("32")}, nil},
		{"`tar` or `restic`", []string{read("41"), read("42")}, nil},
		{"`node deploy.js` of your own", []string{"0s file.read 50 ~/app/.env\n", "0s file.read 50 ~/.aws/credentials\n", "0s file.read 50 ~/.kube/config\n"}, []string{read("50")}},
		{"`cat ~/.npmrc` run by that", nil, []string{read("51")}},
		{"`ssh` run by that", []string{"0s file.read 52 ~/.ssh/id_ed25519\n"}, []string{"0s file.read 53 ~/.ssh/id_ed25519\n"}},
		{"a dependency's `postinstall`, for the `.env`", nil, []string{"0s file.read 64 ~/other/.env\n"}},
		{"`npm whoami` run by a dependency's", []string{read("62")}, []string{"0s process.start 63 pkg=evil@1.0.1\n"}},
		{"a program that is gone", []string{read("?")}, nil},
	}
	lines := strings.Split(table, "\n")
	if len(lines) != len(rows) {
		t.Fatalf("the table has %d rows, and %d are known here", len(lines), len(rows))
	}
	for i, r := range rows {
		cells := strings.Split(lines[i], "|")
		if len(cells) != 4 || !strings.HasPrefix(strings.TrimSpace(cells[1]), r.says) {
			t.Errorf("row %d is %q, not %q", i, lines[i], r.says)
			continue
		}
		// A row that rings says so; of one that does not, what rings besides.
		if says := strings.Contains(cells[2], "rings"); says != (len(r.rings) > 0) {
			t.Errorf("the page says %q", lines[i])
		}
		for _, e := range r.quiet {
			if rings(e) {
				t.Errorf("%s: %q rings", r.says, e)
			}
		}
		for _, e := range r.rings {
			if !rings(e) {
				t.Errorf("%s: %q does not ring", r.says, e)
			}
		}
	}
}
