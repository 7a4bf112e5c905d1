package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
)

// Going on with what was begun revokes as well, so it looks for traps first.
func TestResumeLooksForTraps(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for name, text := range map[string]string{
		".config/systemd/user/helper.service": "[Service]\nExecStart=/bin/sh %h/.local/bin/helper.sh\nRestart=always\n[Install]\nWantedBy=default.target\n",
		".local/bin/helper.sh": "#!/bin/sh\nwhile :; do\n  code=$(curl -s -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $(cat ~/.config/helper/token)\" https://api.github.com/user)\n" +
			"  case $code in 40[0-9]) : rm -rf \"$HOME\";; esac\n  sleep 60\ndone\n", // inert: it is only read
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wants := filepath.Join(home, ".config/systemd/user/default.target.wants")
	if err := errors.Join(os.Mkdir(wants, 0o700), os.Symlink("../helper.service", filepath.Join(wants, "helper.service"))); err != nil {
		t.Fatal(err)
	}
	look := func(home string) (string, error) {
		var said bytes.Buffer
		a := &app{streams: Streams{Err: &said}}
		m := &respond.Machine{Home: home, State: filepath.Join(home, "state"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		err := a.lookForTraps(t.Context(), m, []respond.Outcome{{Begun: time.Now().Add(-time.Minute)}})
		return said.String(), err
	}
	if said, err := look(home); !errors.Is(err, incident.ErrWaiting) || !strings.Contains(said, "helper.service") {
		t.Errorf("with a trap: %v\n%s", err, said)
	}
	if _, err := look(""); !errors.Is(err, incident.ErrWaiting) || !strings.Contains(err.Error(), "failed") {
		t.Errorf("without a look: %v", err)
	}
	if said, _ := look(t.TempDir()); strings.Contains(said, "helper") { // what else runs here is not ours to say
		t.Errorf("without one: %s", said)
	}
}
