package watchers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/executable"
	"wormbell/watchers/internal/procs"
)

// after is a process that begins to run once whatever was done to files before
// is over for certain.
func after(pid int) *wormbell.Process {
	return &wormbell.Process{PID: pid, Start: time.Now().Add(time.Minute)}
}

// gone is a PID that nothing has.
const gone = 1 << 30

// holds reports whether a row holds for a process.
func holds(l *Lineage, row wormbell.TrustRow, p *wormbell.Process) bool {
	same, _ := l.Unchanged(row, p)
	return same
}

// A row remembers what others than root may write, and of that only what is
// the user's own.
func TestDigest(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	me := os.Getuid()
	write := func(name, text string) string {
		name = filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		return putFile(t, name, text)
	}
	tool, script := write("bin/tool", "a program"), write("bin/x.js", "a script")
	npmrc := write(".npmrc", "//registry.example.com/:_authToken=x")
	big := write("bin/big", "")
	os.Truncate(big, sumLimit+1)
	fifo := filepath.Join(home, "fifo")
	if err := syscall.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(home, "link")
	os.Symlink(script, link)
	aws, names := write(".aws/credentials", "aws_secret_access_key = x"), filepath.Join(home, "bin/names.js")
	if err := os.Link(aws, names); err != nil {
		t.Fatal(err)
	}
	sum := func(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }
	a, b := sha256.Sum256([]byte("a program")), sha256.Sum256([]byte("a script"))
	both := sum(string(a[:]) + string(b[:]))
	for _, tt := range []struct {
		name, who string
		uid       int
		want, err string
	}{
		{"a program", "exe:" + tool, me, sum("a program"), ""},
		{"a script of root's program", "exe:/usr/bin/env script:" + script, me, sum("a script"), ""},
		{"a script behind a link", "exe:/usr/bin/env script:" + link, me, sum("a script"), ""},
		{"a script of a program at home", "exe:" + tool + " script:" + script, me, both, ""},
		{"root's program", "exe:/usr/bin/env", me, "", ""},
		{"what only root can put there", "exe:/usr/bin/there-is-none", me, "", ""},
		{"a signer", "signer:deb:git", me, "", ""},
		{"projects", "project-code", me, "", ""},
		{"what is not there", "exe:" + home + "/none", me, "", "no such file"},
		{"what is not there, nor its folder", "exe:" + home + "/a/b/none", me, "", "no such file"},
		{"somebody else's", "exe:" + tool, 12345, "", "somebody else"},
		{"a credential", "exe:" + npmrc, me, "", "credentials"},
		{"a credential as a script", "exe:/usr/bin/env script:" + npmrc, me, "", "credentials"},
		{"a credential by another name", "exe:/usr/bin/env script:" + names, me, "", "more than one name"},
		{"too big", "exe:" + big, me, "", "too big"},
		{"a pipe", "exe:" + fifo, me, "", "not a regular file"},
		{"a folder", "exe:" + home, me, "", "not a regular file"},
	} {
		got, err := l.Digest(tt.who, tt.uid)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "authToken") {
			t.Errorf("%s: tells what is in it: %v", tt.name, err)
		}
	}
}

// A row holds for as long as its files are the same, also in another place of
// the disk.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	script := putFile(t, filepath.Join(home, "x.js"), "first")
	row := wormbell.TrustRow{Who: "exe:/usr/bin/env script:" + script}
	if row.Digest, err = l.Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	is := func(what string, want bool) {
		t.Helper()
		for range 2 { // the second time from what is remembered
			if same, known := l.Unchanged(row, after(gone)); same != want || !known {
				t.Errorf("%s: same %v, known %v", what, same, known)
			}
		}
	}
	put := func(text string) {
		os.Remove(script)
		putFile(t, script, text)
	}
	is("as it was", true)
	now := time.Now()
	os.WriteFile(script, []byte("other"), 0o755) // as long as the first
	os.Chtimes(script, now, now)
	is("written over", false)
	put("first")
	is("the same in a new file", true)
	if holds(l, row, &wormbell.Process{PID: gone, Start: time.Now().Add(-time.Minute)}) {
		t.Error("it may have been something else when the process began to run it")
	}
	os.Remove(script)
	is("gone", false)
	put("first")
	is("there again", true)
	os.Remove(script)
	syscall.Mkfifo(script, 0o755)
	is("a pipe", false)
	os.Remove(script)
	other := putFile(t, filepath.Join(home, "y.js"), "other")
	os.Symlink(other, script)
	is("a link to another", false)
	row.Digest = ""
	is("a row that remembers nothing", true)
}

