package persistence_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
)

const childVariable = "WORMBELL_TEST_SERVICE_MANAGER"

// TestServiceManager disables a unit of a real service manager, in name spaces
// of its own: nothing outside is seen or touched.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("making name spaces takes root")
	}
	if _, err := os.Stat("/usr/lib/systemd/systemd"); err != nil {
		t.Skip("there is no systemd here")
	}
	for _, bus := range []string{"with systemctl", "by a signal"} {
		t.Run(bus, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServiceManagerChild$", "-test.v")
			cmd.Env = append(os.Environ(), childVariable+"="+bus, "TMPDIR="+t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "--- SKIP") {
				t.Skipf("name spaces do not do here:\n%s", out)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestServiceManagerChild is what runs inside. It is the first process there,
// so that everything ends with it.
func TestServiceManagerChild(t *testing.T) {
	bus := os.Getenv(childVariable)
	if bus == "" {
		t.Skip("it is started by TestServiceManager")
	}
	for _, mount := range []struct {
		what, at, kind string
		flags          uintptr
	}{{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE}, {"tmpfs", "/run", "tmpfs", 0}, {"proc", "/proc", "proc", 0}} {
		if err := syscall.Mount(mount.what, mount.at, mount.kind, mount.flags, ""); err != nil {
			t.Skipf("mount %s: %v", mount.at, err)
		}
	}
	m := live(t)
	m.config.Run = nil
	m.config.Only(nil) // nothing of others' is in here
	runtime := "/run/user/0"
	for _, dir := range []string{"/run/systemd/system", runtime} { // the first says that systemd is at work
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	t.Setenv("HOME", m.home)
	manager := exec.Command("/usr/lib/systemd/systemd", "--user")
	if err := manager.Start(); err != nil {
		t.Skip(err)
	}
	eventually(t, "the service manager", func() bool { return systemctl("is-system-running") })

	script, mark := m.path(".local/share/"+word()), filepath.Join(m.root, "mark")
	m.write(script, loop(mark))
	m.put(map[string]string{".config/systemd/user/zz.service": unit("/bin/sh "+script, "Restart=always", "RestartSec=50ms", "ExecStop=/bin/sh -c 'echo stop > "+mark+"'", "ExecStopPost=/bin/sh -c 'echo post > "+mark+"'", "TimeoutStopSec=1")})
	if !systemctl("daemon-reload") || !systemctl("enable", "--now", "zz.service") {
		t.Fatal("the unit cannot be started")
	}
	m.young()
	var f persistence.Trap
	eventually(t, "the monitor", func() bool {
		for _, g := range m.look().Blocking() {
			if g.What == persistence.Unit && g.Live {
				f = g
			}
		}
		return f.Live
	})
	if bus == "by a signal" {
		m.config.Run = func(context.Context, []byte, string, ...string) ([]byte, error) {
			return nil, errors.New("failed to connect to bus")
		}
	}
	done, err := f.Disable(context.Background(), m.config)
	if err != nil {
		t.Fatalf("%v\n%+v", err, done)
	}
	if by := strings.Contains(strings.Join(done.Steps, "\n"), "by a signal"); by != (bus == "by a signal") {
		t.Errorf("the manager was told otherwise: %q", done.Steps)
	}
	// Twenty times what it takes to be started again.
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if b, err := os.ReadFile(mark); err == nil {
			t.Fatalf("it has noticed: %s", b)
		}
		for _, g := range m.look().Traps {
			if g.Live {
				t.Fatalf("it lives: %v", g)
			}
		}
	}
}

func systemctl(args ...string) bool {
	return exec.Command("systemctl", append([]string{"--user"}, args...)...).Run() == nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come up", what)
		}
	}
}
