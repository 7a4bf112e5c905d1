package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/internal/executable"
)

// listener is an agent of ours that notes what it is asked and rings what it
// is told to. The real one is met in the end-to-end tests.
type listener struct {
	refuse error               // what Demo answers
	rings  chan wormbell.Alert // what Follow delivers
	inside func(home string)   // called when a home is to be guarded

	mu   sync.Mutex // guards home
	home string
}

func (l *listener) Demo(_ context.Context, home string, _ time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.home = home
	if l.inside != nil {
		l.inside(home)
	}
	return l.refuse
}

func (l *listener) Status(context.Context) (wormbell.Status, error) {
	return wormbell.Status{PID: 77, Detectors: []wormbell.DetectorStatus{{ID: "credential-read", Sees: "cannot see who"}},
		Sensors: []wormbell.Sensor{{Name: "processes", Backend: "poll", Why: "polls /proc"}}, Problems: []string{}}, nil
}

func (l *listener) Follow(ctx context.Context, each func(wormbell.Alert)) error {
	for {
		select {
		case a := <-l.rings:
			each(a)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// safe is a buffer that several goroutines may write.
type safe struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func options(l *listener, out io.Writer, names ...string) Options {
	return Options{Names: names, Fast: true, Out: out, Socket: "the socket",
		Dial: func(string) (Agent, error) { return l, nil },
		Show: func(w io.Writer, a wormbell.Alert, _ bool) { io.WriteString(w, "PICTURE "+a.ID+"\n") }}
}

func needNpm(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed")
	}
}

// alert is one with one finding, as of now.
func alert(id, detector string, demo bool) wormbell.Alert {
	now := time.Now()
	return wormbell.Alert{ID: id, Demo: demo, First: now, Last: now, Findings: []wormbell.Finding{{Detector: detector, Subject: "x",
		Summary: detector + " said something", Severity: wormbell.High, Evidence: []wormbell.Event{{Time: now}}}}}
}

func TestScriptsAreThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"auto.js", "postinstall.js", "collect.js", "read.js"} {
		if script(name) == "" {
			t.Errorf("%s is not embedded", name)
		}
	}
	if !slices.IsSorted(Names()) {
		t.Error("the replays are not sorted by name")
	}
	for _, name := range Names() {
		if _, err := scenes.ReadFile("scenes/" + name + ".txtar"); err != nil {
			t.Error(err)
		}
	}
}

