package api_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
)

// TestLocked: what an administrator's file has locked is refused to everybody,
// to root's shell too; what tightens the guard is not.
func TestLocked(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	const fleet = "/etc/wormbell/conf.d/50-fleet.toml"
	r := newRig(t)
	r.says(signed(bash, "root"))
	a, err := r.store.Record(wormbell.Finding{Detector: "credential-read", Severity: wormbell.High, Subject: "x", Summary: "x",
		Evidence: []wormbell.Event{{Time: start, Kind: wormbell.FileRead, User: "65534", Path: "~/.npmrc", Process: bash}}}, alert.Meta{Title: "x"})
	if err != nil {
		t.Fatal(err)
	}
	const row = `{"store":"npm","who":"exe:/usr/bin/vim","under":"person","reason":"mine"}`
	calls := []struct{ lock, method, path, body string }{
		{"pause", "POST", "pause", `{"seconds":60}`},
		{"trust", "POST", "trust", row},
		{"mute", "POST", "alerts/" + a.ID + "/mute", `{"reason":"x"}`},
		{"protect", "POST", "protect", `{"on":false}`},
		{"protect", "POST", "protect", `{"on":true}`},
	}
	r.mu.Lock()
	r.locks = map[string]string{"pause": fleet, "trust": fleet, "mute": fleet, "protect": fleet}
	r.mu.Unlock()
	for _, c := range calls {
		for _, uid := range []int{nobody, 0} {
			if c.lock == "protect" && uid != 0 {
				continue // it is root's anyway
			}
			status, out := r.askAs(uid, c.method, c.path, c.body)
			var said struct{ Error, Hint string }
			if json.Unmarshal([]byte(out), &said) != nil || status != 403 || said.Error != c.lock+" is locked by your administrator: "+fleet || said.Hint == "" {
				t.Errorf("%s by uid %d: %d %s", c.lock, uid, status, out)
			}
		}
	}
	if rows := r.store.Trust(); len(rows) > 0 {
		t.Errorf("rows were added: %v", rows)
	}
	if until, _ := r.store.Paused("65534"); !until.IsZero() {
		t.Errorf("paused until %v", until)
	}
	if got, err := r.store.Find(a.ID, ""); err != nil || got.State != wormbell.Open {
		t.Errorf("alert: %v, %v", got.State, err)
	}
	for _, line := range r.lines() {
		if strings.HasPrefix(line, "accepted") {
			t.Errorf("event %q", line)
		}
	}
	// Closing is no such thing, and what tightens the guard is nobody's to lock.
	for _, c := range []struct{ method, path, body string }{
		{"POST", "pause", `{"seconds":0}`},
		{"POST", "alerts/" + a.ID + "/close", `{"reason":"x"}`},
		{"POST", "alerts/" + a.ID + "/reopen", `{"reason":"x"}`},
	} {
		if status, out := r.askAs(nobody, c.method, c.path, c.body); status != 200 {
			t.Errorf("%s: %d %s", c.path, status, out)
		}
	}
	mine, err := r.store.AddTrust(wormbell.TrustRow{Store: "npm", Who: "exe:/usr/bin/vim", Under: "person", Reason: "of before the lock", By: "65534"})
	if err != nil {
		t.Fatal(err)
	}
	if status, out := r.askAs(nobody, "DELETE", "trust/"+mine.ID, ""); status != 200 {
		t.Errorf("taking back one's own row: %d %s", status, out)
	}
	// A worm that asks for something locked is still a worm.
	r.says(child(evil))
	before := len(r.lines())
	if status, _ := r.askAs(nobody, "POST", "trust", row); status != 403 {
		t.Errorf("from below a postinstall: %d", status)
	}
	if said := r.lines()[before:]; len(said) != 1 || !strings.HasPrefix(said[0], "refused trust") {
		t.Errorf("from below a postinstall: events %q", said)
	}
	// Unlocked, all of it is done.
	r.says(signed(bash, "root"))
	r.mu.Lock()
	r.locks = nil
	r.mu.Unlock()
	for _, c := range calls {
		uid := nobody
		if c.lock == "protect" {
			uid = 0
		}
		if status, out := r.askAs(uid, c.method, c.path, c.body); status != 200 {
			t.Errorf("%s, unlocked: %d %s", c.lock, status, out)
		}
	}
}

// TestRowOfFile: an administrator's row is everybody's to see, and goes with its
// file only.
func TestRowOfFile(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	r := newRig(t)
	r.says(signed(bash, "root"))
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r.mu.Lock()
	r.rows = []wormbell.TrustRow{{ID: "file-abcdefgh", Store: "aws", Who: "exe:/opt/backup", Under: "any", Reason: "backup", By: "admin", File: "/etc/wormbell/trust.d/10.toml", Until: &until}}
	r.mu.Unlock()
	for _, uid := range []int{nobody, 0} {
		status, out := r.askAs(uid, "GET", "trust", "")
		if status != 200 || !strings.Contains(out, `"file":"/etc/wormbell/trust.d/10.toml"`) {
			t.Errorf("uid %d sees %d %s", uid, status, out)
		}
		status, out = r.askAs(uid, "DELETE", "trust/file-abcdefgh", "")
		if status != 403 || !strings.Contains(out, "the row comes from /etc/wormbell/trust.d/10.toml") {
			t.Errorf("uid %d removes it: %d %s", uid, status, out)
		}
		if status, _ = r.askAs(uid, "DELETE", "trust/file-zzzzzzzz", ""); status != 404 {
			t.Errorf("a row that there is not: %d", status)
		}
	}
	// Nobody gives their row a file by saying so.
	status, out := r.askAs(nobody, "POST", "trust", `{"store":"npm","who":"exe:/usr/bin/vim","under":"person","reason":"x","file":"/etc/wormbell/trust.d/10.toml"}`)
	if status != 200 || strings.Contains(out, "trust.d") {
		t.Errorf("%d %s", status, out)
	}
}

// TestStatusArrays: what there is none of is an empty array.
func TestStatusArrays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, out := r.ask("GET", "status", "")
	for _, key := range []string{"settings", "notices", "problems", "homes", "sensors", "detectors"} {
		if !strings.Contains(out, `"`+key+`":[]`) {
			t.Errorf("%s: %s", key, out)
		}
	}
}
