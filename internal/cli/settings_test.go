package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckFiles: files are tried before they are pushed, without an agent.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := put("good.toml", "stores = ['ssh']\nlocked = ['pause']\n")
	bad := put("bad.toml", "stroes = ['ssh']\n")
	rows := put("rows.toml", "[[row]]\nstore = 'aws'\nwho = 'exe:/opt/b'\nreason = 'x'\n")
	badRows := put("bad-rows.toml", "[[row]]\nstore = 'aws'\nwho = 'exe:/opt/b'\nreason = 'x'\n[[row]]\nstore = 'nowhere'\nwho = 'exe:/opt/b'\nreason = 'x'\n[[row]]\n")
	for _, tt := range []struct {
		args   []string
		status int
		out    string
		errs   []string
	}{
		{[]string{"settings", "--check", good}, exitFine, good + ": in order", nil},
		{[]string{"settings", "--check", good, bad}, exitCannot, good + ": in order", []string{"a file is not", bad, `did you mean "stores"?`}},
		{[]string{"settings", "--check", filepath.Join(dir, "none")}, exitCannot, "", []string{"no such file"}},
		{[]string{"settings", "--check"}, exitCannot, "", []string{"--check needs a file"}},
		{[]string{"settings", good}, exitCannot, "", []string{"what about", "--check"}},
		{[]string{"trust", "check", rows}, exitFine, rows + ": in order, 1 row", nil},
		{[]string{"trust", "check", badRows}, exitCannot, "", []string{badRows + ": row 2: there is no such store", "row 3: "}},
		{[]string{"trust", "check"}, exitCannot, "", []string{"hint: "}},
	} {
		out, errs, status := wormbellRun(t, nil, tt.args...)
		if status != tt.status || !strings.Contains(out, tt.out) {
			t.Errorf("%v ends with %d: %s%s", tt.args, status, out, errs)
		}
		for _, want := range tt.errs {
			if !strings.Contains(errs, want) {
				t.Errorf("%v says %q, want %q in it", tt.args, errs, want)
			}
		}
	}
	out, _, status := wormbellRun(t, nil, "trust", "check", "--json", rows, badRows)
	var doc struct {
		Version int
		Files   []struct {
			File  string
			Wrong []string
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || status != exitCannot {
		t.Fatalf("%d, %v: %s", status, err, out)
	}
	if doc.Version != 1 || len(doc.Files) != 2 || doc.Files[0].Wrong == nil || len(doc.Files[0].Wrong) != 0 || len(doc.Files[1].Wrong) != 2 {
		t.Errorf("got %s", out)
	}
}