// TestDecoysAreWrong: a decoy must look like a token and be none.
func TestDecoysAreWrong(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^npm_[0-9A-Za-z]{36}$`)
	for range 1000 {
		d := npmDecoy()
		if !form.MatchString(d) {
			t.Fatalf("%q has not the form of a token", d)
		}
		if c := d[len(d)-6]; c >= '0' && c <= '4' {
			t.Fatalf("the checksum of %q may be right", d)
		}
	}
}

// TestFarm acts out IndonesianFoods with the real npm and looks at what it did.
func TestFarm(t *testing.T) {
	t.Parallel()
	needNpm(t)
	var names []string
	var private any
	l := &listener{rings: make(chan wormbell.Alert, 2)}
	l.inside = func(home string) { // when the agent looks first, the project is there and private
		private = manifest(t, home)["private"]
	}
	var out safe
	o := options(l, &out, "indonesianfoods")
	o.Keep = true
	err := Run(t.Context(), o)
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(l.home)) })
	if !errors.Is(err, ErrMissed) {
		t.Errorf("nothing rang, and Run says %v", err)
	}
	if private != true {
		t.Errorf(`"private" was %v before the worm`, private)
	}
	for _, m := range regexp.MustCompile(`published (\S+)@`).FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
	}
	if len(names) != rounds || len(slices.Compact(slices.Sorted(slices.Values(names)))) < 2 {
		t.Errorf("published %v, want %d packages with changing names\n%s", names, rounds, out.String())
	}
	if m := manifest(t, l.home); m["private"] != nil || m["name"] != names[len(names)-1] {
		t.Errorf("package.json says %v in the end", m)
	}
	for _, want := range []string{"missed  indonesianfoods    publish-loop", "missed  indonesianfoods    private-flag-removed",
		"not run as root", "sensor processes (poll): polls /proc"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, out.String())
		}
	}
}

func manifest(t *testing.T, home string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(home, "projects", "menu-app", "package.json"))
	if err != nil {
		t.Error(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Error(err)
	}
	return m
}

// TestTheft acts out Shai-Hulud: the detached child publishes, everything ends
// and nothing stays.
func TestTheft(t *testing.T) {
	t.Parallel()
	needNpm(t)
	l := &listener{rings: make(chan wormbell.Alert, 10)}
	var out safe
	o := options(l, &out, "shai-hulud")
	o.Keep = true
	home := ""
	l.inside = func(h string) {
		home = h
		// The bell rings while the replay runs; what is not of the demonstration is not ours.
		go func() {
			for !exists(filepath.Join(filepath.Dir(h), "control", "pid")) && t.Context().Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			l.rings <- alert("mine", "publish-loop", false)
			for _, d := range []string{"credential-read", "credential-sweep", "publish-by-install-script"} {
				a := alert("a1", d, true)
				a.Last = a.Last.Add(time.Hour)
				a.Findings[0].Evidence[0].Time = a.Last
				l.rings <- a
			}
		}()
	}
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("everything rang, and Run says %v\n%s", err, out.String())
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(home)) })
	if got := strings.Count(out.String(), "PICTURE a1"); got != 1 {
		t.Errorf("the alert was drawn %d times:\n%s", got, out.String())
	}
	if strings.Contains(out.String(), "PICTURE mine") || strings.Contains(out.String(), " publish-loop ") {
		t.Errorf("an alert of the machine was taken for ours:\n%s", out.String())
	}
	patched, err := filepath.Glob(filepath.Join(home, ".cache-*", "package.json"))
	if err != nil || len(patched) != 1 {
		t.Fatalf("the worm patched %v, %v", patched, err)
	}
	var m struct{ Name, Version string }
	b, err := os.ReadFile(patched[0])
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(struct{ Name, Version string }{victim, "1.4.3"}, m); diff != "" {
		t.Error("published (-want +got):", diff)
	}
	if log, err := filepath.Glob(filepath.Join(home, ".npm", "_logs", "*")); err != nil || len(log) == 0 {
		t.Errorf("npm did not keep to the scratch home: %v, %v", log, err)
	}
	if pids := processesOf(t, filepath.Dir(home)); len(pids) > 0 {
		t.Errorf("processes %v still run", pids)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// processesOf returns the processes whose command line or folder lies in dir.
func processesOf(t *testing.T, dir string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		cmdline, _ := os.ReadFile(p + "/cmdline") // it may have ended meanwhile
		cwd, _ := os.Readlink(p + "/cwd")
		if bytes.Contains(cmdline, []byte(dir)) || strings.HasPrefix(cwd, dir) {
			pids = append(pids, filepath.Base(p))
		}
	}
	return pids
}

// TestStopped: Ctrl-C in the middle ends everything and removes the scratch home.
func TestStopped(t *testing.T) {
	t.Parallel()
	needNpm(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{rings: make(chan wormbell.Alert)}
	var out safe
	done := make(chan error)
	go func() { done <- Run(ctx, options(l, &out, "indonesianfoods")) }()
	deadline := time.Now().Add(25 * time.Second)
	for !strings.Contains(out.String(), "published ") {
		if time.Now().After(deadline) {
			t.Fatalf("nothing was published:\n%s", out.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run says %v", err)
	}
	dir := filepath.Dir(l.home)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch folder is still there: %v", err)
	}
	if pids := processesOf(t, dir); len(pids) > 0 {
		t.Errorf("processes %v still run", pids)
	}
}

// TestSlow: on a machine that is too slow for one replay the others are shown
// all the same, and what rang until then is told.
func TestSlow(t *testing.T) {
	t.Parallel()
	needNpm(t)
	l := &listener{rings: make(chan wormbell.Alert)}
	var out safe
	o := options(l, &out, "npmrc-read", "indonesianfoods")
	o.each = 100 * time.Millisecond // npm takes longer everywhere
	if err := Run(t.Context(), o); !errors.Is(err, ErrMissed) {
		t.Errorf("Run says %v", err)
	}
	for _, want := range []string{"2/2  indonesianfoods", "Summary\n", "note    npmrc-read: it took longer than 100ms and was ended", "note    indonesianfoods: it took", "missed  npmrc-read"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
}

// TestBrokenNpm: an npm that is there and does not work is not "not found".
func TestBrokenNpm(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{"node": "#!/bin/sh\necho " + dir + "/node\n", "npm": "#!/bin/sh\necho broken >&2\nexit 3\n"} {
		if err := executable.Write(filepath.Join(dir, name), script); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	var out safe
	s, err := newStage(t.Context(), options(nil, &out))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if want := dir + "/npm does not work (run npm --version: exit status 3); the same steps are taken with node alone, and nothing is published"; s.tools.npm() || !strings.Contains(out.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, out.String())
	}
}

func TestWithoutAgent(t *testing.T) {
	t.Parallel()
	needNpm(t)
	for _, tt := range []struct{ name, script, want string }{
		{"no such program", "", "start an agent"},
		{"it ends at once", "#!/bin/sh\necho no rights >&2\nexit 1\n", "ended at once: no rights"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			daemon := filepath.Join(t.TempDir(), "wormbelld")
			if tt.script != "" {
				if err := executable.Write(daemon, tt.script); err != nil {
					t.Fatal(err)
				}
			}
			var out safe
			o := options(nil, &out, "npmrc-read")
			o.Daemon = daemon
			o.Dial = func(string) (Agent, error) { return nil, net.ErrClosed }
			err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run says %v, want %q", err, tt.want)
			}
			m := regexp.MustCompile(`scratch home\s+(\S+)`).FindStringSubmatch(out.String())
			if len(m) != 2 {
				t.Fatal(out.String())
			}
			if _, err := os.Stat(filepath.Dir(m[1])); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the scratch folder is still there: %v", err)
			}
		})
	}
}

func TestUnknownName(t *testing.T) {
	t.Parallel()
	err := Run(t.Context(), Options{Names: []string{"wannacry"}})
	if err == nil || !strings.Contains(err.Error(), "shai-hulud") {
		t.Errorf("Run says %v", err)
	}
}

// TestStageIsSealed: programs on the stage get nothing of the user's environment.
func TestStageIsSealed(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "mine")
	t.Setenv("npm_config_registry", "http://192.0.2.1/")
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:3128/")
	t.Setenv("NODE_OPTIONS", "--require /nothing.js")
	var out safe
	s, err := newStage(t.Context(), options(nil, &out))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, kv := range s.env() {
		k, v, _ := strings.Cut(kv, "=")
		if strings.Contains(v, "192.0.2.1") || strings.HasPrefix(k, "AWS") || k == "NODE_OPTIONS" {
			t.Errorf("%s is let through", kv)
		}
		if strings.Contains(strings.ToLower(k), "registry") && !strings.HasPrefix(v, "http://127.0.0.1:") {
			t.Errorf("%s is not on loopback", kv)
		}
	}
	st, err := os.Stat(s.dir)
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the scratch folder: %v, %v", st.Mode(), err)
	}
	if strings.Contains(out.String(), "npm_") {
		t.Error("a decoy is printed")
	}
}
