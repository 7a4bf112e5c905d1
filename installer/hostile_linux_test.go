package installer

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestVaults: a home is its owner's to fill; root is led nowhere by it.
func TestVaults(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: homes of several users")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret.json")
	two := []byte(`{"version":1,"items":[{},{}]}`)
	if err := os.WriteFile(secret, two, 0o600); err != nil {
		t.Fatal(err)
	}
	var passwd strings.Builder
	uid := 4000
	for name, fill := range map[string]func(state string) error{
		"none": func(string) error { return nil },
		"two":  func(state string) error { return os.WriteFile(filepath.Join(state, "vault.json"), two, 0o600) },
		"empty": func(state string) error {
			return os.WriteFile(filepath.Join(state, "vault.json"), []byte(`{"version":1,"items":[]}`), 0o600)
		},
		"bad": func(state string) error {
			return os.WriteFile(filepath.Join(state, "vault.json"), []byte(`{"ver`), 0o600)
		},
		"link": func(state string) error { return os.Symlink(secret, filepath.Join(state, "vault.json")) },
		"long": func(state string) error {
			return os.WriteFile(filepath.Join(state, "vault.json"), append(two, make([]byte, maxVault)...), 0o600)
		},
		"no folder": func(state string) error {
			return errors.Join(os.Remove(state), os.WriteFile(state, two, 0o600))
		},
		"home is a pipe": func(state string) error {
			home := filepath.Dir(filepath.Dir(filepath.Dir(state)))
			return errors.Join(os.RemoveAll(home), syscall.Mkfifo(home, 0o600))
		},
		"pipe": func(state string) error { return syscall.Mkfifo(filepath.Join(state, "vault.json"), 0o600) },
		"elsewhere": func(state string) error {
			return os.Rename(state, filepath.Join(dir, "outside"))
		},
	} {
		uid++
		home := filepath.Join(dir, name)
		state := filepath.Join(home, ".local/state/wormbell")
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := fill(state); err != nil {
			t.Fatal(err)
		}
		if name == "elsewhere" {
			os.WriteFile(filepath.Join(dir, "outside/vault.json"), two, 0o600)
			os.Symlink(filepath.Join(dir, "outside"), state)
		}
		if err := filepath.WalkDir(home, func(p string, _ os.DirEntry, err error) error { return os.Lchown(p, uid, uid) }); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&passwd, "%s:x:%d:%d::%s:/bin/sh\n", name, uid, uid, home)
	}
	fmt.Fprintf(&passwd, "daemon:x:1:1::%s:/bin/sh\nbroken line\n", filepath.Join(dir, "two"))
	list := filepath.Join(dir, "passwd")
	if err := os.WriteFile(list, []byte(passwd.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	ended := make(chan map[string]string)
	go func() {
		defer close(ended)
		got, err := vaults(t.Context(), list)
		if err != nil {
			t.Error(err)
			return
		}
		all := map[string]string{}
		for _, v := range got {
			all[v.User] = fmt.Sprint(v.Tokens, " ", v.Broken)
			if v.File != filepath.Join(dir, v.User, ".local/state/wormbell/vault.json") {
				t.Errorf("%s's list is said to be %q", v.User, v.File)
			}
		}
		ended <- all
	}()
	select {
	case got := <-ended:
		// Of one that cannot be read it is not said that it is empty.
		if d := cmp.Diff(got, map[string]string{"two": "2 <nil>", "bad": "0 it is no list of a vault: unexpected end of JSON input", "link": "0 path escapes from parent",
			"elsewhere": "0 path escapes from parent", "long": "0 it is longer than 1 MB", "home is a pipe": "0 its disk does not answer"}); d != "" {
			t.Errorf("(-got +want):\n%s", d)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for a pipe")
	}
}

func TestDebOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"wormbell.list":            "/.\n/usr\n/usr/bin/wormbelld\n/usr/bin/wormbell\n",
		"wormbell-tray:amd64.list": "/usr/bin/wormbell-tray\n",
		"other.list":               "/usr/bin/other\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{"/usr/bin/wormbelld": "deb:wormbell", "/usr/bin/wormbell-tray": "deb:wormbell-tray", "/usr/bin": "", "/usr/bin/other": "", "/usr/local/bin/wormbelld": ""} {
		if got, err := debOwner(dir, path); got != want || err != nil {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
}

func TestBrought(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"share/man/man1/wormbell.1":                         "page",
		"share/man/man1/ls.1":                               "not ours",
		"share/applications/org.wormbell.Dashboard.desktop": "Exec=/usr/bin/wormbell dashboard\n",
		"share/icons/hicolor/scalable/apps/wormbell.svg":    "<svg/>",
		"share/icons/hicolor/scalable/apps/other.svg":       "<svg/>",
		"share/bash-completion/completions/wormbell":        "made by us",
		"bin/wormbell": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Brought(filepath.Join(dir, "bin"), "/opt/w/bin")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = string(f.Data)
	}
	want := map[string]string{"man/man1/wormbell.1": "page", "applications/org.wormbell.Dashboard.desktop": "Exec=/opt/w/bin/wormbell dashboard\n", "icons/hicolor/scalable/apps/wormbell.svg": "<svg/>"}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	// Root is not led to somebody else's file.
	page := filepath.Join(dir, "share/man/man1/wormbell.1")
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/shadow", page); err != nil {
		t.Fatal(err)
	}
	if _, err := Brought(filepath.Join(dir, "bin"), "/opt/w/bin"); err == nil {
		t.Error("a symbolic link was followed")
	}
}

// TestToolWithoutEnd: what a user's programs write does not fill root's memory.
func TestToolWithoutEnd(t *testing.T) {
	t.Parallel()
	out, err := tool(t.Context(), "head", "-c", "20000000", "/dev/zero")
	if err == nil || len(out) > maxOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if out, err := tool(t.Context(), "head", "-c", "1000000", "/dev/zero"); err != nil || len(out) != 1000000 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// TestAsLeavesTheTerminal: a program that runs as another user has no terminal of
// ours. Whoever has taken it over could else type into root's shell (TIOCSTI,
// ioctl_tty(2)).
func TestAsLeavesTheTerminal(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it becomes another user")
	}
	do, err := as(&user.User{Uid: "65534", Gid: "65534", Username: "nobody", HomeDir: "/nonexistent"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := do(t.Context(), "cat", "/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	// pid (comm) state ppid pgrp session …, proc_pid_stat(5)
	f := strings.Fields(out)
	if len(f) < 7 || f[5] != f[0] {
		t.Errorf("it is in our session, and so has our terminal: %s", out)
	}
}
