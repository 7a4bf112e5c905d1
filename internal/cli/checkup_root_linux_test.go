package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"wormbell/internal/checkup"
	"wormbell/internal/executable"
)

// rootLooks has root check up homes of nobody's, with a program of theirs in the
// place of ours, and returns what root sees: on a terminal, and as complaints.
func rootLooks(t *testing.T, script string, o checkupOptions, asJSON bool, homes ...personHome) (out, errs string, reports []checkup.Report, err error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to run programs as another user")
	}
	dir, derr := os.MkdirTemp("/var/tmp", "wormbell-root") // TempDir's is closed to others
	if derr != nil {
		t.Fatal(derr)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "theirs")
	if err := executable.Write(exe, "#!/bin/sh\n"+script); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(exe, 0o755); err != nil {
		t.Fatal(err)
	}
	front, tty, perr := pty.Open()
	if perr != nil {
		t.Skipf("no terminals here: %v", perr)
	}
	defer front.Close()
	defer tty.Close()
	var o1, e1 bytes.Buffer
	a := &app{streams: Streams{tty, &o1, &e1}, zone: time.UTC, json: asJSON}
	if o.within == 0 {
		o.within = time.Minute
	}
	err = a.checkupBy(t.Context(), o, exe, homes)
	if asJSON {
		var answer struct{ Checkups []checkup.Report }
		if err := json.Unmarshal(o1.Bytes(), &answer); err != nil {
			t.Fatalf("%v: %s", err, o1.String())
		}
		reports = answer.Checkups
	}
	return o1.String(), e1.String(), reports, err
}

// theirs is a home of nobody's; where some user is in more groups than one, by
// that user's name.
func theirs(dir string) personHome {
	h := personHome{dir: dir, name: "nobody", uid: nogroup, gid: nogroup}
	b, _ := os.ReadFile("/etc/group")
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 4 && f[3] != "" {
			h.name, _, _ = strings.Cut(f[3], ",")
		}
	}
	return h
}

// TestRootLendsNothing: a run for another user has no terminal, no group but its
// own, and nothing of root's open.
func TestRootLendsNothing(t *testing.T) {
	t.Parallel()
	out, _, reports, _ := rootLooks(t, `
fds=$(for f in 0 1 2; do readlink /proc/self/fd/$f; done | tr '\n' ' ')
more=$(ls /proc/$$/fd | tr '\n' ' ')
if (: </dev/tty) 2>/dev/null; then tty=yes; else tty=no; fi
printf '{"version":1,"checkups":[{"state":"no-sign","sections":[{"id":"x","title":"x","looked":"0=%s more=%s tty=%s groups=%s; args=%s","findings":[],"not_looked":[]}]}]}' "$fds" "$more" "$tty" "$(id -u):$(id -g):$(id -G)" "$*"
`, checkupOptions{}, true, theirs("/a"), theirs("/b"))
	if len(reports) != 2 {
		t.Fatalf("%d reports: %s", len(reports), out)
	}
	for _, r := range reports {
		if len(r.Sections) != 1 {
			t.Fatalf("%+v", r)
		}
		said := r.Sections[0].Looked
		if !strings.HasPrefix(said, "0=/dev/null pipe:") || strings.Contains(said, "/dev/pts") || !strings.Contains(said, "tty=no") || !strings.Contains(said, "groups=65534:65534:65534;") || !strings.Contains(said, "--no-questions") {
			t.Errorf("the run for another user has %q", said)
		}
	}
}

// TestRootDistrusts: whatever the run for a hostile home says, root is told of
// it, and nothing more comes of it.
func TestRootDistrusts(t *testing.T) {
	t.Parallel()
	fine := `printf '{"version":1,"checkups":[{"home":"%s","state":"no-sign","verdict":"No sign","sections":[{"id":"x","title":"x","looked":"x","findings":[],"not_looked":[]}]}]}' "$3"`
	for _, tt := range []struct {
		name, script string
		state, why   string
	}{
		{"no report", "echo hello", checkup.Cannot, "without a report"},
		{"nothing", "exit 0", checkup.Cannot, "without a report"},
		{"dies", "kill -KILL $$", checkup.Cannot, "signal: killed"},
		{"does not end", "trap '' TERM; while :; do sleep 1; done", checkup.Cannot, "did not end in time"},
		{"is stopped", "kill -STOP $$", checkup.Cannot, "did not end in time"},
		{"floods", "exec cat /dev/zero", checkup.Cannot, "longer than reports are"},
		{"leaves a child that holds the pipe", fine + "; sleep 30 &", checkup.Cannot, "before I/O complete"},
		{"complains without end", "head -c 10000000 /dev/zero | tr '\\0' x >&2; " + fine, checkup.NoSign, ""},
		{"another home's report", `printf '{"checkups":[{"home":"/root","state":"no-sign","sections":[{"findings":[]}]}]}'`, checkup.NoSign, ""},
		{"two", `printf '{"checkups":[{"state":"no-sign","sections":[{}]},{"home":"/b","state":"no-sign","sections":[{}]}]}'`, checkup.Cannot, "without a report"},
		{"none at all", `printf '{"checkups":[{"state":"no-sign"}]}'`, checkup.Cannot, "empty"},
		{"a verdict against what it found", `printf '{"checkups":[{"state":"no-sign","verdict":"All is well","sections":[{"findings":[{"level":"sign","what":"x"}],"not_looked":["y"]}]}]}'`, checkup.Signs, ""},
		{"fails", `printf '{"checkups":[{"state":"cannot","verdict":"\\u001b[2J gone"}]}'; exit 2`, checkup.Cannot, `\x1b[2J gone`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := checkupOptions{}
			if strings.Contains(tt.why, "in time") {
				o.within, o.grace = time.Second, time.Second
			}
			out, errs, reports, err := rootLooks(t, tt.script, o, true, theirs("/a"))
			if len(reports) != 1 || reports[0].Home != "/a" || reports[0].State != tt.state || !strings.Contains(reports[0].Verdict, tt.why) || strings.Contains(out, "All is well") {
				t.Errorf("%v: %s", err, out)
			}
			if (err == nil) != (tt.state == checkup.NoSign) {
				t.Errorf("it ends with %v", err)
			}
			if len(errs) > 2*maxComplaint {
				t.Errorf("%d bytes of complaints", len(errs))
			}
		})
	}
	// Nothing that a terminal acts on.
	out, errs, _, err := rootLooks(t, `printf 'x\033]0;owned\007\033[2J\n' >&2
printf '{"checkups":[{"state":"no-sign\\u001b[2J","verdict":"\\u001b[2J","first":"\\u001b[2J","sections":[{"id":"\\u001b[2J","title":"\\u001b[2J\\u202e","looked":"\\u001b[2J","findings":[{"level":"\\u001b[2J","kind":"\\u001b[2J","what":"\\u001b[2J","where":"a\\nfine b\\u001b[2J","so_what":"\\u001b[2J","do":"\\u001b[2J"}],"not_looked":["\\u001b[2J"]}]}]}'`,
		checkupOptions{}, false, theirs("/a\x1b[2J"), personHome{dir: "/gone", why: os.ErrPermission})
	if err == nil || strings.ContainsAny(out+errs, "\x1b\a\u202e") {
		t.Errorf("%v: %q %q", err, out, errs)
	}
	for _, want := range []string{`— /a\x1b[2J —`, "— /gone —", "The home folder could not be looked at: permission denied", "Of 2 homes: 1 that could not be looked at", "1 without a sign, in 1 of which"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("not shown: %q in %s", want, out)
		}
	}
}
