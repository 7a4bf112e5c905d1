package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was put back already is not to be put back.
func TestRestoreListsWhatIsLeft(t *testing.T) {
	home := t.TempDir()
	state := filepath.Join(home, "state")
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", state)
	for name, manifest := range map[string]string{
		"20260301T120000-aaaaaaaa": `{"version":1,"time":"2026-03-01T12:00:00Z","finding":{},"items":[],"put_back":"2026-03-02T12:00:00Z"}`,
		"20260302T120000-bbbbbbbb": `{"version":1,"time":"2026-03-02T12:00:00Z","finding":{},"items":[]}`,
		"20260303T120000-cccccccc": "",
	} {
		folder := filepath.Join(state, "wormbell", "quarantine", name)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if manifest == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, "manifest.json"), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, json := range []bool{false, true} {
		args, want := []string{"restore"}, "20260302T120000-bbbbbbbb\n"
		if json {
			args = append(args, "--json")
		}
		var out, errs strings.Builder
		a := &app{streams: Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, connect: func(string) (Agent, error) { return nil, os.ErrNotExist }}
		if status := a.run(t.Context(), args); status != 0 || errs.Len() > 0 {
			t.Errorf("%d, %s", status, errs.String())
		}
		if said := out.String(); !json && said != want || strings.Contains(said, "aaaaaaaa") || strings.Contains(said, "cccccccc") || !strings.Contains(said, "bbbbbbbb") {
			t.Errorf("got %q", said)
		}
	}
}
