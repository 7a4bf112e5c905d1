package watchers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
)

func TestCredentialsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	r.help("replace", "500", r.home+"/.npmrc")
	r.exactly("~/.npmrc", 500)
}

// The same by a process that sees the home elsewhere.
func TestCredentialsReplacedAtOnceInNamespace(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip(err)
	}
	r := guardHome(t, newHome(t), nil)
	r.sh("mkdir b")
	helper := r.helper("replace", "200", r.home+"/b/.npmrc")
	cmd := exec.Command("unshare", "-m", "sh", "-c", `mount --bind . b && exec "$0" "$@"`)
	cmd.Args = append(cmd.Args, helper.Args...)
	cmd.Env, cmd.Dir = helper.Env, helper.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("unshare: %v: %s", err, out)
	}
	r.exactly("~/.npmrc", 200)
}

// A file that lay beside the guarded one for long, was opened often and is
// called like a backup of it, or was opened seldom.
func TestCredentialsReplacedByOldFile(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	var old []string
	for i := range 100 {
		name := fmt.Sprintf(".npmrc.bak%d", i)
		write(t, r.home+"/"+name)
		old = append(old, name)
	}
	for i := range 100 {
		name := fmt.Sprintf("seldom%d", i)
		write(t, r.home+"/"+name)
		old = append(old, name)
	}
	time.Sleep(ignorableForTest)
	for i := range 100 {
		r.help("opens", "100", "1", old[i]) // hot
		if i%10 == 0 {
			r.sh("cat seldom%d", i)
		}
		if i > 20 {
			break // the rest was never opened
		}
	}
	r.help("replaceold", append([]string{".npmrc"}, old...)...)
	r.exactly("~/.npmrc", len(old))
}

// ignorableForTest is longer than files beside guarded ones are left alone
// before they may be ignored.
const ignorableForTest = 2100 * time.Millisecond

// A file of another name that is hot and old is ignored, which its opener
// feels, until it takes a guarded name.
func TestCredentialsIgnoredSibling(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	write(t, r.home+"/state")
	time.Sleep(ignorableForTest)
	r.help("opens", "200", "1", "state")
	r.until("the ignore mark", func() bool { return strings.Contains(marksOf(t), "ignored_mask:10000") })
	r.sh("mv state .npmrc")
	var st unix.Stat_t
	if err := unix.Stat(r.home+"/.npmrc", &st); err != nil {
		t.Fatal(err)
	}
	r.until("the guard on the new file", func() bool { return markOf(t, st.Ino) == "mask:10000 ignored_mask:0" })
	r.sh("cat .npmrc")
	r.exactly("~/.npmrc", 1)
}

// marksOf returns what the kernel says of this process's fanotify groups.
func marksOf(t *testing.T) string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, fd := range fds {
		if b, err := os.ReadFile("/proc/self/fdinfo/" + fd.Name()); err == nil && strings.Contains(string(b), "fanotify") {
			all.Write(b)
		}
	}
	return all.String()
}

func markOf(t *testing.T, ino uint64) string {
	t.Helper()
	for line := range strings.Lines(marksOf(t)) {
		var i, dev, flags, mask, ignored uint64
		if n, _ := fmt.Sscanf(line, "fanotify ino:%x sdev:%x mflags:%x mask:%x ignored_mask:%x", &i, &dev, &flags, &mask, &ignored); n == 5 && i == ino {
			return fmt.Sprintf("mask:%x ignored_mask:%x", mask, ignored)
		}
	}
	return ""
}

// Who is held while it makes the file is not always asleep when it is looked
// at: it is no reader for that.
func TestCredentialsMadeOften(t *testing.T) {
	t.Parallel()
	r := guardHome(t, newHome(t), nil)
	r.sh("i=0; while [ $i -lt 400 ]; do rm .npmrc; echo x > .npmrc; i=$((i+1)); done")
	r.exactly("~/.npmrc", 0)
}

func TestCredentialsAppearLater(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	if err := os.Remove(home + "/.npmrc"); err != nil {
		t.Fatal(err)
	}
	r := guardHome(t, home, nil)
	r.state("~/.npmrc", wormbell.GuardAbsent)
	r.state("~/.aws/credentials", wormbell.GuardAbsent)
	r.state("~/.aws/sso/cache/*.json", wormbell.GuardAbsent)
	r.state("~/.noise", wormbell.GuardOff)

	r.sh("echo x > .npmrc; cat .npmrc") // the folder is there: the first open is seen
	r.exactly("~/.npmrc", 1)
	r.state("~/.npmrc", wormbell.GuardOn)

	r.sh("mkdir .aws; echo x > .aws/credentials")
	r.state("~/.aws/credentials", wormbell.GuardOn)
	r.sh("cat .aws/credentials")
	r.exactly("~/.aws/credentials", 1)

	r.sh("mkdir -p .aws/sso/cache; echo x > .aws/sso/cache/a.json; echo x > .aws/sso/cache/b.txt")
	r.state("~/.aws/sso/cache/a.json", wormbell.GuardOn)
	r.sh("cat .aws/sso/cache/a.json .aws/sso/cache/b.txt; echo x > .aws/sso/cache/new.json; cat .aws/sso/cache/new.json")
	r.exactly("~/.aws/sso/cache/a.json", 1)
	r.exactly("~/.aws/sso/cache/new.json", 1)
	r.exactly("~/.aws/sso/cache/b.txt", 0)

	// The folder moves away and another one takes its place. What it held is
	// guarded wherever it is.
	r.sh("mv .aws .aws2")
	r.state("~/.aws/credentials", wormbell.GuardAbsent)
	r.sh("cat .aws2/credentials")
	r.exactly("~/.aws/credentials", 2)
	r.sh("mkdir .aws; echo x > .aws/credentials")
	r.state("~/.aws/credentials", wormbell.GuardOn)
	r.sh("cat .aws/credentials; rm -r .aws")
	r.exactly("~/.aws/credentials", 3)
	r.state("~/.aws/credentials", wormbell.GuardAbsent)
}

