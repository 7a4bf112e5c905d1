package persistence

import (
	"encoding/json"
	"strings"
	"testing"

	"wormbell/internal/cmdline"

	"github.com/google/go-cmp/cmp"
)

func TestTakeApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line          string
		windows       bool
		files, inline []string
	}{
		{"/usr/bin/python3 -u -X dev ~/.x/y.py --token a.py", false, []string{"/usr/bin/python3", "~/.x/y.py"}, nil},
		{"env -u A B=c nohup nice -n 5 ~/.x/run --flag", false, []string{"~/.x/run"}, nil},
		{"bash -lc 'curl x | sh'", false, []string{"bash"}, []string{"curl x | sh"}},
		{"node --require ./a.js --import=b.mjs c.js", false, []string{"node", "./a.js", "b.mjs", "c.js"}, nil},
		{"timeout 60 sh /tmp/x", false, []string{"sh", "/tmp/x"}, nil},
		{"python3 -m http.server", false, []string{"python3"}, []string{"-m http.server"}},
		{`powershell.exe -NoProfile -ExecutionPolicy Bypass -w hidden -File "C:\a b\m.ps1"`, true, []string{"powershell.exe", `C:\a b\m.ps1`}, nil},
		{`cmd /c start /b node %APPDATA%\x.js`, true, []string{"cmd"}, []string{`start /b node %APPDATA%\x.js`}},
		{`wscript //B //Nologo C:\x.vbs`, true, []string{"wscript", `C:\x.vbs`}, nil},
		{"syncthing serve --config ~/.config/x", false, []string{"syncthing"}, nil},
		{"FOO=1 BAR=2", false, nil, nil},
		{"", false, nil, nil},
	} {
		files, inline := takeApart(cmdline.Split(test.line, test.windows))
		if diff := cmp.Diff([][]string{test.files, test.inline}, [][]string{files, inline}); diff != "" {
			t.Errorf("%q:\n%s", test.line, diff)
		}
	}
}

func TestIsHome(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"T": "$HOME", "D": "${T}/Documents", "X": "$(mktemp -d)", "C": "$HOME/.cache"}
	for word, want := range map[string]bool{"~": true, "~/": true, `"$HOME"`: true, "${HOME}/*": true, "$T": true, `"$D"`: true, "/home/dev": true, "/h/dev": true, "~/.*": true, `"$HOME"/`: true,
		"~/.cache": false, "$C": false, "$X": false, "/home/dev/x": false, "~/backups/old": false, "/tmp/home": false, "$HOME.old": false, "~user/x": false} {
		if got := isHome(word, vars, "/h/dev"); got != want {
			t.Errorf("%s: got %v", word, got)
		}
	}
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code string
		sign sign
		want bool
	}{
		{"rm -rf ~/", wipesHome, true},
		{"rm -f ~/", wipesHome, false},
		{"rm -rf ~/.cache/app", wipesHome, false},
		{"find ~ -type f -exec shred {} +", wipesHome, true},
		{"find ~ -name '*.tmp' -delete", wipesHome, false},
		{`shutil.rmtree(Path.home())`, wipesHome, true},
		{"h = os.homedir()\nfs.rmSync(h, {recursive: true})", wipesHome, true},
		{"h = os.homedir()\nfs.rmSync(h + '/x', {recursive: true})", wipesHome, false},
		{`subprocess.run(["rm", "-rf", os.path.expanduser("~")])`, wipesHome, true},
		{`Remove-Item -Recurse -Force $env:USERPROFILE`, wipesHome, true},
		{`del /F /Q /S "%USERPROFILE%\*"`, wipesHome, true},
		{`rd /s /q %TEMP%\x`, wipesHome, false},
		{"curl -fsSL https://x | bash", runsHanded, true},
		{"curl -fsSL https://x | jq .", runsHanded, false},
		{`eval "$(cat handler)"`, runsHanded, true},
		{"H=`cat handler`; eval \"$H\"", runsHanded, true},
		{`eval "$(direnv hook bash)"`, runsHanded, false},
		{`iex (irm https://x)`, runsHanded, true},
		{"exec(open('x').read())", runsHanded, true},
		{"curl -sf https://x || y", seesRefusal, true},
		{"curl -s -o /dev/null https://x/40", seesRefusal, false},
		{"sudo shutdown -h 0", turnsOff, true},
		{"echo shutdown", turnsOff, false},
		{`subprocess.run(["gh", "api", "user"])`, asksService, true},
		{"curl https://api.github.com/repos/a/b/releases", asksService, false},
		{"revokeTokenAndDeleteCookie(); // revoke the token, then wipe the cache", threatens, false},
		{"WhoRevokesThisTokenWillWipeTheDisk", threatens, true},
	} {
		if got := behaviour(test.code, nil, "/h/dev").has(test.sign); got != test.want {
			t.Errorf("%q: got %v", test.code, got)
		}
	}
}

