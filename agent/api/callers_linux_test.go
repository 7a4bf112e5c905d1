package api_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// What loosens the guard is judged by lineage.
func TestLoosening(t *testing.T) {
	t.Parallel()
	deep := tool
	for i := range 70 {
		deep = &wormbell.Process{PID: 1000 + i, Start: start, Exe: "/bin/sh", TTY: "/dev/pts/1", Parent: deep}
	}
	noTTY := &wormbell.Process{PID: 80, Start: start, Exe: "/usr/bin/code", Parent: system}
	faked := &wormbell.Process{PID: 81, Start: start, Exe: "/home/u/npm", TTY: "/dev/pts/1", Parent: bash}
	dropper := &wormbell.Process{PID: 82, Start: start, Exe: "/home/u/.cache/dropper", TTY: "/dev/pts/1", Parent: bash}
	dropped := &wormbell.Process{PID: 83, Start: start, Exe: "/bin/bash", Signer: "deb:bash", TTY: "/dev/pts/2", Leader: true, Parent: dropper}
	titled := &wormbell.Process{PID: 84, Start: start, Exe: "/usr/bin/node", Args: []string{"npm install x"}, TTY: "/dev/pts/1", Parent: bash}
	torn := &wormbell.Process{PID: 1 << 22, Start: start, Exe: "/bin/sh", TTY: "/dev/pts/1"} // above every PID; its parent is not known
	for _, tt := range []struct {
		name    string
		caller  func(int) *wormbell.Process
		user    bool // as an ordinary user rather than root
		allowed bool
		rings   string // in the event, as refused or as doubted; "" for neither
	}{
		{"a person", signed(bash, "root"), true, true, ""},
		{"a program of the user's with a terminal of its own", signed(dropped, "root"), true, true, "below dropper (pid 82), which nobody vouches for"},
		{"another program than ours", child(bash), true, true, "from wormbell (pid "},
		{"such a program of root's", child(dropped), false, true, ""},
		{"root at a terminal", child(bash), false, true, ""},
		{"root without a terminal", child(noTTY), false, true, ""},
		{"a user without a terminal", child(noTTY), true, false, ""},
		{"below npm", child(npm), true, false, "below npm (pid 60)"},
		{"below npm, as root", child(npm), false, false, "below npm (pid 60)"},
		{"below npm of which only its title was seen", child(titled), true, false, "below npm (pid 84)"},
		{"below what calls itself npm", child(faked), true, false, "below npm (pid 81)"},
		{"below a postinstall", child(evil), true, false, "postinstall script of evil@1.0.0"},
		{"below an alerted program", child(tool), true, false, "below a process of alert"},
		{"unknown", func(int) *wormbell.Process { return nil }, true, false, ""},
		{"unknown, as root", func(int) *wormbell.Process { return nil }, false, false, ""},
		{"another process", func(int) *wormbell.Process { return child(bash)(7) }, true, false, ""},
		{"an ancestry with a hole", child(torn), true, false, ""},
		{"too deep to see the top", child(deep), true, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			uid := "0"
			if os.Getuid() != 0 {
				if !tt.user {
					t.Skip("needs root, which is allowed more")
				}
				uid = strconv.Itoa(os.Getuid())
			}
			ask := r.ask
			if tt.user {
				uid = strconv.Itoa(nobody)
				ask = func(m, p, b string) (int, string) { return r.askAs(nobody, m, p, b) }
			}
			target := r.raise(uid, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
			r.raise("4321", tool) // another user's alert counts too
			row, err := r.store.AddTrust(wormbell.TrustRow{Store: "npm", By: uid})
			if err != nil {
				t.Fatal(err)
			}
			r.says(tt.caller)
			calls := []struct{ method, path, body, what string }{
				{"POST", "alerts/" + target + "/mute", "", "mute " + target},
				{"POST", "alerts/" + target + "/close", `{"reason":"done"}`, "close " + target},
				{"POST", "trust", `{"store":"npm","who":"exe:/opt/x","under":"person","reason":"mine"}`, "trust exe:/opt/x with npm"},
				{"DELETE", "trust/" + row.ID, "", "remove trust row " + row.ID},
			}
			calls = append(calls, struct{ method, path, body, what string }{"POST", "pause", `{"seconds":60}`, "pause"})
			if !tt.user && os.Getuid() == 0 {
				calls = append(calls, struct{ method, path, body, what string }{"POST", "protect", `{"on":false}`, "protect off"})
			}
			for _, c := range calls {
				before := len(r.lines())
				status, out := ask(c.method, c.path, c.body)
				if c.what == "pause" && tt.allowed && tt.rings != "" { // what is doubted must not keep back that it is
					if said := strings.Join(r.lines()[before:], "|"); status != 403 || !strings.HasPrefix(said, "refused pause: ") || !strings.Contains(said, tt.rings) {
						t.Errorf("pause: %d %s, event %q", status, out, said)
					}
					continue
				}
				if (status == 200) != tt.allowed || !tt.allowed && status != 403 {
					t.Errorf("%s: %d %s", c.what, status, out)
				}
				said := strings.Join(r.lines()[before:], "|")
				switch {
				case tt.allowed && tt.rings == "" && !strings.HasPrefix(said, "accepted "+c.what):
					t.Errorf("%s: event %q", c.what, said)
				case tt.allowed && tt.rings != "" && (!strings.HasPrefix(said, "doubted "+c.what) || !strings.Contains(said, tt.rings)):
					t.Errorf("%s: event %q, want it doubted %s", c.what, said, tt.rings)
				case !tt.allowed && tt.rings != "" && (!strings.HasPrefix(said, "refused "+c.what+": ") || !strings.Contains(said, tt.rings)):
					t.Errorf("%s: event %q, want it refused %s", c.what, said, tt.rings)
				case !tt.allowed && tt.rings == "" && said != "":
					t.Errorf("%s: event %q", c.what, said)
				}
			}
			kept, err := r.store.Calls("", 10)
			all := len(calls)
			if tt.rings != "" {
				all-- // not the pause
			}
			if err != nil || (len(kept) == all) != tt.allowed {
				t.Errorf("calls kept: %v %v", kept, err)
			}
			// What tightens is for everybody.
			r.store.SetState(target, wormbell.Closed, "0", "")
			if status, out := ask("POST", "alerts/"+target+"/reopen", ""); status != 200 {
				t.Errorf("reopen: %d %s", status, out)
			}
		})
	}
}

