package ancestry_test

import (
	"slices"
	"strings"
	"testing"

	"wormbell/internal/ancestry"
	"wormbell/internal/scene"
)

func TestDirectly(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
4 < 1 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
20 < 4 [] /usr/bin/node /home/me/bin/tool.js
21 < 4 [deb:coreutils] /usr/bin/env X=1 tool
22 < 21 [] /usr/bin/node /home/me/bin/tool.js
23 < 22 [] /home/me/bin/helper
24 < 4 [] /usr/bin/node auto.js
25 < 24 [] /usr/bin/node /home/me/bin/tool.js
26 < 24 [deb:dash] /bin/sh -c tool
27 < 26 [] /usr/bin/node /home/me/bin/tool.js
28 < 4 [deb:npm] /usr/bin/node /usr/bin/npm run x
29 < 28 [deb:dash] /bin/sh -c tool
30 < 29 [] /usr/bin/node /home/me/bin/tool.js
31 < 4 [deb:npm] /usr/bin/node --require /home/me/x.js /usr/share/tool
32 < 31 [] /home/me/bin/tool
33 < 1 [] /home/me/bin/tool
34 < 4 [] bg /home/me/bin/tool
-- events --
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.Cast {
		if ancestry.Directly(r.Process) {
			got = append(got, r.ID)
		}
	}
	if want := strings.Fields("20 21 22 24 28 31"); !slices.Equal(got, want) {
		t.Errorf("started by a person: %v, want %v", got, want)
	}
	p := *s.Cast[2].Process
	p.Replaced = "/home/me/x.py"
	if ancestry.Directly(&p) || ancestry.Directly(nil) {
		t.Error("what became it was started, or nobody")
	}
}
