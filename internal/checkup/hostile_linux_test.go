package checkup_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/internal/checkup"
)

// TestHostile: pipes, devices, loops and links that lead out hold nothing up, and
// nothing of what they lead to is read.
func TestHostile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	d := &decoys{rng: newRand()}
	outside := filepath.Join(m.root, "outside")
	secret := d.summed("npm_")
	for name, text := range map[string]string{"rc": "//registry.example.com/:_authToken=" + secret + "\n", "history": "export NPM_TOKEN=" + secret + "\n", "app/auto.js": kit, "app/package.json": "{}", "token": "x", "handler": "x"} {
		p := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pipe := func(p string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(m.path(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(m.path(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, p string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(m.path(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, m.path(p)); err != nil {
			t.Fatal(err)
		}
	}
	// Every kind of file that is read, as what nobody can read to its end.
	for _, p := range []string{"~/.bashrc", "~/.python_history", "~/.npm/_logs/a-debug-0.log", "~/work/p/.npmrc", "~/work/p/.env", "~/work/p/index.js", "~/work/p/.github/workflows/x.yml",
		"~/work/p/node_modules/.package-lock.json", "~/.vault-token", "~/.config/pnpm/config.yaml", "/tmp/inventory.txt"} {
		pipe(p)
	}
	m.write("~/work/p/package.json", "{}")
	link("/dev/zero", "~/.zshrc")
	link("/dev/tty", "~/.netrc")
	// Out of the home, and round in circles.
	link(outside+"/rc", "~/.npmrc")
	link("../../outside/history", "~/.bash_history")
	link(outside+"/app", "~/work/app")
	link(outside, "~/.config/some-monitor")
	link("..", "~/work/up")
	link("loop-b", "~/work/loop-a")
	link("loop-a", "~/work/loop-b")
	link("/", "~/slash")
	m.write("~/dotfiles/zsh_history", ": 1732220000:0;export NPM_TOKEN="+d.summed("npm_")+"\n")
	link(m.home+"/dotfiles/zsh_history", "~/.zsh_history") // absolute, and in the home
	// Huge, and deep.
	if err := os.Truncate(m.big("~/.node_repl_history"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(m.big("~/work/p/.npmrc.json"), 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(m.big("~/.yarnrc.yml"), 1<<40); err != nil {
		t.Fatal(err)
	}
	deep := m.path("~/deep") + strings.Repeat("/d", 200)
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	m.write("~/"+"deep"+strings.Repeat("/d", 100)+"/package.json", "{}")
	m.write("~/work/q/package.json", strings.Repeat("[", 1<<19))
	m.write("~/work/q/node_modules/a/package.json", strings.Repeat(`{"a":`, 1<<17))
	m.write("~/work/q/pnpm-workspace.yaml", "a: &a [x]\nb: *b\n\t: {")
	// Names that a terminal would act on.
	m.write("~/work/\x1b[2J\u202e/tea/auto.js", kit)
	m.write("~/work/\x1b[2J\u202e/tea/package.json", "{}")

	began := time.Now()
	r := m.run()
	if took := time.Since(began); took > checkup.DefaultWithin {
		t.Errorf("it took %v", took)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if leaks := d.leaks(text); len(leaks) > 0 {
		t.Errorf("the report holds secrets: %q", leaks)
	}
	for _, never := range []string{"token ~/.npmrc", "history ~/.bash_history", "kit ~/work/app/", "dead-man "} {
		for _, level := range []checkup.Level{checkup.Sign, checkup.Risk, checkup.Note} {
			if has(found(r, level), never) {
				t.Errorf("it followed a link out of the home: %q", found(r, level))
			}
		}
	}
	if !has(found(r, checkup.Risk), "history ~/.zsh_history, line 1") {
		t.Error("an absolute link within the home was not followed")
	}
	if signs := found(r, checkup.Sign); len(signs) != 1 || !has(signs, `kit ~/work/\x1b[2J\u202e/tea/auto.js`) {
		t.Errorf("the signs are %q", signs)
	}
	for _, want := range []string{"~/.npmrc: a link leads out of the home", "~/.bash_history: a link leads out of the home", "~/.bashrc: it is not a regular file", "~/work/p/node_modules/.package-lock.json: it is not a regular file",
		"~/.node_repl_history: its first", "~/.yarnrc.yml: it is larger"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		b, _ := json.MarshalIndent(r, "", " ")
		t.Logf("%s", b)
	}
}

// big makes an empty file and returns where it is.
func (m *machine) big(p string) string {
	m.write(p, "")
	return m.path(p)
}

// TestUnreadable: what may not be read is said, and the rest is looked at.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("needs somebody who is not root: root may read everything")
	}
	m := newMachine(t)
	m.write("~/.bash_history", "x")
	m.write("~/work/secret/package.json", "{}")
	for _, p := range []string{"~/.bash_history", "~/work/secret"} {
		if err := os.Chmod(m.path(p), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(m.path(p), 0o700) })
	}
	b, _ := json.Marshal(m.run())
	for _, want := range []string{"~/.bash_history: permission denied", "~/work/secret: permission denied"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("it does not say %q: %s", want, b)
		}
	}
}

// TestFuse: a file system that never answers is left alone where the system
// tells of it, and otherwise costs no more than the time.
func TestFuse(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("told %v", told), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.write("~/farm/auto.js", kit)
			m.write("~/farm/package.json", "{}")
			m.write("~/mnt/x", "")
			os.Remove(m.path("~/mnt/x"))
			at := silent(t, m.path("~/mnt"))
			if told {
				m.write("/proc/self/mountinfo", fmt.Sprintf("36 35 0:50 / %s rw,relatime - fuse.sshfs host rw\n", at))
			}
			m.config.Within = 3 * time.Second
			began := time.Now()
			r, err := checkup.Run(t.Context(), m.config)
			if took := time.Since(began); took > 20*time.Second { // far beyond what it may take, and before the test's own end
				t.Errorf("it took %v", took)
			}
			switch {
			case told && (err != nil || !has(found(r, checkup.Sign), "kit ~/farm/auto.js")):
				t.Errorf("beside the mount it saw %v, %v", found(r, checkup.Sign), err)
			case told:
				b, _ := json.Marshal(r)
				if !strings.Contains(string(b), "~/mnt: it lies on a file system that may never answer") {
					t.Errorf("it does not say what it left out: %s", b)
				}
			case err == nil || r.State != checkup.Cannot:
				t.Errorf("it says %q, %v", r.Verdict, err)
			}
		})
	}
}

// silent mounts a file system in user space that answers nobody, and returns
// where.
func silent(t *testing.T, dir string) string {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no file systems in user space here: %v", err)
	}
	if err := unix.Mount("fuse", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		unix.Close(fd)
		t.Skipf("no file systems in user space here: %v", err)
	}
	t.Cleanup(func() {
		unix.Close(fd) // everybody who waits gets an error
		unix.Unmount(dir, unix.MNT_FORCE)
		unix.Unmount(dir, unix.MNT_DETACH)
	})
	return dir
}
