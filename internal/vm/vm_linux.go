package vm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// booting bounds a start, from QEMU's to the first sign-in. It takes 15 s on a
// machine that does nothing else.
const booting = 10 * time.Minute

// Config says what machine it is.
type Config struct {
	Image  string   // the folder that Image returned
	Memory int      // MiB; 1536 if 0
	CPUs   int      // 2 if 0
	Keeps  bool     // what is written to its first disk is there after a Reboot; else it cannot be restarted
	Disks  []string // files of further disks, /dev/vdb and so on; see Disk. Nothing is written to them
}

// VM is a machine that runs. Its methods may be called by several goroutines;
// they fail the test that they belong to (see With), so by its own only if what
// they do may fail.
type VM struct {
	*machine
	t testing.TB
}

// machine is what all VM of one machine share.
type machine struct {
	config  Config
	port    string
	dir     string // short, for the sockets of ssh
	console *tail
	ended   <-chan error // QEMU's

	test testing.TB // the one that it ends with

	mu      sync.Mutex         // guards signIns, is held while somebody signs in
	signIns map[string]*signIn // of each user
}

// signIn is a connection that all commands of a user share.
type signIn struct {
	ssh   *exec.Cmd
	ended <-chan error
}

// end ends it and waits for that.
func (s *signIn) end() {
	s.ssh.Process.Kill()
	<-s.ended
}

// Start boots a copy of the image that is thrown away when the test ends, and
// returns when it takes sign-ins. Where tests do not disturb each other one
// boot does for several: they are subtests, and each takes the machine as
// m.With(t). What the machine said on its console is shown if the test fails.
func Start(t testing.TB, c Config) *VM {
	t.Helper()
	Need(t)
	c.Memory, c.CPUs = cmp.Or(c.Memory, 1536), cmp.Or(c.CPUs, 2)
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &VM{&machine{config: c, dir: dir, test: t, signIns: map[string]*signIn{}}, t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of the machine:\n%s", m.Console())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), booting)
	defer cancel()
	if c.Keeps {
		cp := exec.CommandContext(ctx, "cp", "--sparse=always", filepath.Join(c.Image, "disk"), filepath.Join(dir, "disk"))
		if out, err := cp.CombinedOutput(); err != nil {
			t.Fatalf("copy the disk: %v\n%s", err, out)
		}
	}
	began := time.Now()
	m.start(ctx)
	t.Logf("the machine took sign-ins after %v", time.Since(began).Round(100*time.Millisecond))
	return m
}

func (m *VM) start(ctx context.Context) {
	m.t.Helper()
	// A port is free only until it is tried: QEMU cannot be handed a listener.
	for try := 1; ; try++ {
		err := m.boot(ctx)
		if err == nil {
			return
		}
		if !errors.Is(err, errPort) || try == 5 {
			m.t.Fatalf("boot a virtual machine: %v", err)
		}
	}
}

var errPort = errors.New("the port was taken")

// boot starts QEMU and waits for a sign-in.
func (m *VM) boot(ctx context.Context) error {
	var err error
	if m.port, err = freePort(); err != nil {
		return err
	}
	c := m.config
	args := []string{"-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", strconv.Itoa(c.Memory), "-smp", strconv.Itoa(c.CPUs),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci",
		"-kernel", filepath.Join(c.Image, "vmlinuz"), "-initrd", filepath.Join(c.Image, "initrd"),
		"-append", "root=/dev/vda rw console=ttyS0 quiet panic=0 no_timer_check module_blacklist=kvm_amd,kvm_intel,powernow_k8",
		"-nic", "user,model=virtio-net-pci,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:" + m.port + "-:22"}
	for i, disk := range append([]string{filepath.Join(c.Image, "disk")}, c.Disks...) {
		options := "if=virtio,format=raw,snapshot=on,file="
		if i == 0 && c.Keeps {
			options, disk = "if=virtio,format=raw,cache=unsafe,file=", filepath.Join(m.dir, "disk")
		}
		args = append(args, "-drive", options+strings.ReplaceAll(disk, ",", ",,"))
	}
	cmd := exec.CommandContext(context.WithoutCancel(m.test.Context()), "qemu-system-x86_64", args...)
	m.console = &tail{}
	cmd.Stdout, cmd.Stderr = m.console, m.console
	cmd.Env = append(os.Environ(), "TMPDIR="+m.dir) // what is written to the disks
	started, ended := start(cmd, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL})
	if err := <-started; err != nil {
		return err
	}
	m.ended = ended
	m.test.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	return m.reach(ctx)
}

