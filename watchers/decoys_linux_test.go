package watchers

import (
	"os"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/decoy"
)

// plantFor plants a decoy in the home at p and tells decoys of it.
func plantFor(t *testing.T, home, p string) wormbell.Decoy {
	t.Helper()
	put, err := decoy.Plant(home, p, []byte("not a token\n"), time.Now().AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	file, err := LookAtDecoy(Home{Dir: home, User: "0", UID: os.Getuid()}, p)
	if err != nil || file != put.File {
		t.Fatalf("LookAtDecoy: %+v, %v; planted %+v", file, err, put.File)
	}
	return wormbell.Decoy{ID: "d" + p, User: "0", Home: home, Path: p, Kind: "npm", File: file}
}

// TestDecoys: a decoy is guarded as one from when it is told until it is no
// longer the file that was planted, under both backends.
func TestDecoys(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"fanotify", "inotify"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			decoys := &Decoys{}
			home := newHome(t)
			d := plantFor(t, home, "~/.npmrc.bak")
			decoys.Set([]wormbell.Decoy{d})
			r := guardHome(t, home, func(c *credentials) {
				c.host.Decoys = decoys
				if backend == "inotify" {
					c.host.Refuse = []string{"fanotify"}
				}
			})
			r.state("~/.npmrc.bak", wormbell.GuardOn)
			if g := r.guard("~/.npmrc.bak"); g.Store != wormbell.DecoyStore || g.Kind != "decoy: npm" {
				t.Errorf("listed as %+v", g)
			}
			r.sh("cat .npmrc.bak; cat .npmrc")
			for _, e := range r.exactly("~/.npmrc.bak", 1) {
				if !e.Decoy {
					t.Errorf("told as no decoy: %+v", e)
				}
			}
			for _, e := range r.exactly("~/.npmrc", 1) {
				if e.Decoy {
					t.Errorf("a credential is told as a decoy: %+v", e)
				}
			}
			// A second one, while it runs, deeper.
			more := plantFor(t, home, "~/.aws/credentials.old")
			select {
			case <-decoys.Set([]wormbell.Decoy{d, more}):
			case <-time.After(20 * time.Second):
				t.Fatal("the second decoy is not taken in")
			}
			r.sh("cat .aws/credentials.old; cat .npmrc.bak")
			r.exactly("~/.aws/credentials.old", 1)
			r.exactly("~/.npmrc.bak", 2)
			// Its name stays with it, and nothing else of its name is one.
			r.sh("mv .npmrc.bak away; echo mine >.npmrc.bak")
			r.state("~/.npmrc.bak", wormbell.GuardNot)
			r.sh("cat .npmrc.bak")
			r.exactly("~/.npmrc.bak", 2)
			// Written to, it is the person's.
			r.sh("echo mine >>.aws/credentials.old; touch .aws/credentials.old.x; mv .aws/credentials.old .aws/y; mv .aws/y .aws/credentials.old")
			r.state("~/.aws/credentials.old", wormbell.GuardNot)
			r.sh("cat .aws/credentials.old")
			r.exactly("~/.aws/credentials.old", 1)
			// Taken back.
			<-decoys.Set(nil)
			if g := r.guard("~/.npmrc.bak"); g.Store != "" {
				t.Errorf("it is listed still: %+v", g)
			}
		})
	}
}

// TestDecoyHidesNothing: a credential that somebody puts where a decoy was stays
// a credential.
func TestDecoyHidesNothing(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	decoys := &Decoys{}
	decoys.Set([]wormbell.Decoy{plantFor(t, home, "~/.npmrc.bak")})
	r := guardHome(t, home, func(c *credentials) { c.host.Decoys = decoys })
	r.state("~/.npmrc.bak", wormbell.GuardOn)
	r.sh("rm .npmrc.bak; ln .npmrc .npmrc.bak")
	r.state("~/.npmrc.bak", wormbell.GuardNot)
	r.sh("cat .npmrc.bak")
	if e := r.exactly("~/.npmrc", 1)[0]; e.Decoy {
		t.Errorf("%+v", e)
	}
}

// TestLookAtDecoy: only what somebody has just planted is taken for a decoy.
func TestLookAtDecoy(t *testing.T) {
	dir := t.TempDir()
	home := Home{Dir: dir, User: "0", UID: os.Getuid()}
	for _, tt := range []struct {
		name string
		make func(p string) error
		want string
	}{
		{"absent", func(string) error { return nil }, "no such file"},
		{"wide", func(p string) error { return os.WriteFile(p, []byte("x"), 0o640) }, "others than its owner"},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "size"},
		{"large", func(p string) error { return os.WriteFile(p, make([]byte, maxDecoy+1), 0o600) }, "size"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "not a regular file"},
		{"link", func(p string) error { return os.Symlink("/etc/passwd", p) }, "not a regular file"},
		{"linked", func(p string) error {
			if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
				return err
			}
			return os.Link(p, p+"2")
		}, "other names"},
		{"good", func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }, ""},
	} {
		if err := tt.make(dir + "/" + tt.name); err != nil {
			t.Fatal(err)
		}
		_, err := LookAtDecoy(home, "~/"+tt.name)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := os.Symlink(dir, dir+"/sub"); err != nil {
		t.Fatal(err)
	}
	if _, err := LookAtDecoy(home, "~/sub/good"); err == nil {
		t.Error("a link on the way is followed")
	}
	home.UID++
	if _, err := LookAtDecoy(home, "~/good"); err == nil {
		t.Error("somebody else's file is taken")
	}
	for _, p := range []string{"good", "~/../x", "~/", "~", "/etc/passwd"} {
		if _, err := LookAtDecoy(home, p); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
}

// TestDecoysBeforeTheFirstLook: a list may come while the watcher starts.
func TestDecoysBeforeTheFirstLook(t *testing.T) {
	home := newHome(t)
	decoys := &Decoys{}
	c := newCredentials(Host{Homes: []Home{{Dir: home, User: "0", UID: os.Getuid()}}, Lineage: &Lineage{}, Decoys: decoys}, muteOut{})
	k, err := newKeeper(c)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	before := len(k.plan)
	for n := range 3 {
		var list []wormbell.Decoy
		for range n {
			list = append(list, wormbell.Decoy{User: "0", Home: home, Path: "~/.npmrc.bak"})
		}
		decoys.Set(list)
		if !k.replan() || k.replan() || len(k.plan) != before+n || len(k.results) != len(k.plan) {
			t.Errorf("%d decoys: %d of %d patterns more", n, len(k.plan), before)
		}
	}
}
