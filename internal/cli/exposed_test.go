package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"wormbell"
	"wormbell/internal/exposure"
)

// exposedTheft is theft with secrets in the thief's environment.
func exposedTheft() wormbell.Alert {
	a := theft()
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			for p := range e.Process.Chain {
				if p.Package != nil {
					p.Secrets = []string{"GITHUB_TOKEN", "NPM_TOKEN"}
				}
			}
		}
	}
	return a
}

// asks fills in what services would say.
func asks(_ context.Context, _ wormbell.Alert, x *exposure.Exposure) error {
	x.Reach = []exposure.Reach{{Kind: "npm token", Owner: "alice", Where: "~/.npmrc", Can: []string{"publish colour-tools", "publish left-pad"}}}
	x.Versions = []exposure.Version{{Package: wormbell.Package{Name: "left-pad", Version: "9.9.9"}, Time: noon, By: "alice"}}
	x.Exported = []exposure.Exported{{Name: "NPM_TOKEN", Path: "~/.bashrc", Line: 12}}
	return nil
}

// shows runs one command line with what services say.
func shows(t *testing.T, a wormbell.Alert, expose func(context.Context, wormbell.Alert, *exposure.Exposure) error, args ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	app := &app{streams: Streams{strings.NewReader(""), &o, &e}, zone: time.UTC, expose: expose,
		connect: func(string) (Agent, error) { return &standIn{alerts: []wormbell.Alert{a}}, nil }}
	if status := app.run(t.Context(), append([]string{"alert", "show", a.ID}, args...)); status != exitFine {
		t.Fatalf("%v ends with %d: %s", args, status, e.String())
	}
	return o.String(), e.String()
}

func TestShow(t *testing.T) {
	t.Parallel()
	out, errs := shows(t, exposedTheft(), asks)
	golden(t, "show.golden", out)
	if errs != "" {
		t.Errorf("it said %s", errs)
	}
	if out, _ = shows(t, farm(), nil); strings.Contains(out, "variable") || !strings.Contains(out, "npm unpublish") == strings.Contains(out, "4.1.7@") {
		t.Errorf("what nobody knows is told:\n%s", out)
	}
	out, errs = shows(t, exposedTheft(), func(context.Context, wormbell.Alert, *exposure.Exposure) error {
		return errors.New("the registry is\nsilent")
	})
	if !strings.Contains(out, "~/.npmrc: npm tokens") || !strings.Contains(errs, `warning: not all of what was exposed is known: the registry is\nsilent`) {
		t.Errorf("out:\n%s\nerrors:\n%s", out, errs)
	}
}

// The alert is what it always was in JSON, with one field more.
func TestShowJSON(t *testing.T) {
	t.Parallel()
	a := exposedTheft()
	out, _ := shows(t, a, asks, "--json")
	var got, want map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(a)
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	x, _ := got["exposure"].(map[string]any)
	delete(got, "exposure")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the alert itself changed: %v", got)
	}
	for _, key := range []string{"packages", "files", "variables", "published", "changed", "tree", "reach", "versions", "exported", "commands"} {
		if list, ok := x[key].([]any); !ok || len(list) == 0 && key != "changed" {
			t.Errorf("exposure.%s is %v", key, x[key])
		}
	}
	if strings.Count(out, "\n") != 1 {
		t.Error("it is not one line")
	}
}

