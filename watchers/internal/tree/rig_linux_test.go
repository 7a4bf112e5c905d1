package tree

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func wantsManifest(name []byte) bool { return string(name) == "package.json" }

// rig is a running feed over one scratch home.
type rig struct {
	t    *testing.T
	home string
	feed *Feed
	sub  *Subscription
}

// next returns the next change, or fails after a while.
func (r *rig) next() Change {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := r.sub.Next(ctx)
		if err != nil {
			r.t.Fatalf("no change came: %v", err)
		}
		if c.Op != Vanished { // other tests remove their folders
			return c
		}
	}
}

// until reads changes until one is ok.
func (r *rig) until(what string, ok func(Change) bool) Change {
	r.t.Helper()
	var seen []string
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithDeadline(r.t.Context(), deadline)
		c, err := r.sub.Next(ctx)
		cancel()
		if err != nil {
			r.t.Fatalf("%s did not come, but %s", what, strings.Join(seen, ", "))
		}
		if ok(c) {
			return c
		}
		seen = append(seen, fmt.Sprintf("%v %q", c.Op, c.Path))
	}
}

// sh runs a script in the home, as a process of its own: the feed does not
// tell of what this process does.
func (r *rig) sh(script string) {
	r.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = r.home
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// startWith runs setup before the feed starts.
func startWith(t *testing.T, cfg Config, backend, setup string) *rig {
	t.Helper()
	if backend == "fanotify" && os.Getuid() != 0 {
		t.Skip("fanotify marks need root")
	}
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, home: home}
	r.sh(setup)
	return r.run(cfg, backend)
}

func (r *rig) run(cfg Config, backend string) *rig {
	t := r.t
	t.Helper()
	cfg.Homes, cfg.Refuse = []string{r.home}, backends[backend]
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.feed, r.sub = f, f.Subscribe(Want{Name: wantsManifest, Dirs: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	if c := r.next(); c.Op != Armed {
		t.Fatalf("the first change is %v", c)
	}
	if s, _ := f.State(); s.Backend != backend {
		if backend == "fanotify" {
			t.Skipf("the file system of %s is not for fanotify: %s", r.home, s.Why)
		}
		t.Fatalf("state %+v, want %s", s, backend)
	}
	return r
}
