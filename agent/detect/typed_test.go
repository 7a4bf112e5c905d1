package detect_test

import (
	"testing"

	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestEditsByLine: perl and ruby go through a file that a person named; other
// code on a command line, and the same below a script, is nobody's.
func TestEditsByLine(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~ /usr/bin/perl -pi -e s/a/b/ ~/.npmrc
12 < 10 [] cwd=~ /usr/bin/perl -i.old -pe s/a/b/ .npmrc
13 < 10 [] cwd=~ /usr/bin/ruby -ne "puts 1" ../me/.npmrc
14 < 10 [] cwd=~ /usr/bin/perl -e "read()" ~/.npmrc
15 < 10 [] cwd=~ /usr/bin/python3 -c "print(open('.npmrc').read())"
16 < 10 [] cwd=~ /usr/bin/node -pe x ~/.npmrc
17 < 10 [] cwd=~/app /usr/bin/node auto.js
18 < 17 [] cwd=~/app /usr/bin/perl -pe x ~/.npmrc
19 < 10 [deb:npm] /usr/bin/node /usr/bin/npm i
20 < 19 [] pkg=evil@1.0.0:postinstall /usr/bin/perl -pe x ~/.npmrc
21 [] tty= cwd=/ /usr/bin/perl -pe x ~/.npmrc
22 < 10 [] cwd=~ /tmp/perl -pe x ~/.npmrc
23 < 19 [] cwd=~/app /usr/bin/perl -pe x ~/.npmrc
24 < 10 [] cwd=~ /usr/bin/perl -pe ~/.npmrc ~/other
-- events --
0s file.read 11 ~/.npmrc
0s file.read 12 ~/.npmrc
0s file.read 13 ~/.npmrc
0s file.read 14 ~/.npmrc
0s file.read 15 ~/.npmrc
0s file.read 16 ~/.npmrc
0s file.read 18 ~/.npmrc
0s file.read 20 ~/.npmrc
0s file.read 21 ~/.npmrc
0s file.read 22 ~/.npmrc
0s file.read 23 ~/.npmrc
0s file.read 24 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Events {
		row, ok := detect.NewTrust().Vouched(e, nil)
		if want := e.Process.PID <= 13; ok != want {
			t.Errorf("%v: covered: %v by %q", e.Process.Args, ok, row.ID)
		}
	}
}
