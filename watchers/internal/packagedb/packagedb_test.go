package packagedb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// owned compares what an index says with lines of "path label", "-" for none.
func owned(t *testing.T, x *Index, table string) {
	t.Helper()
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		if got := x.Owner(f[0]); got != strings.TrimPrefix(f[1], "-") {
			t.Errorf("%s belongs to %q, not to %q", f[0], got, f[1])
		}
	}
}

func sound(t *testing.T, x *Index) {
	t.Helper()
	if p := x.Problems(); len(p) != 0 {
		t.Errorf("problems: %q", p)
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	x := Read(t.TempDir())
	sound(t, x)
	if got := x.Owner("/usr/bin/cat"); got != "" {
		t.Errorf("%q", got)
	}
	if x.Refresh() != x {
		t.Error("nothing was read twice")
	}
}

func TestDpkg(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	info := filepath.Join(root, dpkgInfo)
	put(t, filepath.Join(info, "felines.list"), "/.\n/bin\n/bin/cat\n/usr\n/usr/bin/lion\n/usr/share/doc/felines/x\n/usr/share/felines/run\n/usr/share/felines/run.py\n")
	put(t, filepath.Join(info, "libtiger2:amd64.list"), "/sbin/tiger\n/lib/x86_64-linux-gnu/tiger-helper\n")
	put(t, filepath.Join(info, "libtiger2:i386.list"), "/usr/lib/i386-linux-gnu/tiger-helper\n")
	put(t, filepath.Join(info, "felines.md5sums"), "0 /usr/bin/no\n")
	put(t, filepath.Join(info, "other.list"), "/usr/bin/cat\n/usr/bin/local\n")
	put(t, filepath.Join(root, dpkgDiversions), "/usr/bin/cat\n/usr/bin/cat.real\nfelines\n/usr/bin/local\n/usr/bin/local.distrib\n:\n")
	for link, to := range map[string]string{"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "/usr/lib"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Skip("no symlinks here: ", err)
		}
	}
	x := Read(root)
	sound(t, x)
	owned(t, x, `
		/usr/bin/cat deb:felines
		/usr/bin/cat.real deb:other
		/usr/bin/local -
		/usr/bin/local.distrib deb:other
		/usr/bin/lion deb:felines
		/usr/share/felines/run deb:felines
		/usr/share/felines/run.py -
		/usr/sbin/tiger deb:libtiger2
		/usr/lib/x86_64-linux-gnu/tiger-helper deb:libtiger2
		/usr/lib/i386-linux-gnu/tiger-helper deb:libtiger2
		/usr/bin/no -
		/usr/bin -`)
	if x.Refresh() != x {
		t.Error("what has not changed was read again")
	}
	// An upgrade: another package takes the file over.
	os.Remove(filepath.Join(info, "felines.list"))
	put(t, filepath.Join(info, "cats.list"), "/usr/bin/lion\n")
	x = x.Refresh()
	owned(t, x, "/usr/bin/lion deb:cats")
}

// TestSeparateFolders: where /bin is a folder of its own its files are not those of /usr/bin.
func TestSeparateFolders(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, filepath.Join(root, dpkgInfo, "felines.list"), "/bin/cat\n/sbin/lion\n")
	put(t, filepath.Join(root, "bin/x"), "")
	owned(t, Read(root), "/bin/cat deb:felines\n/usr/bin/cat -\n/sbin/lion deb:felines\n/usr/sbin/lion -")
}

func TestThisMachinesDpkg(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("dpkg-query", "-S", "coreutils").Output()
	if err != nil || len(out) == 0 {
		t.Skip("this machine has no dpkg")
	}
	x := Read("/")
	sound(t, x)
	for _, file := range []string{"/usr/bin/env", "/usr/bin/dpkg", "/usr/bin/perl"} {
		resolved, err := filepath.EvalSymlinks(file)
		if err != nil {
			continue
		}
		out, err := exec.Command("dpkg-query", "-S", resolved).Output()
		if err != nil { // it may know it as /bin/env
			out, err = exec.Command("dpkg-query", "-S", strings.TrimPrefix(resolved, "/usr")).Output()
		}
		if err != nil {
			continue
		}
		name, _, _ := strings.Cut(string(out), ":")
		if got := x.Owner(resolved); got != "deb:"+name {
			t.Errorf("%s belongs to %q, dpkg says %q", resolved, got, name)
		}
	}
}

func TestPacman(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	local := filepath.Join(root, pacmanLocal)
	put(t, filepath.Join(local, "ALPM_DB_VERSION"), "9\n")
	put(t, filepath.Join(local, "felines-git-1:2.0.r3-4/files"), "%FILES%\nusr/\nusr/bin/\nusr/bin/cat\nusr/lib/felines/helper\n\n%BACKUP%\nusr/bin/backup\t0\n")
	put(t, filepath.Join(local, "meta-1-1/desc"), "%NAME%\nmeta\n")
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Symlink("bin", filepath.Join(root, "usr/sbin"))
	os.Symlink("usr/sbin", filepath.Join(root, "sbin"))
	put(t, filepath.Join(local, "canines-1-1/files"), "%FILES%\nsbin/dog\nusr/sbin/wolf\n")
	x := Read(root)
	sound(t, x)
	owned(t, x, `
		/usr/bin/cat pacman:felines-git
		/usr/lib/felines/helper pacman:felines-git
		/usr/bin/backup -
		/usr/bin/dog pacman:canines
		/usr/bin/wolf pacman:canines`)
}

