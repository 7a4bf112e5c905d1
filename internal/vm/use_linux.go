package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds one command whose caller set no bound. What takes a second
// takes more than a minute where several machines share two processors.
const patience = 10 * time.Minute

// Run runs a command as Try does, and fails the test if it exits with anything
// but 0.
func (m *VM) Run(ctx context.Context, user, command string) string {
	m.t.Helper()
	out, code := m.Try(ctx, user, command)
	if code != 0 {
		m.t.Fatalf("%s: %s: exit %d\n%s", user, command, code, out)
	}
	return out
}

// Try runs a command in a user's login shell, without a terminal, and returns
// what it wrote, errors too, and its exit status. It fails the test if there is
// no connection, and after ten minutes if ctx has no deadline.
func (m *VM) Try(ctx context.Context, user, command string) (out string, code int) {
	m.t.Helper()
	return m.Do(ctx, user, command, Options{})
}

// Do is Try with options. Of a terminal the line ends come as "\n", too.
func (m *VM) Do(ctx context.Context, user, command string, o Options) (out string, code int) {
	m.t.Helper()
	ctx, cancel := bound(ctx)
	defer cancel()
	b, err := m.Command(ctx, user, command, o).CombinedOutput()
	out = strings.ReplaceAll(string(b), "\r\n", "\n")
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		m.t.Fatalf("%s: %s: %v\n%s", user, command, ctx.Err(), out)
	case errors.As(err, &exit) && exit.Exited() && exit.ExitCode() != 255:
		return out, exit.ExitCode()
	case err != nil:
		m.t.Fatalf("%s: %s: there is no connection: %v\n%s", user, command, err, out)
	}
	return out, 0
}

func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, patience)
}

// Put copies a file or a folder into the machine, where it is root's, with the
// modes that it has. "to" is its name there, whose folder must exist; a file of
// that name is replaced, a folder added to.
func (m *VM) Put(ctx context.Context, from, to string) {
	m.t.Helper()
	ctx, cancel := bound(ctx)
	defer cancel()
	info, err := os.Stat(from)
	if err != nil {
		m.t.Fatal(err)
	}
	if info.IsDir() {
		m.pipe(exec.CommandContext(ctx, "tar", "-C", from, "-c", "--owner=0", "--group=0", "."),
			m.Command(ctx, "root", fmt.Sprintf("mkdir -p %s && tar -x -C %s", quote(to), quote(to)), Options{}))
		return
	}
	f, err := os.Open(from)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	// Beside it first: a program that runs cannot be written to.
	tmp := quote(to + ".put")
	out, err := m.Command(ctx, "root", fmt.Sprintf("cat >%s && chmod %o %s && mv -T %s %s", tmp, info.Mode().Perm(), tmp, tmp, quote(to)), Options{Stdin: f}).CombinedOutput()
	if err != nil {
		m.t.Fatalf("put %q: %v\n%s", to, err, out)
	}
}

// Write writes a text file of root's that all may read, making its folder.
func (m *VM) Write(ctx context.Context, to, text string) {
	m.t.Helper()
	ctx, cancel := bound(ctx)
	defer cancel()
	command := fmt.Sprintf("mkdir -p %s && cat >%s && chmod 644 %s", quote(filepath.Dir(to)), quote(to), quote(to))
	if out, err := m.Command(ctx, "root", command, Options{Stdin: strings.NewReader(text)}).CombinedOutput(); err != nil {
		m.t.Fatalf("write %q: %v\n%s", to, err, out)
	}
}