func TestCredentialsSymlinks(t *testing.T) {
	t.Parallel()
	t.Run("to a file that is replaced", func(t *testing.T) {
		t.Parallel()
		home := newHome(t)
		write(t, home+"/dotfiles/rc")
		os.Remove(home + "/.npmrc")
		if err := os.Symlink("dotfiles/rc", home+"/.npmrc"); err != nil {
			t.Fatal(err)
		}
		r := guardHome(t, home, nil)
		r.state("~/.npmrc", wormbell.GuardOn)
		r.sh("cat .npmrc; cat dotfiles/rc; cat dotfiles/../.npmrc")
		r.exactly("~/.npmrc", 3)
		r.help("replace", "100", r.home+"/dotfiles/rc")
		r.exactly("~/.npmrc", 103)
		// Another target, then none, then a file.
		r.sh("echo x > dotfiles/other; ln -sfn dotfiles/other .npmrc")
		r.until("the new target", func() bool { r.sh("cat .npmrc"); return len(r.reads("~/.npmrc")) > 103 })
		r.sh("rm dotfiles/other")
		r.state("~/.npmrc", wormbell.GuardAbsent)
		n := len(r.reads("~/.npmrc"))
		r.sh("echo x > dotfiles/other; cat dotfiles/other")
		r.exactly("~/.npmrc", n+1)
	})
	t.Run("to a folder", func(t *testing.T) {
		t.Parallel()
		home := newHome(t)
		write(t, home+"/dotfiles/aws/credentials")
		if err := os.Symlink(home+"/dotfiles/aws", home+"/.aws"); err != nil {
			t.Fatal(err)
		}
		r := guardHome(t, home, nil)
		r.state("~/.aws/credentials", wormbell.GuardOn)
		r.sh("cat .aws/credentials; cat dotfiles/aws/credentials")
		r.exactly("~/.aws/credentials", 2)
		r.help("replace", "100", r.home+"/.aws/credentials")
		r.exactly("~/.aws/credentials", 102)
	})
	for name, target := range map[string]string{
		"to a device":        "/dev/zero",
		"to a FIFO":          "fifo",
		"to proc":            "/proc/kmsg",
		"to itself":          ".npmrc",
		"to a folder's root": "/",
		"to another's file":  "other",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			os.Remove(home + "/.npmrc")
			if err := unix.Mkfifo(home+"/fifo", 0o600); err != nil {
				t.Fatal(err)
			}
			write(t, home+"/other")
			if err := os.Chown(home+"/other", 65533, 65533); err != nil {
				t.Skip(err)
			}
			if err := os.Symlink(target, home+"/.npmrc"); err != nil {
				t.Fatal(err)
			}
			r := guardHome(t, home, nil)
			g := r.guard("~/.npmrc")
			if g.State != wormbell.GuardNot || g.Why == "" {
				t.Errorf("listed as %+v", g)
			}
			r.exactly("~/.npmrc", 0) // and the rest works
		})
	}
}

func TestCredentialsFIFO(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	r := guardHome(t, home, nil)
	r.sh("rm .npmrc; mkfifo .npmrc")
	r.state("~/.npmrc", wormbell.GuardNot)
	// It still is what it was: a writer meets its reader and not us.
	if got := r.sh("(sleep 0.1; echo hello > .npmrc) & cat .npmrc; wait"); got != "hello\n" {
		t.Errorf("through the FIFO came %q", got)
	}
}

func TestCredentialsOtherFileSystem(t *testing.T) {
	t.Parallel()
	for kind, local := range map[string]bool{"nfs": false, "nfs4": false, "fuse.sshfs": false, "fuseblk": false, "proc": false, "unknown": false, "autofs": false, "ext4": true, "btrfs": true, "tmpfs": true, "overlay": true} {
		if localFS(kind) != local {
			t.Errorf("localFS(%q) = %t", kind, !local)
		}
	}
}

// The file system of a folder on the way changes while the watcher runs.
func TestCredentialsMounts(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	write(t, home+"/.aws/credentials")
	r := guardHome(t, home, nil)
	r.state("~/.aws/credentials", wormbell.GuardOn)
	if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", home+"/.aws").CombinedOutput(); err != nil {
		t.Skipf("mount: %v: %s", err, out)
	}
	mounted := true
	defer func() {
		if mounted {
			unix.Unmount(home+"/.aws", unix.MNT_DETACH)
		}
	}()
	r.state("~/.aws/credentials", wormbell.GuardAbsent)
	r.sh("echo x > .aws/credentials; cat .aws/credentials")
	r.exactly("~/.aws/credentials", 1)
	r.state("~/.aws/credentials", wormbell.GuardOn)
	r.sh("umount .aws") // nothing of ours keeps it busy
	mounted = false
	r.until("the file below", func() bool { r.sh("cat .aws/credentials"); return len(r.reads("~/.aws/credentials")) > 1 })
}