func TestPacmanItself(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("pacman"); err != nil {
		t.Skip("there is no pacman")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, as pacman does")
	}
	root := t.TempDir()
	put(t, filepath.Join(root, "pkg/.PKGINFO"), "pkgname = felines\npkgbase = felines\npkgver = 1.0-1\npkgdesc = x\nsize = 1\narch = any\n")
	put(t, filepath.Join(root, "pkg/usr/bin/lion"), "x")
	if out, err := exec.Command("tar", "-C", filepath.Join(root, "pkg"), "-cf", filepath.Join(root, "felines-1.0-1-any.pkg.tar"), ".PKGINFO", "usr").CombinedOutput(); err != nil {
		t.Skipf("no package: %s", out)
	}
	put(t, filepath.Join(root, "conf"), "[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n")
	db := filepath.Join(root, "var/lib/pacman")
	os.MkdirAll(db, 0o755)
	out, err := exec.Command("pacman", "--noconfirm", "--config", filepath.Join(root, "conf"), "--root", root, "--dbpath", db,
		"--cachedir", filepath.Join(root, "cache"), "--logfile", filepath.Join(root, "log"), "-U", filepath.Join(root, "felines-1.0-1-any.pkg.tar")).CombinedOutput()
	if err != nil {
		t.Skipf("pacman does not work here: %v\n%s", err, out)
	}
	x := Read(root)
	sound(t, x)
	owned(t, x, "/usr/bin/lion pacman:felines")
}

func TestApk(t *testing.T) {
	t.Parallel()
	for _, name := range apkInstalled {
		root := t.TempDir()
		put(t, filepath.Join(root, name), "C:Q1x=\nP:busybox\nV:1-r0\nF:bin\nM:0:0:755\nR:busybox\na:0:0:755\nF:usr/lib/box\nR:helper\n\nP:node\nF:usr/bin\nR:node\n")
		x := Read(root)
		sound(t, x)
		owned(t, x, "/bin/busybox apk:busybox\n/usr/lib/box/helper apk:busybox\n/usr/bin/node apk:node")
	}
}

// TestBroken: a database that cannot be read is told, costs no more than its
// own names, and keeps what it said before.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, good, bad, says string }{
		{"a list that is a folder", dpkgInfo + "/x.list", "/usr/bin/cat\n", "", "dpkg"},
		{"diversions that are not three lines each", dpkgDiversions, "/a\n/b\nc\n", "/a\n", "three for each"},
		{"an rpm database that is none", "/usr/lib/sysimage/rpm/rpmdb.sqlite", "", "hello", "rpmdb.sqlite"},
		{"one of an old rpm", "/var/lib/rpm/Packages", "", strings.Repeat("\x00", 4096), "Berkeley DB"},
		{"an ndb that is none", "/usr/lib/sysimage/rpm/Packages.db", "", strings.Repeat("x", 64), "Packages.db"},
		{"a text of apk that ends early", apkInstalled[0], "P:x\nF:bin\nR:cat\n\n", "P:x\nF:bin\nR:c", "within a line"},
		{"a text of apk without names", apkInstalled[0], "", "F:bin\nR:cat\n", "without a name"},
	} {
		root := t.TempDir()
		os.MkdirAll(filepath.Join(root, dpkgInfo), 0o755)
		put(t, filepath.Join(root, pacmanLocal, "ok-1-1/files"), "%FILES%\nusr/bin/ok\n")
		name := filepath.Join(root, tc.file)
		before := (*Index)(nil)
		if tc.good != "" {
			put(t, name, tc.good)
			before = Read(root)
			sound(t, before)
			os.Remove(name)
		}
		if tc.bad == "" {
			os.MkdirAll(name, 0o755)
		} else {
			put(t, name, tc.bad)
		}
		x := Read(root)
		if before != nil {
			if x = before.Refresh(); before.Owner("/usr/bin/cat") != x.Owner("/usr/bin/cat") || before.Owner("/bin/cat") != x.Owner("/bin/cat") {
				t.Errorf("%s: what was known before is lost", tc.name)
			}
		}
		if p := strings.Join(x.Problems(), "\n"); !strings.Contains(p, tc.says) {
			t.Errorf("%s: told as %q", tc.name, p)
		}
		owned(t, x, "/usr/bin/ok pacman:ok")
	}
}

func TestManyPackages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var b bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&b, "P:p%d\nF:usr/bin\nR:prog%d\n\n", i, i)
	}
	put(t, filepath.Join(root, apkInstalled[0]), b.String())
	x := Read(root)
	sound(t, x)
	for i := range 3000 {
		owned(t, x, fmt.Sprintf("/usr/bin/prog%d apk:p%d", i, i))
	}
}

func FuzzApk(f *testing.F) {
	f.Add([]byte("P:busybox\nF:bin\nR:busybox\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		root := t.TempDir()
		put(t, filepath.Join(root, apkInstalled[0]), string(b))
		Read(root).Owner("/bin/busybox")
	})
}
