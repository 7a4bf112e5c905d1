package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace returns a function that runs what it is given on a thread with a
// mount namespace of its own, which whatever is started there has, too.
func inNamespace(t *testing.T) func(do func() error) {
	t.Helper()
	work, done := make(chan func() error), make(chan error)
	var serve func()
	serve = func() {
		runtime.LockOSThread() // and never back: the thread ends with this goroutine
		if unix.Gettid() == unix.Getpid() {
			// But for the first, whose namespace is what /proc/self tells of.
			ended := make(chan struct{})
			go func() { defer close(ended); serve() }()
			<-ended
			runtime.UnlockOSThread()
			return
		}
		err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		done <- err
		for do := range work {
			done <- do()
		}
	}
	go serve()
	if err := <-done; err != nil {
		t.Skipf("no mount namespaces here: %v", err)
	}
	t.Cleanup(func() { close(work) })
	return func(do func() error) {
		t.Helper()
		work <- do
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeadHome: a home on a file system that never answers does not keep the agent
// from starting and guarding the others. It is told, and guarded once it is itself
// again; and one that dies while the agent runs is told, too.
func TestDeadHome(t *testing.T) {
	needRoot(t)
	within := inNamespace(t)
	m := prepare(t, options{})
	dead := scratch(t, "e2e-dead")
	if err := os.Chown(dead, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	passwd := filepath.Join(m.dir, "passwd")
	if err := os.WriteFile(passwd, fmt.Appendf(nil, "root:x:0:0::%s:/bin/sh\nann:x:1000:1000::%s:/bin/sh\n", m.home, dead), 0o644); err != nil {
		t.Fatal(err)
	}
	fuse := -1
	kill := func() error {
		var err error
		if fuse, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			t.Skipf("no file systems in user space here: %v", err)
		}
		return unix.Mount("fuse", dead, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=1000,group_id=1000,allow_other", fuse))
	}
	revive := func() error {
		unix.Close(fuse) // who waits gets an error
		return unix.Unmount(dead, unix.MNT_DETACH)
	}
	within(kill)
	within(func() error {
		if err := unix.Mount(passwd, "/etc/passwd", "", unix.MS_BIND, ""); err != nil {
			return err
		}
		m.agent = exec.Command(filepath.Join(m.bin, "wormbelld"), "--state", filepath.Join(m.dir, "state"), "--socket", m.socket)
		m.agent.Stdout, m.agent.Stderr, m.agent.Env = m.log, m.log, m.env()
		m.agent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return m.agent.Start()
	})
	m.ended = make(chan struct{})
	go func() { m.agent.Wait(); close(m.ended) }()
	defer func() {
		m.stop()
		if t.Failed() {
			t.Logf("agent's log:\n%s", m.log.String())
		}
	}()
	m.ready()
	if s := m.status(); !slices.Equal(s.Homes, []string{m.home}) || !strings.Contains(strings.Join(s.Problems, "\n"), fmt.Sprintf("the home %q does not answer and is not guarded", dead)) {
		t.Errorf("guarded are %q; problems: %q", s.Homes, s.Problems)
	}
	m.write("~/.npmrc", "//registry.example.com/:_authToken="+m.token)
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "node", "steal.js")
	m.rings("credential-read")

	within(revive)
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: it did not come about; %q", what, m.status().Problems)
			}
		}
	}
	guarded := func() bool {
		out, code := m.wormbell("status", "--json")
		return code == 0 && strings.Contains(out, `"`+dead+`"`) && !strings.Contains(out, "does not answer")
	}
	wait("the home that answers again is guarded", guarded)

	within(kill)
	wait("a home that dies is told", func() bool {
		return strings.Contains(strings.Join(m.status().Problems, "\n"), fmt.Sprintf("the home %q does not answer and is not guarded", dead))
	})
	if err := os.WriteFile(filepath.Join(m.home, ".npmrc"), []byte("//registry.example.com/:_authToken="+m.token), 0o600); err != nil {
		t.Fatal(err)
	}
	within(revive)
	wait("it is no longer told", guarded)
}
