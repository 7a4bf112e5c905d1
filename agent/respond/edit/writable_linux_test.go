package edit

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWritablePinned sees that what pins a file to its name is told: a mount that
// is read-only, one of the file by itself, and the marks that chattr(1) sets, of
// which no mode tells.
func TestWritablePinned(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, c := range []struct {
		name, why string
		pin       func(t *testing.T, dir, path string)
	}{
		{"the file is immutable", "immutable", func(t *testing.T, _, path string) { mark(t, path, fsImmutable) }},
		{"the folder is immutable", "immutable", func(t *testing.T, dir, _ string) { mark(t, dir, fsImmutable) }},
		{"the folder is append-only", "append-only", func(t *testing.T, dir, _ string) { mark(t, dir, fsAppend) }},
		{"the file is a mount", "mounted by itself", func(t *testing.T, dir, path string) {
			other := put(t, t.TempDir(), "rc")
			bind(t, other, path, 0)
		}},
		{"a read-only mount", "read-only file system", func(t *testing.T, dir, _ string) { bind(t, dir, dir, unix.MS_RDONLY) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := put(t, dir, "rc")
			c.pin(t, dir, path)
			before := allIn(t, dir)
			for how, err := range map[string]error{"look": Writable(path), "rehearsal": Rehearse(path)} {
				if !errors.Is(err, ErrUnwritable) || !strings.Contains(err.Error(), c.why) {
					t.Errorf("%s: %v, want %q", how, err, c.why)
				}
			}
			if now := allIn(t, dir); now != before {
				t.Errorf("left behind: %s, before %s", now, before)
			}
			err := Apply(path, func([]byte) ([]Change, error) {
				return []Change{{Span: Span{6, 9}, Old: "old", New: "new"}}, nil
			})
			if err == nil {
				t.Error("Apply did it all the same")
			}
		})
	}
}

const fsImmutable, fsAppend = 0x10, 0x20 // FS_IMMUTABLE_FL and FS_APPEND_FL of linux/fs.h

// mark sets a flag of chattr(1) until the test ends, or skips where the file
// system has none.
func mark(t *testing.T, path string, flag uint32) {
	t.Helper()
	set := func(on bool) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		now, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		if now |= flag; !on {
			now &^= flag
		}
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(now))
	}
	if err := set(true); err != nil {
		t.Skipf("this file system has no such marks: %v", err)
	}
	t.Cleanup(func() { set(false) })
}

func bind(t *testing.T, from, to string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(to, unix.MNT_DETACH) })
	if flags != 0 {
		if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""); err != nil {
			t.Skipf("nothing can be mounted read-only here: %v", err)
		}
	}
}