// A worm that asks a thousand times fills neither the queue nor the log.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now() // stands: how many there are must not hang on how long it takes
	r := rigAt(t, "", func() time.Time { return now })
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	r.says(child(evil))
	for range 300 {
		r.ask("POST", "alerts/"+id+"/close", "")
	}
	if n := len(r.lines()); n < 1 || n > 60 {
		t.Errorf("%d events of 300 refusals", n)
	}
	if n := strings.Count(r.log.String(), "\n"); n > 60 {
		t.Errorf("%d lines in the log of 300 refusals", n)
	}
}

// Refusals of callers that are not known, that are no program of ours, and that
// have no terminal are no more either: the journal would drop what comes from the
// agent after them, findings too.
func TestOtherRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, who := range map[string]func(int) *wormbell.Process{"not known": func(int) *wormbell.Process { return nil }, "not ours": child(bash), "no terminal": child(tool)} {
		r := rigAt(t, "/usr/bin/wormbelld", func() time.Time { return now })
		r.says(who)
		for range 50 {
			r.ask("POST", "announce", `{"paths":["~/.npmrc"],"seconds":60}`)
			r.ask("POST", "trust", `{"store":"npm","who":"exe:/opt/x","under":"person","reason":"x"}`)
			r.ask("POST", "alerts/none/action", `{"what":"x"}`)
		}
		if n := strings.Count(r.log.String(), "call refused"); n < 1 || n > 10 {
			t.Errorf("%s: %d lines in the log", name, n)
		}
	}
}

// TestAcceptedAreBounded: who is believed does not fill the log, nor push the
// record of an earlier call out of the list.
func TestAcceptedAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := rigAt(t, "", func() time.Time { return now })
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	r.says(child(bash))
	last := 0
	for range 500 {
		last, _ = r.ask("POST", "alerts/"+id+"/close", "")
	}
	if n := strings.Count(r.log.String(), "call accepted"); last != 429 || n < 50 || n > 200 {
		t.Errorf("the last was answered with %d, and %d lines are in the log", last, n)
	}
	if status, out := r.ask("POST", "pause", `{"seconds":0}`); status != 200 {
		t.Errorf("what tightens: %d %s", status, out)
	}
}