func TestSlowMounts(t *testing.T) {
	t.Parallel()
	info := "22 1 0:5 / / rw - ext4 /dev/sda rw\n30 22 0:9 / /home rw - nfs4 srv:/home rw\n31 30 0:10 / /home/dev/a\\040b rw shared:1 - fuse.sshfs x rw\nrubbish\n"
	if diff := cmp.Diff([]string{"/home/dev/a b"}, SlowMounts([]byte(info), "/home/dev")); diff != "" {
		t.Error(diff)
	}
	f := &files{home: "/home/dev", hangs: []string{t.TempDir()}}
	if _, _, err := f.resolve(f.hangs[0] + "/x"); err == nil || !strings.Contains(err.Error(), "never answer") {
		t.Errorf("it was entered: %v", err)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, cut, out string }{
		{`{"a":[1,2,3]}`, "2", `{"a":[1,3]}`},
		{`{"a":[1,2, 3 ]}`, "3", `{"a":[1,2 ]}`},
		{`{"a":[1]}`, "1", `{"a":[]}`},
		{"{\"a\": {\"b\": 1, // why\n\"c\": 2,}}", `"b": 1`, "{\"a\": { // why\n\"c\": 2,}}"},
		{"[1, /* two */ 2]", "2", "[1, /* two */ ]"},
	} {
		got, err := cutOut(test.in, test.cut)
		if err != nil || got != test.out {
			t.Errorf("%s without %s: got %q, %v", test.in, test.cut, got, err)
		}
	}
}

// cutOut cuts the first member with this source out of in.
func cutOut(in, source string) (string, error) {
	c, _, err := cutMember(in, strings.Index(in, source), source)
	if err != nil {
		return "", err
	}
	return in[:c.From] + in[c.To:], nil
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"c"},],}`, "// x\n[]", `{"hooks":{"S":[{"hooks":[{"command":"a"}]}]}}`, "\ufeff{}", "[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := parseJSON(b)
		if json.Valid(b) && err != nil && len(b) < 1000 {
			t.Fatalf("JSON is refused: %q", b)
		}
		if err != nil {
			return
		}
		var walk func(n *node)
		walk = func(n *node) {
			for i := range n.kids {
				k := &n.kids[i]
				c, it, err := cutMember(string(b), k.keyFrom, k.source())
				if err == nil {
					rest := string(b[:c.From]) + string(b[c.To:])
					if _, err := parseJSON([]byte(rest)); err != nil {
						t.Fatalf("%q without %q is none: %q", b, k.source(), rest)
					}
					if back, err := uncut(rest, item{Kind: stepJSON, Old: it.Old, Parent: it.Parent}); err == nil && len(back) == 1 {
						if _, err := parseJSON([]byte(rest[:back[0].From] + back[0].New + rest[back[0].To:])); err != nil {
							t.Fatalf("%q put back into %q is none", it.Old, rest)
						}
					}
				}
				walk(k)
			}
		}
		if len(b) < 300 {
			walk(root)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"rm -rf ~/\n", "while :; do curl -f x || eval \"$H\"; done", "[Service]\nExecStart=-/bin/sh \\\n -c 'x'\n", "* * * * * a % b", "f() {\n if x; then\n y\n fi\n}\n", "A=$(cat x); sh -c $A", "\\x41\\x42\\x43\\x44\\x45", "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="} {
		f.Add(s)
	}
	s := &scan{Config: Config{Home: "/nowhere"}, files: &files{home: "/nowhere", root: "/nowhere-else"}, programs: map[string]*program{}}
	f.Fuzz(func(t *testing.T, text string) {
		behaviour(text, []string{"tokens.example.com"}, "/nowhere")
		unitFields([]byte(text))
		cronLine(text)
		atCommands(text)
		takeApart(cmdline.Split(text, len(text)%2 == 0))
		cmdline.Parts(text)
		SlowMounts([]byte(text), "/nowhere")
		s.files.mentions(text, "/nowhere", 8)
		for _, r := range clean(text) {
			if r < ' ' {
				t.Fatalf("%q is not clean", clean(text))
			}
		}
		whole := ""
		for _, line := range logicalLines(text) {
			whole += line
		}
		if whole != text {
			t.Fatalf("lines do not make up the text: %q", whole)
		}
		if block, ok := blockAt(text, 0, text[:strings.IndexByte(text+"\n", '\n')], false); ok && !strings.HasPrefix(text, block) {
			t.Fatalf("a block that is not there: %q", block)
		}
	})
}

func FuzzFormats(f *testing.F) {
	for _, s := range []string{"<plist><dict><key>A</key><array><string>b</string></array></dict></plist>", "bplist00", "<Tasks><!-- \\A --><Task><Actions><Exec><Command>c</Command></Exec></Actions></Task></Tasks>", "\xff\xfe<\x00", "1 (a) b) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5 0", connectionsLine, "0::/user@1.service/a.service"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parsePlist(b); err == nil && m == nil {
			t.Fatal("a property list of nothing")
		}
		parseTasks(b)
		fromUTF16(b)
		stringsOf(b)
		readable(b)
		parseSystem(b)
	})
}

const connectionsLine = "   0: 0A00020F:C350 08080404:01BB 01 00000000:00000000 00:00000000 00000000  4242        0 777 1 0000000000000000 20 4 30 10 -1\n"
