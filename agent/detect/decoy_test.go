package detect_test

import (
	"testing"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestDecoyRows: a backup that somebody has allowed passes, by a row for decoys or
// for everything; not with the decoy's name, nor below a dependency's script.
func TestDecoyRows(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
9 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
12 < 9 [deb:bash] uid=1000 tty=pts/0 leader /bin/bash
20 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npm install
21 < 20 [deb:dash] pkg=evil@1.0.0:postinstall cwd=~/app/node_modules/evil /bin/sh -c x
30 < 9 [] uid=1000 /opt/backup/bin/backup ~
31 < 9 [] uid=1000 /opt/backup/bin/backup ~/.npmrc.old
32 < 21 [] /opt/backup/bin/backup ~
-- events --
0s file.read 30 ~/.npmrc.old decoy=true
1m file.read 31 ~/.npmrc.old decoy=true
2m file.read 32 ~/.npmrc.old decoy=true
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		store string
		want  wormbell.Severity // of the first
	}{{"", wormbell.Critical}, {"npm", wormbell.Critical}, {wormbell.DecoyStore, wormbell.Low}, {"*", wormbell.Low}} {
		trust := detect.NewTrust()
		if tt.store != "" {
			trust.SetRows([]wormbell.TrustRow{{ID: "x", Store: tt.store, Who: "exe:/opt/backup/bin/backup", Under: "not-a-dependency-script", By: "1000"}})
		}
		engine := detect.NewEngine(detect.All, trust)
		for i, want := range []wormbell.Severity{tt.want, wormbell.Critical, wormbell.Critical} {
			found := engine.Observe(s.Events[i])
			if len(found) != 1 || found[0].Detector != "decoy-read" || found[0].Severity != want {
				t.Errorf("a row for %q: event %d: %+v, want %v", tt.store, i, found, want)
			}
		}
	}
}
