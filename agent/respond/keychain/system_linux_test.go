package keychain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/executable"
	"wormbell/internal/secret"
	"wormbell/internal/secretservice"
)

// The library keeps one connection for the life of a process, so every situation
// gets a process of its own: this test binary, which does what this variable says.
const childDoes = "WORMBELL_TEST_KEYCHAIN"

// TestChild is what these processes run.
func TestChild(t *testing.T) {
	does := os.Getenv(childDoes)
	if does == "" {
		return // the other tests start it otherwise
	}
	ctx := t.Context()
	c := Config{Limit: 20 * time.Second}
	if does == "hang" {
		c.Limit = 300 * time.Millisecond
	}
	if service, ok := strings.CutPrefix(does, "read "); ok {
		s, err := OpenToRead(c)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Get(ctx, service, "alice")
		fmt.Printf("read %q %v\n", v.Reveal(), err)
		return
	}
	s, err := Open(ctx, c)
	fmt.Printf("open: %v, none %v\n", err, errors.Is(err, ErrNone))
	switch {
	case does == "use" && err == nil:
		use(t, s)
	case does == "hang":
		s, err := OpenToRead(c)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			start := time.Now()
			_, err := s.Get(ctx, "a", "b")
			fmt.Printf("get: none %v, after the limit %v, far after %v\n", errors.Is(err, ErrNone), time.Since(start) >= c.Limit, time.Since(start) > 20*time.Second)
		}
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err = s.Get(ctx, "a", "b")
		fmt.Printf("cancelled: %v\n", err)
	}
}

// use does with a keychain what programs do.
func use(t *testing.T, s *System) {
	ctx := t.Context()
	const service = "wormbell test"
	items := map[string]string{
		"npm///registry.example.com/:_authToken": "plain", "": "no account", "ü 'quoted' \"twice\" $x": "two\nlines\x00 and bytes \xff\xfe",
		"long": strings.Repeat("0123456789abcdef", 4096), "empty": "",
	}
	for account, v := range items {
		if err := s.Set(ctx, service, account, secret.Of("before")); err != nil {
			t.Errorf("set %q: %v", account, err)
		}
		if err := s.Set(ctx, service, account, secret.Of(v)); err != nil {
			t.Errorf("set %q again: %v", account, err)
		}
	}
	for account, v := range items {
		got, err := s.Get(ctx, service, account)
		if err != nil || got.Reveal() != v {
			t.Errorf("get %q: %d bytes, want %d: %v", account, len(got.Reveal()), len(v), err)
		}
	}
	for account := range items {
		if err := errors.Join(s.Delete(ctx, service, account), s.Delete(ctx, service, account)); err != nil {
			t.Errorf("delete %q: %v", account, err)
		}
		if _, err := s.Get(ctx, service, account); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrNone) {
			t.Errorf("get %q after delete: %v", account, err)
		}
	}
	for _, bad := range []string{"a\x00b", "a\xff", "a\nb", strings.Repeat("x", 2000)} {
		if err := s.Set(ctx, service, bad, secret.Of("v")); err == nil {
			t.Errorf("an item called %.10q was made", bad)
		}
	}
	if err := s.Set(ctx, service, "x", secret.Of(strings.Repeat("x", 2<<20))); !errors.Is(err, ErrTooBig) {
		t.Errorf("2 MiB: %v", err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			account := fmt.Sprint(i)
			if err := s.Set(ctx, service, account, secret.Of(account)); err != nil {
				t.Error(err)
			}
			if got, err := s.Get(ctx, service, account); err != nil || got.Reveal() != account {
				t.Errorf("%q is %q: %v", account, got.Reveal(), err)
			}
		})
	}
	wg.Wait()
}

// child runs this test binary in an environment of its own and returns what it
// printed.
func child(t *testing.T, does string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "DBUS_SESSION_BUS_ADDRESS=") }), append(env, childDoes+"="+does)...)
	cmd.WaitDelay = 30 * time.Second // also for what it wrote before a normal end
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

func search(t *testing.T, s *secretservice.Session, service string) string {
	t.Helper()
	out, err := s.Run(t.Context(), "", "secret-tool", "search", "--all", "service", service)
	if err != nil && out != "" { // it also fails when it finds nothing
		t.Fatal(err, out)
	}
	return out
}

func TestRealKeyring(t *testing.T) {
	t.Parallel()
	s := secretservice.Start(t, secretservice.Config{})
	if out := child(t, "use", s.Env...); !strings.Contains(out, "open: <nil>") {
		t.Error(out)
	}
	// Another program sees what was kept last, so it was the real one; of the
	// trial nothing is left.
	if out := search(t, s, "wormbell test"); strings.Count(out, "attribute.username") != 8 {
		t.Errorf("secret-tool finds: %s", out)
	}
	if out := search(t, s, "wormbell"); strings.TrimSpace(out) != "" {
		t.Errorf("the trial's item stayed: %s", out)
	}
}

