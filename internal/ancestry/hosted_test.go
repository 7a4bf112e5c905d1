package ancestry_test

import (
	"slices"
	"strings"
	"testing"

	"wormbell/internal/ancestry"
	"wormbell/internal/scene"
)

func TestHosted(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
2 < 1 [deb:systemd] /usr/lib/systemd/systemd --user
3 < 2 [deb:gnome-terminal] /usr/libexec/gnome-terminal-server
4 < 3 [deb:bash] tty=pts/0 leader /bin/bash
5 < 4 [] bg /usr/bin/node x.js
6 < 5 [] tty= /usr/bin/node y.js
7 < 2 [] /usr/bin/node service.js
8 < 1 [deb:cron] /usr/sbin/cron
9 < 8 [deb:dash] /bin/sh -c "node z.js"
10 < 9 [] /usr/bin/node z.js
11 < 2 [deb:code] /usr/share/code/code
12 < 11 [] /usr/bin/node task.js
13 < 4 [deb:tmux] tty= /usr/bin/tmux
14 < 13 [deb:bash] tty=pts/1 leader /bin/bash
15 < 14 [] /usr/bin/node w.js
16 < 10 [deb:util-linux] /usr/bin/script -qc bash
17 < 16 [deb:bash] tty=pts/2 leader /bin/bash
18 < 17 [] /usr/bin/node hidden.js
19 [] /usr/bin/node orphan.js
-- events --
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.Cast {
		if ancestry.Hosted(r.Process) {
			got = append(got, r.ID)
		}
	}
	if want := strings.Fields("4 5 6 11 12 13 14 15"); !slices.Equal(got, want) {
		t.Errorf("below a person's shell or an IDE: %v, want %v", got, want)
	}
	if ancestry.Hosted(nil) {
		t.Error("nobody is hosted")
	}
}
