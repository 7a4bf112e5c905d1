package persistence_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/agent/respond/persistence"
)

// decoys of the test, in the places of a job where values stand.
const (
	inEnvironment = "decoy-of-the-environment"
	secondRow     = "decoy-in-a-second-row"
	inCommands    = "decoy-in-the-commands"
)

func atJob(m *machine, end string) string {
	return "#!/bin/sh\n# atrun uid=4242 gid=4242\n# mail dev 0\numask 22\nHOME=" + m.home + "; export HOME\nDEPLOY=" + inEnvironment + "; export DEPLOY\n" +
		"TWO=a\"\n\"" + secondRow + "; export TWO\n" + end
}

// TestAtJobs: a job repeats the environment of the day on which it was made. It
// is kept whole, to be put back, where only its owner can read it, and none of
// its values is anywhere else.
func TestAtJobs(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"as at writes it": "cd " + "/tmp || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n",
		"without the end": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.put(map[string]string{".x/m": wiper()})
			job := atJob(m, end) + "PASSING=" + inCommands + " sh " + m.path(".x/m") + " # and then\nexport LATER='" + inCommands + " b'\n"
			m.answers["atq"] = "7\tMon Nov 23 10:05:00 2026 a dev\n"
			m.answers["at -c 7"] = job
			m.answers["atrm 7"] = ""
			m.young()
			f := m.blocking(persistence.AtJob)
			said := strings.Join(m.look().Summary(), "\n") + f.Program
			if !strings.Contains(f.Program, ".x/m") || !strings.Contains(f.Program, "PASSING=***") {
				t.Errorf("it does not say what the job does: %q", f.Program)
			}
			done, err := f.Disable(t.Context(), m.config)
			if err != nil {
				t.Fatal(err)
			}
			if m.ran[len(m.ran)-1] != "atrm 7" {
				t.Errorf("the job was not taken away: %q", m.ran)
			}
			contents, err := persistence.Contents(m.config, done.Folder)
			if err != nil || !strings.Contains(strings.Join(contents, "\n"), "at 7: ") || !strings.Contains(strings.Join(contents, "\n"), ".x/m") {
				t.Errorf("contents: %q, %v", contents, err)
			}
			_, err = persistence.Restore(t.Context(), m.config, done.Folder)
			if !errors.Is(err, persistence.ErrLeft) || !strings.Contains(err.Error(), "at -t 202611231005.00 -f ") {
				t.Errorf("restoring: %v", err)
			}
			said += strings.Join(append(append(contents, done.Steps...), err.Error()), "\n")
			whole := 0
			walk := filepath.WalkDir(m.config.State, func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				if string(b) == job && info.Mode().Perm() == 0o600 {
					whole++
				} else {
					said += string(b)
				}
				return nil
			})
			if walk != nil || whole != 1 {
				t.Errorf("%d copies of the job, %v", whole, walk)
			}
			for _, value := range []string{inEnvironment, secondRow, inCommands} {
				if strings.Contains(said, value) {
					t.Errorf("a value is told:\n%s", strings.ReplaceAll(said, value, "THE VALUE"))
				}
			}
		})
	}
}

// TestAtJobThatIsAnother: what was not looked at is not taken away.
func TestAtJobThatIsAnother(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper()})
	m.answers["atq"] = "7\tMon Nov 23 10:05:00 2026 a dev\n"
	m.answers["at -c 7"] = atJob(m, "cd / || {\n\texit 1\n}\n") + "sh " + m.path(".x/m") + "\n"
	m.answers["atrm 7"] = ""
	m.young()
	f := m.blocking(persistence.AtJob)
	m.answers["at -c 7"] = atJob(m, "cd / || {\n\texit 1\n}\n") + "make backup\n"
	if _, err := f.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) || m.ran[len(m.ran)-1] == "atrm 7" {
		t.Errorf("%v, %q", err, m.ran)
	}
}
