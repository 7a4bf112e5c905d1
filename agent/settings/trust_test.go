package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/settings"
)

const row = "[[row]]\nstore = 'aws'\nwho = 'exe:/opt/backup/bin/backup'\nreason = 'nightly backup'\n"

func TestTrust(t *testing.T) {
	t.Parallel()
	asRoot(t)
	p := newPlace(t)
	first := p.put("trust.d/10-backup.toml", row+`
[[row]]
store = "npm"
who = "exe:/home/ann/bin/release script:/home/ann/release.js"
under = "person"
path = "~/.npmrc"
reason = "ann's \"release\""
digest = "sha256:`+strings.Repeat("0a", 32)+`"
until = 2029-01-31T18:00:00+09:00
`)
	second := p.put("trust.d/20.toml", row+"[[row]]\nstore = '*'\nwho = 'signer:deb:restic'\nunder = 'any'\nreason = 'all of it'\n")
	p.put("trust.d/30.toml", "# nothing\n")
	rows, problems, _ := settings.Trust(p.source(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	until := time.Date(2029, 1, 31, 9, 0, 0, 0, time.UTC)
	want := []wormbell.TrustRow{
		{Store: "aws", Who: "exe:/opt/backup/bin/backup", Under: "not-a-dependency-script", Reason: "nightly backup", By: "admin", File: first},
		{Store: "npm", Who: "exe:/home/ann/bin/release script:/home/ann/release.js", Under: "person", Path: "~/.npmrc", Reason: `ann's "release"`,
			Digest: "sha256:" + strings.Repeat("0a", 32), By: "admin", Until: &until, File: first},
		{Store: "*", Who: "signer:deb:restic", Under: "any", Reason: "all of it", By: "admin", File: second},
	}
	ids := map[string]bool{}
	for i := range rows {
		ids[rows[i].ID] = true
		if !strings.HasPrefix(rows[i].ID, "file-") {
			t.Errorf("ID %q", rows[i].ID)
		}
	}
	if len(ids) != len(want) {
		t.Errorf("IDs %v", ids)
	}
	again, _, _ := settings.Trust(p.source(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if !reflect.DeepEqual(rows, again) {
		t.Error("they are others when they are read again")
	}
	// Written as a file, they are read as the same rows.
	text := settings.WriteTrust(rows)
	if err := os.RemoveAll(filepath.Join(p.dir, "trust.d")); err != nil {
		t.Fatal(err)
	}
	p.put("trust.d/all.toml", text)
	back, problems, _ := settings.Trust(p.source(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(problems) > 0 || len(back) != len(rows) {
		t.Fatalf("written and read: %v, %q", back, problems)
	}
	for i := range back {
		if back[i].ID != rows[i].ID {
			t.Errorf("row %d is another once it was written: %+v", i+1, back[i])
		}
		rows[i].ID = ""
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got %+v\nwant %+v", rows, want)
	}
	// An agent of a user's own has no administrator.
	src := p.source()
	src.Root = false
	if rows, _, _ := settings.Trust(src, time.Now()); len(rows) > 0 {
		t.Errorf("a user's agent takes %v", rows)
	}
}

// TestBadRows: a bad row is told and left out, and the others hold.
func TestBadRows(t *testing.T) {
	t.Parallel()
	asRoot(t)
	with := func(line string) string { return row + line + "\n" }
	for _, tt := range []struct{ name, text, want string }{
		{"no store", strings.Replace(row, "aws", "aws2", 1), "row 2 of %q is left out: there is no such store"},
		{"no who", strings.Replace(row, "who", "# who", 1), "who must be"},
		{"relative program", strings.Replace(row, "exe:/opt", "exe:opt", 1), "who must be"},
		{"no reason", strings.Replace(row, "nightly backup", "  ", 1), "a row needs a reason"},
		{"unknown under", with("under = 'persons'"), "under must be"},
		{"path", with("path = '.npmrc'"), "path must begin"},
		{"for ever", with("until = 2999-01-01T00:00:00Z"), "until must be in the future"},
		{"until is no time", with("until = 'soon'"), "until must be a date with time"},
		{"unknown key", with("hwo = 'x'"), `no key "hwo"; did you mean "who"?`},
		{"an ID of its own", with("id = 'store-reader'"), `no key "id"`},
		{"by somebody", with("by = '0'"), `no key "by"`},
		{"wrong type", with("path = 1"), "path must be a string"},
		{"digest", with("digest = 'now'"), "digest must be sha256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			file := p.put("trust.d/a.toml", strings.Replace(row, "aws", "npm", 1)+tt.text)
			rows, problems, _ := settings.Trust(p.source(), time.Now())
			want := tt.want
			if strings.Contains(want, "%q") {
				want = fmt.Sprintf(want, file)
			}
			wantProblem(t, problems, want, file, "row 2")
			if len(rows) != 1 || rows[0].Store != "npm" {
				t.Errorf("rows %v", rows)
			}
			good, wrong := settings.CheckTrustFile(file, time.Now())
			if good != 1 || len(wrong) != 1 || !strings.HasPrefix(wrong[0].Error(), "row 2: ") {
				t.Errorf("CheckTrustFile: %d good, wrong %v", good, wrong)
			}
		})
	}
	for name, text := range map[string]string{"not TOML": "[[row]", "another key": "rows = []\n", "no tables": "row = 1\n", "one table": "[row]\nstore = 'npm'\n"} {
		p := newPlace(t)
		file := p.put("trust.d/a.toml", text)
		rows, problems, _ := settings.Trust(p.source(), time.Now())
		wantProblem(t, problems, file, "is not used")
		if len(rows) > 0 {
			t.Errorf("%s: rows %v", name, rows)
		}
	}
}

// TestOver: a row was right until its time was over. That is no problem of the
// machine's, and who pushes it anew learns it.
func TestOver(t *testing.T) {
	t.Parallel()
	asRoot(t)
	p := newPlace(t)
	file := p.put("trust.d/a.toml", row+"until = 2026-01-31T00:00:00Z\n")
	for _, tt := range []struct {
		now           time.Time
		rows, notices int
	}{{time.Date(2026, 1, 30, 23, 59, 59, 0, time.UTC), 1, 0}, {time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), 0, 1}} {
		rows, problems, notices := settings.Trust(p.source(), tt.now)
		if len(rows) != tt.rows || len(problems) > 0 || len(notices) != tt.notices {
			t.Errorf("at %v: %v, %q, %q", tt.now, rows, problems, notices)
		}
		if good, wrong := settings.CheckTrustFile(file, tt.now); good != tt.rows || len(wrong) != tt.notices {
			t.Errorf("at %v: %d good, wrong %v", tt.now, good, wrong)
		}
	}
}

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	asRoot(t)
	p := newPlace(t)
	var b strings.Builder
	for i := range 501 {
		b.WriteString(strings.Replace(row, "nightly backup", fmt.Sprint("backup ", i), 1))
	}
	p.put("trust.d/a.toml", b.String())
	rows, problems, _ := settings.Trust(p.source(), time.Now())
	wantProblem(t, problems, "more than 500 rows")
	if len(rows) != 500 {
		t.Errorf("%d rows", len(rows))
	}
}