func TestShowReport(t *testing.T) {
	t.Parallel()
	a := exposedTheft()
	out, _ := shows(t, a, asks, "--report")
	for _, want := range []string{"Security incident " + a.ID + "\n", "* the variable NPM_TOKEN in the environment of", "\n    npm unpublish 'left-pad@9.9.9'\n", "What was done\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("a text to send has escape sequences")
	}
	out, _ = shows(t, a, nil, "--report", "--json")
	var got struct {
		Version int
		Report  string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Version != 1 || !strings.HasPrefix(got.Report, "Security incident") {
		t.Errorf("%v: %s", err, out)
	}
}

// Whatever an alert is called, the lines are ours.
func TestShowIsSafe(t *testing.T) {
	t.Parallel()
	a := hostile()
	for _, f := range a.Findings {
		for i := range f.Evidence {
			f.Evidence[i].Process.Secrets = []string{a.ID}
			if f.Evidence[i].Kind == wormbell.FileRead {
				f.Evidence[i].Path = "~/.npmrc"
			}
		}
	}
	evil := func(_ context.Context, _ wormbell.Alert, x *exposure.Exposure) error {
		x.Reach = []exposure.Reach{{Kind: a.ID, Owner: a.ID, Where: a.ID, Can: []string{a.ID}, Why: a.ID}}
		x.Versions = []exposure.Version{{Package: wormbell.Package{Name: a.ID, Version: a.ID}, Registry: a.ID, By: a.ID}}
		x.Exported = []exposure.Exported{{Name: a.ID, Path: a.ID}}
		return errors.New(a.ID)
	}
	for _, args := range [][]string{nil, {"--report"}} {
		out, errs := shows(t, a, evil, args...)
		for line := range strings.SplitSeq(out+errs, "\n") {
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%v: a control character in %q", args, line)
			}
			if strings.HasPrefix(strings.TrimSpace(line), "wormbell: all is well") {
				t.Errorf("%v: a line of the attacker's: %q", args, line)
			}
		}
		if !strings.Contains(out, "npmrc") || strings.Contains(out, "npm unpublish") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
}

// Whatever an alert is about, it says what is there and not watched: a worm that
// reads only that rings no bell.
func TestUnwatched(t *testing.T) {
	t.Parallel()
	home, me := t.TempDir(), strconv.Itoa(os.Getuid())
	for _, name := range []string{".ssh/id_ed25519", ".bash_history", ".npmrc"} {
		path := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	off := func(store, kind, path, user, state string) wormbell.Guarded {
		return wormbell.Guarded{Store: store, Kind: kind, Path: path, User: user, State: state}
	}
	agent := &standIn{files: []wormbell.Guarded{
		off("ssh", "SSH keys", "~/.ssh/id_*", me, wormbell.GuardOff),
		off("history", "shell histories", "~/.bash_history", me, wormbell.GuardNot),
		off("history", "shell histories", "~/.zsh_history", me, wormbell.GuardOff), // not there
		off("gpg", "GPG keys", "~/.gnupg/private-keys-v1.d/*", me, wormbell.GuardOff),
		off("npm", "npm tokens", "~/.npmrc", me, wormbell.GuardOn),
		off("wallet", "crypto wallets", "~/.ssh/id_*", me+"1", wormbell.GuardOff), // somebody else's
	}}
	all, err := unwatched(t.Context(), agent, home)
	if err != nil || len(all) != 2 || all[0].Store != "ssh" || all[1].Store != "history" {
		t.Fatalf("%+v, %v", all, err)
	}
	fill := func(_ context.Context, _ wormbell.Alert, x *exposure.Exposure) error {
		x.Unwatched = all
		return nil
	}
	for _, a := range []wormbell.Alert{theft(), farm()} {
		for _, args := range [][]string{nil, {"--report"}} {
			out, _ := shows(t, a, fill, args...)
			text := strings.Join(strings.Fields(out), " ")
			if strings.Count(text, "Not watched, so nobody can tell whether it was taken: SSH keys (~/.ssh/id_*), shell histories (~/.bash_history).") != 1 || !strings.Contains(text, "ssh-keygen -t ed25519") {
				t.Errorf("%s %q says\n%s", a.Title, args, out)
			}
			if out, _ = shows(t, a, nil, args...); strings.Contains(out, "Not watched") {
				t.Errorf("nothing is unwatched, and it says\n%s", out)
			}
		}
	}
}