func TestReadAnothersItem(t *testing.T) {
	t.Parallel()
	s := secretservice.Start(t, secretservice.Config{})
	if out, err := s.Run(t.Context(), "gho_its", "secret-tool", "store", "--label=x", "service", "gh:github.com", "username", "alice"); err != nil {
		t.Fatal(err, out)
	}
	if out := child(t, "read gh:github.com", s.Env...); !strings.Contains(out, `read "gho_its" <nil>`) {
		t.Error(out)
	}
	if out := child(t, "read gh:other", s.Env...); !strings.Contains(out, ErrNotFound.Error()) {
		t.Error(out)
	}
	if out := search(t, s, "wormbell"); strings.TrimSpace(out) != "" {
		t.Errorf("it wrote: %s", out)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	t.Run("made", func(t *testing.T) {
		s := secretservice.Start(t, secretservice.Config{Home: home, Password: "right"})
		child(t, "use", s.Env...)
	})
	for name, c := range map[string]secretservice.Config{"nobody unlocked it": {Home: home, Locked: true}, "the wrong password": {Home: home, Password: "wrong"}} {
		t.Run(name, func(t *testing.T) {
			s := secretservice.Start(t, c)
			if out := child(t, "use", s.Env...); !strings.Contains(out, "locked") || !strings.Contains(out, "none true") {
				t.Error(out)
			}
		})
	}
	t.Run("unlocked again", func(t *testing.T) {
		s := secretservice.Start(t, secretservice.Config{Home: home, Password: "right"})
		if out := child(t, "use", s.Env...); !strings.Contains(out, "open: <nil>") {
			t.Error(out)
		}
	})
}

func TestNoService(t *testing.T) {
	t.Parallel()
	s := secretservice.Start(t, secretservice.Config{NoKeyring: true})
	if out := child(t, "use", s.Env...); !strings.Contains(out, "no program on the session bus keeps secrets") || !strings.Contains(out, "none true") {
		t.Error(out)
	}
}

// TestNoBus: without a session bus none is started.
func TestNoBus(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); err == nil {
		t.Skip("needs a user without a session bus; there is one in /run/user")
	}
	bin := t.TempDir()
	ran := filepath.Join(bin, "ran")
	if err := executable.Write(filepath.Join(bin, "dbus-launch"), "#!/bin/sh\n: >"+ran+"\nexec sleep 600\n"); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + bin + ":" + os.Getenv("PATH")
	for _, address := range []string{"", "autolaunch:", "autolaunch:;unix:path=/tmp/none", "unix:path=/nowhere/bus;autolaunch:", "unixexec:path=" + bin + "/dbus-launch", "tcp:host=127.0.0.1,port=9"} {
		out := child(t, "use", path, "DBUS_SESSION_BUS_ADDRESS="+address)
		if !strings.Contains(out, "none true") {
			t.Errorf("%q: %s", address, out)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("dbus-launch was run")
	}
}

// listen serves a bus that answers nothing.
func listen(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { // ends when the test closes the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { // ends when the client does
				b := make([]byte, 512)
				for {
					if _, err := c.Read(b); err != nil {
						c.Close()
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return path
}

func TestHang(t *testing.T) {
	t.Parallel()
	out := child(t, "hang", "DBUS_SESSION_BUS_ADDRESS=unix:path="+listen(t))
	if !strings.Contains(out, "it does not answer") || strings.Count(out, "get: none true, after the limit true, far after false") == 0 ||
		strings.Contains(out, "far after true") || !strings.Contains(out, "cancelled: context canceled") {
		t.Error(out)
	}
}

func TestBadAddress(t *testing.T) {
	t.Parallel()
	out := child(t, "use", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus")
	if !strings.Contains(out, "not where DBUS_SESSION_BUS_ADDRESS says") || !strings.Contains(out, "none true") {
		t.Error(out)
	}
	stale := filepath.Join(t.TempDir(), "b")
	// It never listens: what another test forks meanwhile would keep a listener open until it is executed.
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: stale}); err != nil {
		t.Fatal(err)
	}
	out = child(t, "use", "DBUS_SESSION_BUS_ADDRESS=unix:path="+stale)
	if !strings.Contains(out, "nobody serves the session bus") || !strings.Contains(out, "none true") {
		t.Error(out)
	}
}

func TestAnothersBus(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root: it takes another user's bus")
	}
	path := listen(t)
	if err := os.Chown(path, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	out := child(t, "use", "DBUS_SESSION_BUS_ADDRESS=unix:path="+path)
	if !strings.Contains(out, "another user's") || !strings.Contains(out, "none true") {
		t.Error(out)
	}
	// The bus itself refuses root where its socket does not tell whose it is.
	s := secretservice.Start(t, secretservice.Config{NoKeyring: true, UID: 65534})
	if err := os.Chown(strings.TrimPrefix(s.Address, "unix:path="), 0, 0); err != nil {
		t.Fatal(err)
	}
	if out := child(t, "use", s.Env...); !strings.Contains(out, "another user") || !strings.Contains(out, "none true") {
		t.Error(out)
	}
}
