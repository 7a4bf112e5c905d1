package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"12 (bash) S 1 12 12 34817 12 4194304 1": "{12 12 12 34817 bash}",
		"12 (a) b) (c) S 1 13 12 34816 14 0":     "{12 13 14 34816 a) b) (c}",
		"12 (x) S 1 12 12 1025 -1 0":             "{12 12 -1 1025 x}",
		"12 (pts) S 1 2 3 1083400 5 0":           fmt.Sprintf("{12 2 5 %d pts}", unix.Mkdev(136, 264)),
		"":                                       "", "12": "", "x (y) S 1 2 3 4 5 6": "", "12 (y) S 1 2 3": "", "12 (y) S 1 x 3 4 5 6": "", ")12(": "", "()": "",
	} {
		p, ok := parseStat(s)
		got := ""
		if ok {
			got = fmt.Sprint(p)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 (bash) S 1 12 12 34817 12 4194304 1")
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := parseStat(s); ok && (!strings.Contains(s, "("+p.name+")") || len(terminalsOf([]process{p})) > 1) {
			t.Errorf("%q: %+v", s, p)
		}
	})
}

func TestTerminalsOf(t *testing.T) {
	t.Parallel()
	pts := func(n uint32) uint64 { return unix.Mkdev(136, n) }
	got := fmt.Sprint(terminalsOf([]process{
		{10, 10, 10, pts(0), "bash"},                             // a shell at its prompt
		{20, 20, 21, pts(1), "zsh"}, {21, 21, 21, pts(1), "vim"}, // a job in front
		{30, 30, 30, pts(2), "bash"}, {31, 30, 30, pts(2), "sleep"}, // a script
		{40, 40, 40, unix.Mkdev(4, 2), "fish"}, // a console
		{50, 50, 50, 0, "daemon"}, {51, 51, 51, unix.Mkdev(4, 64), "getty"}, {52, 52, 52, unix.Mkdev(5, 0), "odd"},
	}))
	want := fmt.Sprint([]terminal{{"/dev/pts/0", pts(0), true}, {"/dev/pts/1", pts(1), false}, {"/dev/pts/2", pts(2), false}, {"/dev/tty2", unix.Mkdev(4, 2), true}})
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"", 1, ""}, {"ab", 1, "…"}} {
		if got := fit(tt.s, tt.n); got != tt.want || !utf8.ValidString(got) {
			t.Errorf("%q in %d columns: %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestBusSockets(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/user/1/bus": "[/run/user/1/bus]", "unix:path=/a%20b,guid=00": "[/a b]", "tcp:host=x;unix:abstract=/tmp/x": "[@/tmp/x]",
		"tcp:host=x": "[]", "unix:path=": "[]", "unix:path=%00x": "[]", "autolaunch:": "[/run/user/" + fmt.Sprint(os.Getuid()) + "/bus]",
	} {
		got, err := busSockets(address)
		if fmt.Sprint(got) != want || (err != nil) != (want == "[]") {
			t.Errorf("%q: %q %v, want %s", address, got, err, want)
		}
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/elsewhere")
	if got, err := busSockets(""); err != nil || fmt.Sprint(got) != "[/elsewhere]" {
		t.Errorf("%q %v", got, err)
	}
}

// TestProcGone: processes that end while they are listed are no error.
func TestProcGone(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	for _, d := range []string{"1", "2", "self", "3"} {
		if err := os.Mkdir(filepath.Join(proc, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(proc, "2", "stat"), []byte("2 (bash) S 1 2 2 34816 2 0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(proc, "3", "stat"), []byte("4 (bash) S 1 2 2 34817 2 0"), 0o644); err != nil { // not its own
		t.Fatal(err)
	}
	got, err := userTerminals(t.Context(), proc)
	if err != nil || len(got) != 1 || got[0].path != "/dev/pts/0" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := userTerminals(t.Context(), filepath.Join(proc, "none")); err == nil {
		t.Error("no error without /proc")
	}
}