// Of a row's name that leads to a credential by now, or to a file of somebody
// else's, nothing is read.
func TestUnchangedReadsNoOther(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	script, npmrc := putFile(t, filepath.Join(home, "x.js"), "first"), putFile(t, filepath.Join(home, ".npmrc"), "x")
	row := wormbell.TrustRow{Who: "exe:/usr/bin/env script:" + script, By: strconv.Itoa(os.Getuid())}
	if row.Digest, err = l.Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	known := func() int {
		l.sums.mu.Lock()
		defer l.sums.mu.Unlock()
		return len(l.sums.known)
	}
	if !holds(l, row, after(gone)) || known() != 1 {
		t.Fatal("the row does not hold")
	}
	os.Remove(script)
	os.Symlink(npmrc, script)
	if holds(l, row, after(gone)) || known() != 1 {
		t.Errorf("a credential: %d sums are known", known())
	}
	os.Remove(script)
	putFile(t, script, "first, in another file")
	row.By = "12345"
	if holds(l, row, after(gone)) || known() != 1 {
		t.Errorf("of a file that is not the row's owner's %d sums are known", known())
	}
}

// A file's time of change is the clock's last tick: what was written that
// shortly before a process began may have been written after it.
func TestUnchangedTicks(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{})
	script := putFile(t, filepath.Join(home, "x.js"), "first")
	row := wormbell.TrustRow{Who: "exe:/usr/bin/env script:" + script}
	if row.Digest, err = l.Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(script, &st); err != nil {
		t.Fatal(err)
	}
	began := func(later time.Duration) *wormbell.Process { // after the file was changed
		up := procs.Uptime()
		return &wormbell.Process{PID: gone, Start: l.boot.Add(up - time.Since(time.Unix(st.Ctim.Unix())) + later)}
	}
	if same, known := l.Unchanged(row, began(5*time.Millisecond)); same || known {
		t.Errorf("it may have been written after the process had begun: same %v, known %v", same, known)
	}
	if !holds(l, row, began(time.Minute)) {
		t.Error("it was written long before")
	}
}

// A process with mounts of its own may see another file by the same name.
func TestUnchangedInOtherMounts(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{})
	script, evil := putFile(t, filepath.Join(home, "x.js"), "first"), putFile(t, filepath.Join(home, "evil.js"), "other")
	row := wormbell.TrustRow{Who: "exe:/usr/bin/sleep script:" + script}
	if row.Digest, err = l.Digest(row.Who, 0); err != nil {
		t.Fatal(err)
	}
	for mount, want := range map[string]bool{"true": true, "mount --bind " + evil + " " + script: false} {
		cmd := exec.Command("unshare", "-m", "sh", "-c", mount+" && echo ready && exec sleep 60")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Skip(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			t.Skipf("no mounts here: %v", err)
		}
		if got := holds(l, row, after(cmd.Process.Pid)); got != want {
			t.Errorf("%s: unchanged %v", mount, got)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// A script runs on when a folder above it has been renamed and another put in
// its place, and nothing of the file tells that.
func TestUnchangedInARenamedFolder(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	bin, aside := filepath.Join(home, "bin"), filepath.Join(home, "aside")
	swap := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	const text = "echo ready; read go\n"
	os.Mkdir(bin, 0o755)
	script := putFile(t, filepath.Join(bin, "x.sh"), text)
	row := wormbell.TrustRow{Who: "exe:" + sh + " script:" + script}
	if row.Digest, err = l.Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	begin(t, script)
	for _, swapped := range []bool{false, true} {
		if swapped {
			swap(bin, aside)
			os.Mkdir(bin, 0o755)
			putFile(t, script, "# other\n"+text)
		}
		cmd := exec.Command(sh, script)
		in, err := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		p := l.At(cmd.Process.Pid)
		if p == nil || p.Script != script {
			t.Fatalf("it is %+v", p)
		}
		if swapped {
			swap(bin, filepath.Join(home, "evil"))
			swap(aside, bin)
		}
		if got := holds(l, row, p); got == swapped {
			t.Errorf("renamed %v: unchanged %v", swapped, got)
		}
		in.Close()
		cmd.Wait()
		if got := holds(l, row, p); got == swapped {
			t.Errorf("renamed %v, and over: unchanged %v", swapped, got)
		}
	}
}

// begin waits until a process that is started from now on begins, by the ticks
// that the kernel counts its start in, after the file was changed.
func begin(t *testing.T, name string) {
	t.Helper()
	eventually(t, "the clock", func() bool {
		var st unix.Stat_t
		return unix.Stat(name, &st) == nil && time.Since(time.Unix(st.Ctim.Unix())) > 30*time.Millisecond
	})
}

// What runs must be the file that is there by its name.
func TestUnchangedProgram(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{})
	tool, copied := filepath.Join(home, "tool"), filepath.Join(home, "copy")
	for _, name := range []string{tool, copied} {
		if err := executable.Copy("/usr/bin/sleep", name); err != nil {
			t.Fatal(err)
		}
	}
	row := wormbell.TrustRow{Who: "exe:" + tool}
	if row.Digest, err = l.Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{tool: true, copied: false} {
		cmd := exec.Command(name, "60")
		begin(t, name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it runs", func() bool {
			exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
			return exe == name
		})
		if same, known := l.Unchanged(row, l.At(cmd.Process.Pid)); same != want || !known {
			t.Errorf("%s: same %v, known %v", name, same, known)
		}
		if same, known := l.Unchanged(row, after(cmd.Process.Pid)); same != want || known != want {
			t.Errorf("%s, of a process that had this PID before: same %v, known %v", name, same, known)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}