// reach waits until root can sign in.
func (m *VM) reach(ctx context.Context) error {
	for {
		// Each try has its own bound: what answers while it boots may never answer.
		try, cancel := context.WithTimeout(ctx, 30*time.Second)
		out, err := m.command(try, "root", "true", Options{Login: true}).CombinedOutput()
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-m.ended:
			if strings.Contains(m.Console(), "Could not set up host forwarding rule") {
				return errPort
			}
			return errors.New("QEMU ended")
		case <-ctx.Done():
			return fmt.Errorf("nobody can sign in: %s: %w", bytes.TrimSpace(out), ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// freePort returns a port on loopback where nothing listens, of those that no
// system gives to who asks for any (Linux: from 32768, ip(7)).
func freePort() (string, error) {
	var err error
	for range 100 {
		port := strconv.Itoa(12000 + rand.IntN(20000))
		var l net.Listener
		if l, err = net.Listen("tcp4", "127.0.0.1:"+port); err != nil {
			continue
		}
		return port, l.Close()
	}
	return "", err
}

// With is the same machine for another test, a subtest mostly: what fails,
// fails that one.
func (m *VM) With(t testing.TB) *VM { return &VM{m.machine, t} }

// Console returns the last of what the machine said on its serial line.
func (m *VM) Console() string { return m.console.String() }

// Options of a command.
type Options struct {
	Terminal bool      // it is run at a terminal of its own, as what a person types; else there is none
	Login    bool      // the user signs in anew for it; else all commands of a user share one sign-in
	Stdin    io.Reader // nothing if nil
}

// Command returns a command that a user's login shell will run in the machine.
// "root" and "dev" are users of every image; any other that has a shell will do
// too. It exits with the command's status, or with 255 if there is no
// connection. When ctx ends only this end of it does.
func (m *VM) Command(ctx context.Context, user, command string, o Options) *exec.Cmd {
	m.t.Helper()
	if !o.Login {
		if err := m.master(ctx, user); err != nil {
			m.t.Fatalf("sign in as %s: %v", user, err)
		}
	}
	return m.command(ctx, user, command, o)
}

func (m *VM) command(ctx context.Context, user, command string, o Options) *exec.Cmd {
	args := m.ssh()
	if o.Login {
		args = append(args, "-o", "ControlPath=none")
	}
	if o.Terminal {
		args = append(args, "-tt")
	} else {
		args = append(args, "-T")
	}
	cmd := exec.CommandContext(ctx, "ssh", append(args, user+"@127.0.0.1", command)...)
	cmd.Stdin = o.Stdin
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// ssh are the arguments that every connection has. No file of who runs the
// test is read; the machine must show the key that it was made with.
func (m *VM) ssh() []string {
	image := m.config.Image
	return []string{"-F", "none", "-p", m.port, "-i", filepath.Join(image, "key"), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "UserKnownHostsFile=" + filepath.Join(image, "known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "HostKeyAlias=guest", "-o", "StrictHostKeyChecking=yes",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-o", "ControlPath=" + filepath.Join(m.dir, "%r")}
}

// master signs a user in for the commands to come. A sign-in takes most of a
// second on a processor made of software.
func (m *VM) master(ctx context.Context, user string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.signIns[user]; s != nil {
		select {
		case <-s.ended: // it has ended: the machine was restarted, or the user's processes were ended
		default:
			return nil
		}
	}
	socket := filepath.Join(m.dir, user)
	os.Remove(socket) // of one that was killed
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "ssh", append(m.ssh(), "-M", "-N", user+"@127.0.0.1")...)
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	started, ended := start(cmd, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL})
	if err := <-started; err != nil {
		return err
	}
	s := &signIn{cmd, ended}
	m.signIns[user] = s
	m.test.Cleanup(s.end)
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := os.Stat(socket); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New(strings.TrimSpace(said.String()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("it does not answer")
		}
	}
}

// signOut ends what all commands share, so that the next sign in anew.
func (m *VM) signOut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.signIns {
		s.end()
	}
}
