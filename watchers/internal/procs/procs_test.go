package procs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	tail := strings.Repeat(" 1", 25) + " 140720" + " 5 6 7 0"
	got, ok := parseStat([]byte("77 (a ) b(c) S 1 77 70 34819 -1 0 1 2 3 4 5 6 7 8 20 0 12 0 987654" + tail + "\n"))
	want := Stat{Name: "a ) b(c", State: 'S', Parent: 1, Group: 77, Session: 70, TTY: 34819, TTYGroup: -1, Threads: 12, Start: 987654, ArgStart: 140720}
	if d := cmp.Diff(got, want); !ok || d != "" {
		t.Errorf("%v (-got +want):\n%s", ok, d)
	}
	if p := got.TTYPath(); p != "/dev/pts/3" {
		t.Errorf("terminal %q", p)
	}
	for _, bad := range []string{"", "1", "1 (x", "1 (x)", "1 (x) S 1 2", ") S ("} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was taken for a stat", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("77 (a ) b(c) S 1 77 70 34819 -1 0 1 2 3 4 5 6 7 8 20 0 12 0 987654 1 2 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _ := parseStat(b)
		_ = s.TTYPath()
	})
}

func TestEnv(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		env  string
		want Env
	}{
		{"HOME=/x npm_config_//registry.example.com/:_authToken=s NPM_TOKEN=s npm_lifecycle_script=s", Env{Around: "HOME=/x", SecretNames: "npm_config_//registry.example.com/:_authToken\nNPM_TOKEN"}},
		{"npm_lifecycle_event=postinstall npm_package_name=a npm_package_version=1.0.0 npm_package_json=/p/package.json",
			Env{LifecycleEvent: "postinstall", PackageName: "a", PackageVersion: "1.0.0", PackageJSON: "/p/package.json"}},
		{"LD_PRELOAD=/x NODE_OPTIONS=--a=b", Env{Preload: "/x", NodeOptions: "--a=b"}},
		{"NODE_OPTIONS=--require=/x NODE_OPTIONS=", Env{NodeOptions: "", Void: true}}, // getenv(3) finds the first
		{"NODE_OPTIONS=" + strings.Repeat("-", valueMax) + "-r/x", Env{NodeOptions: strings.Repeat("-", valueMax), Void: true}},
		{"NODE_PATH=/b LD_LIBRARY_PATH=/x", Env{LibraryPath: "/x", Around: "LD_LIBRARY_PATH=/x\nNODE_PATH=/b"}},
		{"LD_LIBRARY_PATH=/x NODE_PATH=/b", Env{LibraryPath: "/x", Around: "LD_LIBRARY_PATH=/x\nNODE_PATH=/b"}},
		{"npm_config_dry_run=true", Env{DryRun: true}},
		{"NPM_CONFIG_DRY_RUN=1", Env{DryRun: true}},
		{"npm_config_dry-run=yes", Env{DryRun: true}},
		{"npm_config_dry_run=false", Env{}},
		{"npm_config_dry_run=0", Env{}},
		{"npm_config_dry_run=", Env{}},
		{"npm_config_dry_run=true NPM_CONFIG_DRY_RUN=false", Env{}},
		{"npm_config_dry_run=false NPM_CONFIG_DRY_RUN=true", Env{}},
	} {
		var got Env
		var n [2]int
		for kv := range strings.FieldsSeq(tc.env) {
			got.add([]byte(kv), &n)
		}
		if d := cmp.Diff(got, tc.want); d != "" {
			t.Errorf("%s (-got +want):\n%s", tc.env, d)
		}
	}
}

func TestParseArgs(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(ParseArgs([]byte("a\x00\x00b\x00"), false), []string{"a", "", "b"}); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(ParseArgs([]byte("npm install\x00\x00\x00\x00"), false), []string{"npm install"}); d != "" {
		t.Error(d)
	}
	if got := ParseArgs([]byte(strings.Repeat("x\x00", 500)), false); len(got) != argsMax {
		t.Errorf("%d arguments kept", len(got))
	}
	got := ParseArgs([]byte("sh\x00-c\x00"+strings.Repeat("y", 5000)), true)
	if len(got) != 3 || len(got[2]) != 5000-1024 {
		t.Errorf("of a cut command line %d arguments are left", len(got))
	}
}

// An environment comes in pieces, and what matters may stand anywhere in it.
func TestEnvParser(t *testing.T) {
	t.Parallel()
	long := "X=" + strings.Repeat("y", 1000)
	all := strings.Repeat(long+"\x00", 20) + "NODE_OPTIONS=--require=/x\x00" + strings.Repeat(long+"\x00", 20) + "HOME=/h\x00LD_PRELOAD=/p"
	for _, size := range []int{64, 100, 900, 1 << 20} {
		for _, step := range []int{1, 7, 64, 5000} {
			buf := make([]byte, size)
			var p envParser
			for rest := all; rest != ""; {
				n := copy(buf[p.kept:min(len(buf), p.kept+step)], rest)
				rest = rest[n:]
				p.take(buf, n)
			}
			if d := cmp.Diff(*p.end(buf), Env{NodeOptions: "--require=/x", Preload: "/p", Around: "HOME=/h"}); d != "" {
				t.Errorf("buffer of %d, pieces of %d (-got +want):\n%s", size, step, d)
			}
		}
	}
}
