package procs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseMapped(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Mapped{
		"7f0-7f1 r-xp 00028000 fe:00 1234                       /usr/lib/x86_64-linux-gnu/libc.so.6": {"/usr/lib/x86_64-linux-gnu/libc.so.6", 1234, false},
		"7f0-7f1 r-xp 00028000 fe:00 12                       /home/me/a b (deleted)":                {"/home/me/a b", 12, true},
		"7f0-7f1 r-xs 00000000 00:01 7                        /memfd:x (deleted)":                    {"/memfd:x", 7, true},
		"7f0-7f1 r--p 00028000 fe:00 1234                       /usr/lib/libc.so.6":                  {},
		"7f0-7f1 r-xp 00000000 00:00 0                          [vdso]":                              {},
		"7f0-7f1 rwxp 00000000 00:00 0 ":                                                             {},
		"":                                                                                           {},
		"x":                                                                                          {},
	} {
		if m, ok := parseMapped(line); m != want && ok || ok != (want.Path != "") {
			t.Errorf("%q: %+v %v", line, m, ok)
		}
	}
}

func TestCodeOfOurselves(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lib")
	if err := os.WriteFile(name, make([]byte, 4096), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		t.Skip("no code may be mapped from there: ", err)
	}
	defer unix.Munmap(b)
	code, err := NewMaps().Code(os.Getpid())
	found := false
	for _, m := range code {
		found = found || m.Path == name && m.Ino != 0 && !m.Deleted
	}
	if err != nil || !found {
		t.Errorf("%v, %v", code, err)
	}
}

// TestCodeGivesUp: processes that do not let us look take no more than their share.
func TestCodeGivesUp(t *testing.T) {
	t.Parallel()
	m := NewMaps()
	for range hungMax {
		m.busy <- struct{}{}
	}
	if _, err := m.Code(os.Getpid()); err != ErrStalled {
		t.Errorf("%v", err)
	}
}
