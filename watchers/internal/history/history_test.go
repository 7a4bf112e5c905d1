package history

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
)

func at(n int64) time.Time { return time.Unix(n, 0).UTC() }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format Format
		in     string
		want   []Entry
	}{
		{"bash plain", Bash, "ls -la\ncd /tmp\n", []Entry{{Line: "ls -la"}, {Line: "cd /tmp"}}},
		{"bash stamped", Bash, "#1700000000\nls\n#1700000001\npwd\n", []Entry{{"ls", at(1700000000)}, {"pwd", at(1700000001)}}},
		{"bash mixed", Bash, "ls\n#1700000001\npwd\n", []Entry{{Line: "ls"}, {"pwd", at(1700000001)}}},
		{"bash lithist", Bash, "#1700000000\nfor i in 1 2\ndo\n\n  echo $i\ndone\n#1700000001\nls\n", []Entry{{"for i in 1 2\ndo\n\n  echo $i\ndone", at(1700000000)}, {"ls", at(1700000001)}}},
		{"bash comment", Bash, "# 1700000000\n#1700000000x\nls #1\n", []Entry{{Line: "# 1700000000"}, {Line: "#1700000000x"}, {Line: "ls #1"}}},
		{"bash empty lines", Bash, "\n\nls\n   \n", []Entry{{Line: "ls"}}},
		{"bash stamp of nobody", Bash, "#0\nls\n#99999999999999999999\npwd\n", []Entry{{Line: "ls"}, {Line: "pwd"}}},
		{"bash unfinished", Bash, "ls\nnpm pub", []Entry{{Line: "ls"}}},
		{"bash stamp alone", Bash, "ls\n#1700000000\n", []Entry{{Line: "ls"}}},
		{"zsh plain", Zsh, "ls\necho \\\nb\n", []Entry{{Line: "ls"}, {Line: "echo \nb"}}},
		{"zsh extended", Zsh, ": 1700000000:0;ls\n: 1700000001:12;echo a\\\nb\n", []Entry{{"ls", at(1700000000)}, {"echo a\nb", at(1700000001)}}},
		{"zsh wide", Zsh, ":  1700000000:0;ls\n", []Entry{{"ls", at(1700000000)}}},
		{"zsh no time", Zsh, ": foo:bar;baz\n: 1:x;y\n: 12;z\n\\: 1:2;z\n", []Entry{{Line: ": foo:bar;baz"}, {Line: ": 1:x;y"}, {Line: ": 12;z"}, {Line: ": 1:2;z"}}},
		{"zsh trailing backslash", Zsh, "trail\\ \ntrail\\  \nblank \n", []Entry{{Line: "trail\\"}, {Line: "trail\\ "}, {Line: "blank "}}},
		{"zsh metafied a", Zsh, "echo \xe3\x82\x83\x82\n", []Entry{{Line: "echo ア"}}},
		{"zsh metafied tsu", Zsh, "echo \xe3\x83\xa3\x83\xa3\n", []Entry{{Line: "echo ッ"}}},
		{"zsh metafied at the end", Zsh, "echo \x83\n", []Entry{{Line: "echo \uFFFD"}}},
		{"zsh unfinished", Zsh, "ls\necho a\\\n", []Entry{{Line: "ls"}}},
		{"fish", Fish, "- cmd: ls\n  when: 1700000000\n- cmd: cat a\\nb \\\\n c\n  when: 1700000001\n  paths:\n    - a\n    - b\n- cmd: pwd\n  when: 1700000002\n", []Entry{{"ls", at(1700000000)}, {"cat a\nb \\n c", at(1700000001)}, {"pwd", at(1700000002)}}},
		{"fish, a colon", Fish, "- cmd: echo \"a: b\" # - cmd: x\n  when: 1700000000\n", []Entry{{`echo "a: b" # - cmd: x`, at(1700000000)}}},
		{"fish without a time", Fish, "- cmd: ls\n- cmd: pwd\n  when: 1700000002\n", []Entry{{Line: "ls"}, {"pwd", at(1700000002)}}},
		{"fish unfinished", Fish, "- cmd: ls\n  when: 1700000000\n- cmd: pwd\n", []Entry{{"ls", at(1700000000)}}},
		{"fish other escapes", Fish, "- cmd: a\\tb\\\n  when: 1700000000\n", []Entry{{`a\tb\`, at(1700000000)}}},
		{"powershell", PSReadLine, "ls\r\nforeach ($i in 1) {`\r\n  $i`\r\n}\r\n", []Entry{{Line: "ls"}, {Line: "foreach ($i in 1) {\n  $i\n}"}}},
		{"powershell unix", PSReadLine, "ls\na`\nb\nc`\n", []Entry{{Line: "ls"}, {Line: "a\nb"}}},
		{"not UTF-8", Bash, "a\xff\xfeb\nc\x00d\n", []Entry{{Line: "a\uFFFDb"}, {Line: "c\uFFFDd"}}},
		{"nothing", Bash, "", nil},
		{"nothing", Zsh, "", nil},
		{"nothing", Fish, "", nil},
		{"nothing", PSReadLine, "", nil},
	} {
		if d := cmp.Diff(Parse(c.format, []byte(c.in)), c.want); d != "" {
			t.Errorf("%s: (-got +want)\n%s", c.name, d)
		}
		// In pieces of one byte it says the same.
		var got []Entry
		tell := func(e Entry) { got = append(got, e) }
		p := NewParser(c.format)
		for i := range len(c.in) {
			p.Feed([]byte(c.in[i:i+1]), tell)
		}
		p.Flush(tell)
		if d := cmp.Diff(got, c.want); d != "" {
			t.Errorf("%s, byte by byte: (-got +want)\n%s", c.name, d)
		}
	}
}

// TestResume: a file that grows is read from where the parser had settled, and
// each command is told once.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format Format
		parts  []string
		want   [][]string
	}{
		{"bash", Bash, []string{"ls\npw", "d\n", "id\n"}, [][]string{{"ls"}, {"pwd"}, {"id"}}},
		{"bash stamped", Bash, []string{"#1700000000\nls\n#17000", "00001\n", "pwd\n", "#1700000002\nid\n"}, [][]string{{"ls"}, nil, {"pwd"}, {"id"}}},
		{"zsh", Zsh, []string{"ls\necho \\\n", "b", "\n"}, [][]string{{"ls"}, nil, {"echo \nb"}}},
		{"fish", Fish, []string{"- cmd: ls\n", "  when: 1700000000\n", "  paths:\n    - a\n", "- cmd: id\n  when: 1700000000\n"}, [][]string{nil, {"ls"}, nil, {"id"}}},
		{"powershell", PSReadLine, []string{"ls\r\na`\r\n", "b\r", "\n"}, [][]string{{"ls"}, nil, {"a\nb"}}},
	} {
		p, whole := NewParser(c.format), ""
		for i, part := range c.parts {
			whole += part
			var got []string
			tell := func(e Entry) { got = append(got, e.Line) }
			p = p.Resume()
			p.Feed([]byte(whole[p.Settled():]), tell)
			p.Flush(tell)
			if d := cmp.Diff(got, c.want[i]); d != "" {
				t.Errorf("%s, part %d: (-got +want)\n%s", c.name, i, d)
			}
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format Format
		in     string
		want   []string
	}{
		{Bash, "ff\nls\npwd\n", []string{"ls", "pwd"}},
		{Bash, "ff\ndone\n#1700000000\nls\nx\n", []string{"ls\nx"}},
		{Bash, "no end", nil},
		{Zsh, "ff\\\nb\nls\n", []string{"ls"}},
		{Fish, "ff\n  when: 1\n  paths:\n    - x\n- cmd: ls\n  when: 1700000000\n", []string{"ls"}},
		{PSReadLine, "ff`\r\nb\r\nls\r\n", []string{"ls"}},
	} {
		var got []string
		tell := func(e Entry) { got = append(got, e.Line) }
		p, skip := Tail(c.format, []byte(c.in), 100)
		p.Feed([]byte(c.in[skip:]), tell)
		p.Flush(tell)
		if d := cmp.Diff(got, c.want); d != "" {
			t.Errorf("%q: (-got +want)\n%s", c.in, d)
		}
		if want := int64(100 + len(c.in)); p.Settled() != want {
			t.Errorf("%q: settled at %d, want %d", c.in, p.Settled(), want)
		}
	}
}

func TestLongCommands(t *testing.T) {
	t.Parallel()
	for f, end := range map[Format]string{Bash: "\n", Zsh: "\n", PSReadLine: "\n", Fish: "\n  when: 1700000000\n"} {
		begin := ""
		if f == Fish {
			begin = fishCmd
		}
		in := begin + "a" + strings.Repeat("é", 1<<20) + end + begin + "ls" + end
		got := Parse(f, []byte(in))
		if len(got) != 2 || got[1].Line != "ls" {
			t.Errorf("format %d: %d commands", f, len(got))
			continue
		}
		if n := len(got[0].Line); n > MaxLine || n < MaxLine-utf8.UTFMax || !strings.HasSuffix(got[0].Line, "é") {
			t.Errorf("format %d: cut at %d bytes, ends in %q", f, n, got[0].Line[n-4:])
		}
	}
}

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Format{
		".bash_history": Bash, ".zsh_history": Zsh, ".zhistory": Zsh, ".histfile": Zsh, ".config/zsh/.zsh_history": Zsh,
		".local/share/fish/fish_history": Fish, ".local/share/fish/work_history": Fish, ".local/state/bash/history": Bash,
		".local/share/powershell/PSReadLine/ConsoleHost_history.txt": PSReadLine,
		".node_repl_history": 0, "fish_history": 0, ".bash_history-0042.tmp": 0, ".local/share/fish/fish_history.aB3": 0, "": 0,
		"ConsoleHost_history.txt": 0, ".zsh_history.new": 0, "src/dotfiles/.bash_history": 0,
	} {
		if got, ok := FormatOf(name); got != want || ok != (want != 0) {
			t.Errorf("FormatOf(%q) = %d, %v, want %d", name, got, ok, want)
		}
		if want != 0 && !IsName([]byte(path.Base(name))) {
			t.Errorf("IsName does not know %q", name)
		}
	}
}

// shell runs a shell that stands on this machine with a script on its input,
// and returns what it left in its history.
func shell(t *testing.T, name string, args []string, script, file string, env ...string) []byte {
	t.Helper()
	exe, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed here", name)
	}
	home := t.TempDir()
	cmd := exec.Command(exe, args...)
	cmd.Env = append([]string{"HOME=" + home, "PATH=/usr/bin:/bin", "TERM=dumb", "LC_ALL=C.UTF-8"}, env...)
	cmd.Dir = home
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	b, err := os.ReadFile(filepath.Join(home, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lines(es []Entry) (out []string) {
	for _, e := range es {
		out = append(out, e.Line)
	}
	return out
}

func TestRealBash(t *testing.T) {
	t.Parallel()
	add := `history -c
history -s 'ls -la'
history -s 'echo ア "ü" \\'
history -s $'for i in 1 2\ndo\n  echo $i\ndone'
history -s '# a comment'
history -w
history -c
`
	want := []string{"ls -la", `echo ア "ü" \\`, "for i in 1 2\ndo\n  echo $i\ndone", "# a comment", "history -w"}
	var rows []string
	for _, w := range want {
		rows = append(rows, strings.Split(w, "\n")...)
	}
	for _, c := range []struct {
		name, set string
		want      []string
		timed     bool
	}{
		{"plain", "", rows, false},
		{"stamped", "HISTTIMEFORMAT='%s '\nshopt -s cmdhist lithist\n", want, true},
	} {
		b := shell(t, "bash", []string{"--norc", "-i"}, "HISTFILE=~/.h\nset -o history\nunset HISTCONTROL\n"+c.set+add+"unset HISTFILE\n", ".h")
		got := Parse(Bash, b)
		if d := cmp.Diff(lines(got), c.want); d != "" {
			t.Errorf("%s: (-got +want)\n%s", c.name, d)
		}
		for _, e := range got {
			if e.When.IsZero() == c.timed {
				t.Errorf("%s: %q has the time %v", c.name, e.Line, e.When)
			}
		}
	}
}

func TestRealZsh(t *testing.T) {
	t.Parallel()
	want := []string{"ls -la", `trail\`, `trail\\`, `trail\ `, "multi\nline", "multi\\\nline", "echo ア ッ é", ": foo:bar;baz"}
	script := "unsetopt banghist\nHISTFILE=~/.h HISTSIZE=100 SAVEHIST=100\n"
	for _, w := range want {
		script += "print -rs -- $'" + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(w) + "'\n"
	}
	for name, set := range map[string]string{"plain": "", "extended": "setopt extendedhistory\n"} {
		b := shell(t, "zsh", []string{"-fi"}, script+set+"fc -W ~/.h\nunset HISTFILE\n", ".h")
		all := lines(Parse(Zsh, b))
		var got []string // zsh keeps the lines of the script, too
		for _, l := range all {
			if !strings.HasPrefix(l, "print -rs") && !strings.HasPrefix(l, "unsetopt") && !strings.HasPrefix(l, "HISTFILE") && !strings.HasPrefix(l, "fc -W") && !strings.HasPrefix(l, "setopt") {
				got = append(got, l)
			}
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: (-got +want)\n%s", name, d)
		}
	}
}

func TestRealFish(t *testing.T) {
	t.Parallel()
	exe, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("fish is not installed here")
	}
	// fish remembers only what was typed at a terminal.
	home := t.TempDir()
	cmd := exec.Command(exe)
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "TERM=dumb", "LC_ALL=C.UTF-8"}
	cmd.Dir = home
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	want := []string{"echo ls -la", `echo "a\\n" ア`, "exit"}
	if _, err := tty.WriteString(strings.Join(want, "\r") + "\r"); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	io.Copy(io.Discard, tty) // until fish has closed it
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(home, ".local/share/fish/fish_history"))
	if err != nil {
		t.Fatal(err)
	}
	got := Parse(Fish, b)
	if d := cmp.Diff(lines(got), want); d != "" {
		t.Errorf("(-got +want)\n%s", d)
	}
	for _, e := range got {
		if e.When.Year() < 2020 {
			t.Errorf("%q has the time %v", e.Line, e.When)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ls\n#1700000000\nfor\ndo\n", ": 1700000000:0;a\\\nb\n\x83\x83", "- cmd: a\\nb\n  when: 1\n  paths:\n    - x\n", "a`\r\nb\r\n", "\x00\xff"} {
		for n := range 4 {
			f.Add([]byte(s), byte(n), uint16(3))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, n byte, cut uint16) {
		format := Format(n%4) + Bash
		whole := Parse(format, b)
		for _, e := range whole {
			if len(e.Line) > MaxLine || !utf8.ValidString(e.Line) || strings.Contains(e.Line, "\x00") || e.Line == "" {
				t.Fatalf("a command of %d bytes that is no text", len(e.Line))
			}
		}
		// Cut anywhere: the same commands.
		i := int(cut) % (len(b) + 1)
		var parts []Entry
		tell := func(e Entry) { parts = append(parts, e) }
		p := NewParser(format)
		p.Feed(b[:i], tell)
		p.Feed(b[i:], tell)
		p.Flush(tell)
		if d := cmp.Diff(parts, whole); d != "" {
			t.Fatalf("cut at %d: %s", i, d)
		}
		if s := p.Settled(); s < 0 || s > int64(len(b)) || s > 0 && b[s-1] != '\n' {
			t.Fatalf("settled at %d of %d", s, len(b))
		}
		// A tail is a tail.
		p, skip := Tail(format, b[i:], int64(i))
		if skip > len(b)-i || skip < len(b)-i && bytes.IndexByte(b[i:i+skip], '\n') < 0 {
			t.Fatalf("the tail begins at %d of %d", skip, len(b)-i)
		}
		p.Feed(b[i+skip:], tell)
	})
}

func ExampleParse() {
	for _, e := range Parse(Zsh, []byte(": 1700000000:0;npm publish\n")) {
		fmt.Println(e.When.Format(time.RFC3339), e.Line)
	}
	// Output: 2023-11-14T22:13:20Z npm publish
}
