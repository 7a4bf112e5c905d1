package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
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
)

// Cache is the folder of the disks, which is root's and nobody else's: a key
// that opens every machine lies beside each.
const Cache = "/var/cache/wormbell-test"

// building bounds the making of a disk, and the wait for another who makes it.
// It takes a minute or two; a slow package source may take many.
const building = 20 * time.Minute

// unused is how long a disk is kept that nobody asks for. They are large.
const unused = 7 * 24 * time.Hour

//go:embed recipe.sh
var recipe string

// base is what every machine has: systemd with what a session of a user needs,
// and the smallest kernel there is for a virtual machine.
var base = []string{"systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "procps", "udev", "kmod",
	"openssh-server", "iproute2", "linux-image-cloud-amd64", "initramfs-tools", "ca-certificates"}

// Desktop are the packages of a desktop without a screen: an X server, a window
// manager, a panel that shows icons, a notification service. To make a disk takes
// longer than most tests, so those without a desktop use this one, too.
var Desktop = []string{"xvfb", "openbox", "xfce4-panel", "xfconf", "xfce4-notifyd", "imagemagick", "adwaita-icon-theme", "hicolor-icon-theme",
	"fonts-dejavu-core", "libglib2.0-bin", "x11-utils"}

// programs are what a machine and its disk are made with, and their packages.
var programs = [][2]string{{"qemu-system-x86_64", "qemu-system-x86"}, {"debootstrap", "debootstrap"}, {"mkfs.ext4", "e2fsprogs"},
	{"ssh", "openssh-client"}, {"ssh-keygen", "openssh-client"}}

// Need skips the test where no machine can be had.
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("a virtual machine takes long: not with -short")
	}
	if runtime.GOARCH != "amd64" {
		t.Skipf("a virtual machine needs amd64, this is %s", runtime.GOARCH)
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: the disk of a virtual machine is made in a chroot")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p[0]); err != nil {
			t.Skipf("needs %s (package %s) for a virtual machine", p[0], p[1])
		}
	}
}

// Image returns the folder of a disk with a minimal Debian, the user "dev" and
// these packages of it. It makes the disk if nobody has yet. Where that is not
// possible because there is no package source the test is skipped.
func Image(t testing.TB, packages ...string) string {
	t.Helper()
	Need(t)
	mirror, suite, err := source(t.Context())
	if err != nil {
		t.Skipf("no virtual machine: %v", err)
	}
	if err := own(Cache); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(base, packages)
	slices.Sort(all)
	list := strings.Join(slices.Compact(all), ",")
	image := filepath.Join(Cache, fmt.Sprintf("image-%x", sha256.Sum256([]byte(recipe+"\x00"+suite+"\x00"+list)))[:30])

	now := time.Now()
	if os.Chtimes(image, now, now) == nil { // it is there, and is not swept away
		return image
	}
	ctx, cancel := context.WithTimeout(t.Context(), building)
	defer cancel()
	unlock, err := lock(ctx, filepath.Join(Cache, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if os.Chtimes(image, now, now) == nil { // somebody else made it meanwhile
		return image
	}
	if err := sweep(now); err != nil {
		t.Fatal(err)
	}
	if out, err := build(ctx, mirror, suite, list, image); err != nil {
		t.Fatalf("make a disk for a virtual machine: %v\n%s", err, out)
	} else {
		t.Logf("%s\nin all %v", strings.TrimSpace(out), time.Since(now).Round(time.Second))
	}
	return image
}

// build makes a disk in a folder beside image, and gives it its name once it is
// whole.
func build(ctx context.Context, mirror, suite, list, image string) (string, error) {
	tmp, err := os.MkdirTemp(Cache, "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	debs := filepath.Join(Cache, "debs") // makes the next disk without asking for them again
	if err := own(debs); err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-s", mirror, suite, tmp, debs, list)
	cmd.Stdin = strings.NewReader(recipe)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "TMPDIR=/tmp", "DEBIAN_FRONTEND=noninteractive"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} { // the way to the package source, as for apt
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.WaitDelay = 10 * time.Second
	// As the first process of its namespace it takes everything with it, and what it mounts nobody else has.
	err = run(cmd, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL})
	if err != nil {
		return out.String(), err
	}
	return out.String(), os.Rename(tmp, image)
}

// run runs a program that must not outlive this one. Pdeathsig is sent when the
// thread ends that started it (prctl(2)), so the thread stays with it.
func run(cmd *exec.Cmd, attr *syscall.SysProcAttr) error {
	started, ended := start(cmd, attr)
	if err := <-started; err != nil {
		return err
	}
	return <-ended
}

// start starts a program like run. The first channel says whether it started,
// the second how it ended, once.
func start(cmd *exec.Cmd, attr *syscall.SysProcAttr) (started, ended <-chan error) {
	cmd.SysProcAttr = attr
	up, end := make(chan error, 1), make(chan error, 1) // nobody needs to listen
	go func() {                                         // holds the thread while the program runs
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		up <- err
		if err == nil {
			end <- cmd.Wait()
		}
		close(end)
	}()
	return up, end
}

// source is where this machine has its own Debian's packages from: what apt
// says (apt-get(8), indextargets), for the release that is installed.
func source(ctx context.Context) (mirror, suite string, err error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Identifier: Packages").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask apt for its sources: %w", err)
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(release)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			suite = strings.Trim(name, `"`)
		}
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && suite != "" && f[0] == suite && f[1] == "main" {
			return f[2], suite, nil
		}
	}
	return "", "", fmt.Errorf("apt has no source for the release %q", suite)
}

// own makes a folder that only root may enter, or finds that it is one.
func own(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || st.Uid != 0 || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%q is not a folder of root's alone: remove it", dir)
	}
	return nil
}

// lock waits until nobody else makes a disk, and says so to others.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %q: %w", name, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another test makes a disk, and does not end: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sweep removes what builders left that were killed, and disks that nobody uses
// any more. It is called with the lock held.
func sweep(now time.Time) error {
	entries, err := os.ReadDir(Cache)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(e.Name(), "building-") || strings.HasPrefix(e.Name(), "image-") && now.Sub(info.ModTime()) > unused {
			if err := os.RemoveAll(filepath.Join(Cache, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
