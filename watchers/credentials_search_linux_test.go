package watchers

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/stores"
)

// searchHome guards the .env files of a home, which the feed of the file tree
// tells of.
func searchHome(t *testing.T, home string) *credRig {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("fanotify permission events need root")
	}
	tree, err := NewTree(TreeConfig{Homes: []Home{{Dir: home, User: "0"}}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- tree.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	return guardHome(t, home, func(c *credentials) {
		c.host.Tree = tree
		c.table = slices.Concat(credStores, []stores.Store{*stores.ByID("env")})
	})
}

// envs are the guarded files of projects.
func (o *credOut) envs() (files []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.guards {
		if g.Store == "env" && g.State == wormbell.GuardOn {
			files = append(files, g.Path)
		}
	}
	slices.Sort(files)
	return files
}

func TestSearchFindsProjects(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	for _, f := range []string{".env", "app/.env", "work/app/.env.production", "work/mono/packages/api/src/.env",
		"work/app/.env.example", "work/app/node_modules/x/.env", ".cache/x/.env", "a/b/c/d/e/f/.env", "work/app/.environment", "work/app/src/.env.d.ts"} {
		os.MkdirAll(home+"/"+f[:strings.LastIndexByte("/"+f, '/')], 0o755)
		write(t, home+"/"+f)
	}
	r := searchHome(t, home)
	want := []string{"~/.env", "~/app/.env", "~/work/app/.env.production", "~/work/mono/packages/api/src/.env"}
	r.until("the projects that are there", func() bool { return slices.Equal(r.envs(), want) })
	r.sh("cat .env app/.env work/app/.env.* work/mono/packages/api/src/.env work/app/node_modules/x/.env .cache/x/.env")
	for _, f := range want {
		r.exactly(f, 1)
	}
	if e := r.reads("~/work/app/.env.example"); len(e) != 0 {
		t.Errorf("an example is told: %v", e)
	}
}

func TestSearchFindsWhatComes(t *testing.T) {
	t.Parallel()
	r := searchHome(t, newHome(t))
	has := func(f string) func() bool { return func() bool { return slices.Contains(r.envs(), f) } }
	r.sh("mkdir -p app && echo A=1 >app/.env")
	r.until("a new file", has("~/app/.env"))
	r.sh("mkdir -p away/sub && echo A=1 >away/sub/.env.local && mv away work")
	r.until("a folder that is moved", has("~/work/sub/.env.local"))
	r.sh("echo A=2 >app/.env.tmp && mv app/.env.tmp app/.env")
	var st unix.Stat_t
	if err := unix.Stat(r.home+"/app/.env", &st); err != nil {
		t.Fatal(err)
	}
	r.until("the guard on what replaced it", func() bool { return strings.HasPrefix(markOf(t, st.Ino), "mask:10000") })
	r.sh("cat app/.env")
	r.exactly("~/app/.env", 1)
	// What lies beside it costs nothing.
	if err := unix.Stat(r.home+"/app", &st); err != nil {
		t.Fatal(err)
	}
	if m := markOf(t, st.Ino); m != "" {
		t.Errorf("the folder is marked: %s", m)
	}
}

// TestSearchIsBounded: whoever makes files without end gets no marks without
// end, and does not put the agent's own stores out of the book.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	write(t, home+"/.npmrc")
	for i := range maxSearched + 50 {
		dir := fmt.Sprintf("%s/work/p%d", home, i)
		os.MkdirAll(dir, 0o755)
		write(t, dir+"/.env")
	}
	began := time.Now()
	r := searchHome(t, home)
	r.until("the first files", func() bool { return len(r.envs()) == maxSearched })
	t.Logf("%d files guarded after %v", maxSearched, time.Since(began))
	r.until("it is said", func() bool {
		paths := stores.ByID("env").Paths
		g := r.guard(paths[len(paths)-1])
		return g.State == wormbell.GuardNot && g.Why == whyMany
	})
	r.sh("cat .npmrc")
	r.exactly("~/.npmrc", 1)
}
