package api_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"wormbell"
)

// plants are the decoys of a rig, guarded by its mu.
type plants struct {
	decoys, planted []wormbell.Decoy
	forgotten       []string
}

func (r *rig) listDecoys(user string) (out []wormbell.Decoy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.decoys {
		if user == "" || d.User == user {
			out = append(out, d)
		}
	}
	return out
}

func (r *rig) plantDecoy(_ context.Context, uid int, d wormbell.Decoy) (wormbell.Decoy, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.User = strconv.Itoa(uid)
	r.planted = append(r.planted, d)
	return d, nil
}

func (r *rig) forgetDecoy(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten = append(r.forgotten, id)
	return nil
}

// TestDecoysAreToldToPersons: where decoys lie is told to root and to the person's
// own program, and to nothing that somebody else may be behind.
func TestDecoysAreToldToPersons(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.guards = []wormbell.Guarded{{Store: wormbell.DecoyStore, Path: "~/.npmrc.bak", User: strconv.Itoa(nobody)}, {Store: wormbell.DecoyStore, Path: "~/.env.old", User: "0"}}
	r.decoys = []wormbell.Decoy{{ID: "aaaaaaaa", User: strconv.Itoa(nobody), Path: "~/.npmrc.bak"}, {ID: "bbbbbbbb", User: "0", Path: "~/.env.old"}}
	unvouched := &wormbell.Process{PID: 80, Start: start, Exe: "/home/u/tool", TTY: "/dev/pts/1", Parent: bash}
	script := &wormbell.Process{PID: 81, Start: start, Exe: "/usr/bin/node", Script: "/home/u/steal.js", TTY: "/dev/pts/1", Parent: bash}
	service := &wormbell.Process{PID: 82, Start: start, Exe: "/usr/bin/python3", Parent: system}
	for _, tt := range []struct {
		name   string
		caller func(int) *wormbell.Process
		want   bool // for an ordinary user
		root   bool
	}{
		{"typed", child(bash), true, true},
		{"below a postinstall", child(evil), false, false},
		{"below npm", child(npm), false, false},
		{"below a program of a home", child(unvouched), false, true},
		{"below a script", child(script), false, true},
		{"without a terminal", child(service), false, true},
		{"nobody knows who", func(int) *wormbell.Process { return nil }, false, false},
	} {
		r.says(tt.caller)
		status, out := r.askAs(nobody, "GET", "decoys", "")
		if told := strings.Contains(out, "~/.npmrc.bak"); told != tt.want || (status == 200) != tt.want || strings.Contains(out, "~/.env.old") {
			t.Errorf("%s: %d %s", tt.name, status, out)
		}
		status, out = r.askAs(nobody, "GET", "credentials", "")
		if told := strings.Contains(out, "~/.npmrc.bak"); status != 200 || told != tt.want || !strings.Contains(out, "~/.npmrc\"") {
			t.Errorf("%s: credentials: %d %s", tt.name, status, out)
		}
		if os.Getuid() == 0 {
			if status, out = r.ask("GET", "decoys", ""); (status == 200) != tt.root || strings.Contains(out, "~/.npmrc.bak") != tt.root {
				t.Errorf("%s: root: %d %s", tt.name, status, out)
			}
		}
	}
	if lines := strings.Join(r.lines(), "\n"); !strings.Contains(lines, "refused tell where decoys lie: below the postinstall script of evil@1.0.0") {
		t.Errorf("events: %s", lines)
	}
}

// TestPlantAndForgetDecoys: what is taken for a decoy, for whom, and who may have
// it no longer taken for one.
func TestPlantAndForgetDecoys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for body, want := range map[string]int{
		`{"home":"/home/u","path":"~/.npmrc.bak","kind":"npm"}`:                           200,
		`{"home":"/home/u","path":"~/.aws/credentials.old","kind":"aws","made":"~/.aws"}`: 200,
		`{"home":"/home/u","path":"~/.npmrc","kind":"npm"}`:                               400,
		`{"home":"/home/u","path":"~/.aws/credentials","kind":"aws"}`:                     400,
		`{"home":"/home/u","path":"~/.npmrc.bak","kind":"aws"}`:                           400,
		`{"home":"/home/u","path":"~/Documents/taxes","kind":"npm"}`:                      400,
		`{"home":"/home/u","path":"~/../x/.npmrc.bak","kind":"npm"}`:                      400,
		`{"home":"/home/u","path":"~/.npmrc.bak","kind":"npm","made":"~"}`:                400,
		`{"home":"/home/u","path":"~/.npmrc.bak","kind":"npm","made":"~/x"}`:              400,
		`{"home":"/home/u","path":"~/.npmrc.bak","kind":"npm","id":"x"}`:                  400,
	} {
		if status, out := r.ask("POST", "decoys", body); status != want {
			t.Errorf("%s: %d %s, want %d", body, status, out, want)
		}
	}
	if len(r.planted) != 2 {
		t.Errorf("planted: %+v", r.planted)
	}
	r.decoys = []wormbell.Decoy{{ID: "aaaaaaaa", User: strconv.Itoa(nobody)}, {ID: "bbbbbbbb", User: strconv.Itoa(os.Getuid())}}
	for _, tt := range []struct {
		caller func(int) *wormbell.Process
		uid    int
		id     string
		want   int
	}{
		{child(evil), nobody, "aaaaaaaa", 403},
		{child(npm), nobody, "aaaaaaaa", 403},
		{child(&wormbell.Process{PID: 82, Start: start, Exe: "/usr/bin/python3", Parent: system}), nobody, "aaaaaaaa", 403}, // no terminal
		{child(bash), nobody, "bbbbbbbb", 404},
		{child(bash), nobody, "cccccccc", 404},
		{child(bash), nobody, "aaaaaaaa", 200},
	} {
		r.says(tt.caller)
		if status, out := r.askAs(tt.uid, "DELETE", "decoys/"+tt.id, ""); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.id, status, out, tt.want)
		}
	}
	if strings.Join(r.forgotten, " ") != "aaaaaaaa" {
		t.Errorf("forgotten: %q", r.forgotten)
	}
	if lines := strings.Join(r.lines(), "\n"); !strings.Contains(lines, "doubted take back decoy aaaaaaaa: the call comes from") || !strings.Contains(lines, "refused take back decoy aaaaaaaa: below") {
		t.Errorf("events: %s", lines)
	}
	r.says(child(evil))
	if status, _ := r.ask("POST", "decoys", `{"home":"/home/u","path":"~/.npmrc.bak","kind":"npm"}`); status != 403 {
		t.Errorf("planted below a postinstall: %d", status)
	}
}