// Get copies a file or a folder out of the machine, to a name that does not
// exist.
func (m *VM) Get(ctx context.Context, from, to string) {
	m.t.Helper()
	ctx, cancel := bound(ctx)
	defer cancel()
	if _, code := m.Try(ctx, "root", "test -d "+quote(from)); code == 0 {
		if err := os.Mkdir(to, 0o755); err != nil {
			m.t.Fatal(err)
		}
		m.pipe(m.Command(ctx, "root", fmt.Sprintf("tar -C %s -c .", quote(from)), Options{}), exec.CommandContext(ctx, "tar", "-x", "-C", to, "--no-same-owner"))
		return
	}
	var said bytes.Buffer
	cmd := m.Command(ctx, "root", "cat "+quote(from), Options{})
	cmd.Stderr = &said
	b, err := cmd.Output()
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		m.t.Fatalf("get %q: %v\n%s", from, err, said.Bytes())
	}
}

// pipe runs two programs of which one reads what the other writes.
func (m *VM) pipe(from, to *exec.Cmd) {
	m.t.Helper()
	var said tail
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	from.Stdout, from.Stderr = w, &said
	to.Stdin, to.Stdout, to.Stderr = r, &said, &said
	err = errors.Join(from.Start(), to.Start())
	w.Close()
	r.Close()
	if from.Process != nil {
		err = errors.Join(err, from.Wait())
	}
	if to.Process != nil {
		err = errors.Join(err, to.Wait())
	}
	if err != nil {
		m.t.Fatalf("copy: %v\n%s", err, said.String())
	}
}

// Wait asks again and again until ok, and fails the test when it is not so in
// time. A limit should be many times what it takes.
func (m *VM) Wait(what string, limit time.Duration, ok func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(limit); !ok(); {
		select {
		case <-m.ended:
			m.t.Fatalf("the machine ended while the test waited for %s", what)
		case <-m.t.Context().Done():
			m.t.Fatalf("waited for %s: %v", what, m.t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Reboot shuts the machine down in order and starts it again, with what is on
// its first disk (Config.Keeps). It returns when it takes sign-ins. The new
// start is another QEMU: one that goes on after a restart is far slower.
func (m *VM) Reboot(ctx context.Context) {
	m.t.Helper()
	if !m.config.Keeps {
		m.t.Fatal("this machine keeps nothing over a restart: set Config.Keeps")
	}
	ctx, cancel := context.WithTimeout(ctx, booting)
	defer cancel()
	m.Command(ctx, "root", "systemctl poweroff", Options{}).Run() // the connection ends, sooner or later
	select {
	case <-m.ended:
	case <-ctx.Done():
		m.t.Fatalf("it does not shut down: %v", ctx.Err())
	}
	m.signOut()
	m.start(ctx)
}

// Slowness is how many times longer a processor of the machine takes than this
// one, for a shell that counts. Measured at once, so best while nothing else
// runs on either.
func (m *VM) Slowness(ctx context.Context) float64 {
	m.t.Helper()
	ctx, cancel := bound(ctx)
	defer cancel()
	const count = `for ((i = 0; i < 200000; i++)); do :; done`
	here := exec.CommandContext(ctx, "bash", "-c", count)
	if err := here.Run(); err != nil {
		m.t.Fatal(err)
	}
	us := m.Run(ctx, "root", `a=${EPOCHREALTIME/./}; `+count+`; echo $((${EPOCHREALTIME/./} - a))`)
	there, err := time.ParseDuration(strings.TrimSpace(us) + "us")
	if err != nil {
		m.t.Fatal(err)
	}
	return float64(there) / float64(here.ProcessState.UserTime()+here.ProcessState.SystemTime())
}

// Disk makes a disk with an ext4 file system of so many MiB that holds what is
// in a folder, owners and modes too. It is for Config.Disks, and as large files
// go it is the fast way into a machine. The result ends with the test.
func Disk(t testing.TB, folder string, size int) string {
	t.Helper()
	Need(t)
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, int64(size)<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := bound(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-d", folder, file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := run(cmd, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}); err != nil {
		t.Fatalf("make a file system of %q: %v\n%s", folder, err, out.Bytes())
	}
	return file
}

// quote makes one word of a shell of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex // guards b
	b  []byte
}

// kept is how much that is: all of a boot, and more than anybody reads.
const kept = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - kept; over > 0 {
		t.b = append([]byte(nil), t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
