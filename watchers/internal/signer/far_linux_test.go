package signer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFarMountIsNotEntered: whether what is mounted somewhere may be looked at is
// read off the table before the step is taken. A server that is gone would be asked
// by the step itself; here a file system in memory stands for it, of which the table
// says in a later line, under another number, that it is NFS.
func TestFarMountIsNotEntered(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir := filepath.Join(t.TempDir(), "a b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	lay(t, dir+"/in/file", "x")
	if err := os.Symlink(dir+"/in", filepath.Join(filepath.Dir(dir), "link")); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	line := func(kind string) string {
		return fmt.Sprintf("4000000 1 0:999 / %s rw - %s none rw\n", filepath.Dir(dir)+`/a\040b`, kind)
	}
	for _, tc := range []struct {
		what, more string
		slow       bool
	}{
		{"as it is", "", false},
		{"NFS", line("nfs4"), true},
		{"a program's", line("fuse.sshfs"), true},
		{"NFS, and something else above it", line("nfs4") + line("tmpfs"), false},
	} {
		list := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(list, append(table[:len(table):len(table)], tc.more...), 0o644); err != nil {
			t.Fatal(err)
		}
		m := &mounts{root: "/", list: list}
		for _, name := range []string{dir + "/in/file", filepath.Dir(dir) + "/link/file"} {
			at, found, err := m.walk(name)
			if err == nil {
				at.close()
			}
			if errors.Is(err, ErrSlow) != tc.slow || !tc.slow && !found.Regular {
				t.Errorf("%s: %s: %v", tc.what, name, err)
			}
		}
	}
}