func TestTrustRows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine"}
	past, soon := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name   string
		change func(*wormbell.TrustRow)
		want   int
	}{
		{"good", func(*wormbell.TrustRow) {}, 200},
		{"until", func(r *wormbell.TrustRow) { r.Until = &soon }, 200},
		{"path", func(r *wormbell.TrustRow) { r.Path = "~/.npmrc" }, 200},
		{"no store", func(r *wormbell.TrustRow) { r.Store = "nothing" }, 400},
		{"nobody", func(r *wormbell.TrustRow) { r.Who = "" }, 400},
		{"relative", func(r *wormbell.TrustRow) { r.Who = "exe:x" }, 400},
		{"under", func(r *wormbell.TrustRow) { r.Under = "anything" }, 400},
		{"no reason", func(r *wormbell.TrustRow) { r.Reason = " " }, 400},
		{"two lines", func(r *wormbell.TrustRow) { r.Reason = "a\nb" }, 400},
		{"past", func(r *wormbell.TrustRow) { r.Until = &past }, 400},
		{"relative path", func(r *wormbell.TrustRow) { r.Path = "npmrc" }, 400},
		{"all stores", func(r *wormbell.TrustRow) { r.Store = "*" }, 403},
		{"all signers", func(r *wormbell.TrustRow) { r.Who = "signer:*" }, 403},
		{"nearly all signers", func(r *wormbell.TrustRow) { r.Who = "signer:d*" }, 403},
		{"anywhere", func(r *wormbell.TrustRow) { r.Under = "any" }, 403},
		{"gone", func(r *wormbell.TrustRow) { r.Who = "exe:/gone" }, 409},
		{"not read in time", func(r *wormbell.TrustRow) { r.Who = "exe:/slow" }, 503},
		{"a file of theirs", func(r *wormbell.TrustRow) { r.Who, r.Digest = "exe:/mine", "sha256:what they say" }, 200},
	} {
		row := good
		tt.change(&row)
		b, _ := json.Marshal(row)
		if status, out := r.askAs(nobody, "POST", "trust", string(b)); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, out, tt.want)
		}
		want := tt.want
		if want == 403 {
			want = 200 // root may
		}
		if status, out := r.ask("POST", "trust", string(b)); status != want {
			t.Errorf("root, %s: %d %s, want %d", tt.name, status, out, want)
		}
	}
	for _, row := range r.store.Trust() {
		if row.By != "admin" && row.By != strconv.Itoa(nobody) {
			t.Errorf("a row by %q", row.By)
		}
		uid, want := row.By, ""
		if uid == "admin" {
			uid = "0"
		}
		if row.Who == "exe:/mine" {
			want = "sha256:of exe:/mine for " + uid
		}
		if row.Digest != want {
			t.Errorf("row %+v, want the digest %q", row, want)
		}
		if row.By == "admin" {
			if status, _ := r.askAs(nobody, "DELETE", "trust/"+row.ID, ""); status != 404 {
				t.Errorf("a user removed root's row: %d", status)
			}
			break
		}
	}
	if status, _ := r.ask("DELETE", "trust/npm-reads-npmrc", ""); status != 404 {
		t.Errorf("a built-in row was removed: %d", status)
	}
	_, out := r.askAs(nobody, "GET", "trust", "")
	if !strings.Contains(out, "npm-reads-npmrc") {
		t.Errorf("built-in rows are not listed: %s", out)
	}
}

// Whoever may freeze may be refused to let go on: they are told what to type.
func TestRefusedResume(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	target := r.raise(strconv.Itoa(os.Getuid()), tool)
	r.says(child(tool))
	status, out := r.ask("POST", "alerts/"+target+"/resume", "")
	if want := "type 'wormbell alert resume " + target + "' in a terminal of its own"; status != 403 || !strings.Contains(out, want) {
		t.Errorf("%d %s, want %q", status, out, want)
	}
}
