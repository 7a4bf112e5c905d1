package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"wormbell/internal/docs"
	"wormbell/internal/vm"
)

// step is what the quick start promises of one of its lines, where that is more
// than to end with status 0.
type step struct {
	skip   string         // why it is not typed
	fails  bool           // it does not end with status 0
	until  *regexp.Regexp // it does not end: once it has printed this, somebody presses Ctrl-C
	answer string         // what is typed when it asks
	prints []string       // what its output has, as regular expressions
}

// steps are those of docs/quick-start.md by the line that is typed. Each is
// there, and no other is: the page is what is followed.
var steps = map[string]step{
	"make build":               {skip: "the machine has no Go: the programs of a release stand in for what it builds"},
	"sudo bin/wormbell run":    {skip: "it is what the first terminal does"},
	`PATH="$PWD/bin:$PATH"`:    {},
	"wormbell checkup":         {prints: []string{`No sign of a worm was found`, `npm token in a plain file`, `\bcredentials by fanotify`}},
	"wormbell doctor":          {prints: []string{`(?m)^ok +agent`, `(?m)^ok +rights`, `(?m)^ok +sensors +.*\bcredentials by fanotify`, `(?m)^ok +fanotify`, `(?m)^ok +proc connector`}},
	"wormbell status":          {prints: []string{`guards /home/dev`, `(?m)^SENSOR +BACKEND +WHO\b`, `(?m)^credentials +fanotify +yes\b`, `(?m)^credential-read +sees\b`}},
	"wormbell credentials":     {prints: []string{`(?m)^~/\.npmrc +npm tokens +guarded`}},
	"wormbell demo npmrc-read": {prints: []string{`A program read credentials that are not its own`, `Every alert that was expected rang\.`}},
	"wormbell alerts":          {prints: []string{`\bID\w{4} +high `}},
	"wormbell alerts --follow": {until: regexp.MustCompile(`read your npm tokens`)},
	"wormbell alert show ID":   {prints: []string{`(?m)^Exposed`, `~/\.npmrc: npm tokens`}},
	"wormbell alert freeze ID": {},
	"wormbell respond ID":      {fails: true, answer: "n", prints: []string{`The plan`, `nothing was done`}},
	// The demonstration's alert is open, and says nothing about the person's own file.
	"wormbell tokens --offline": {prints: []string{`(?m)^. npm:registry\.example\.com +npm token, not asked\n +in ~/\.npmrc //registry\.example\.com/:_authToken\n[^ ]`}},
	// The test's desktop has no keychain, and its npm nobody to publish to.
	"wormbell vault npm":           {fails: true, prints: []string{`the tokens stay where they are: no keychain`, `no token on the machine`}},
	"wormbell exec -- npm publish": {fails: true, prints: []string{`npm runs without the vault's tokens`, `npm (error|ERR!)`}},
}

// leaves is what takes away what a trial leaves, as the page's text says.
const leaves = "sudo rm -r /var/lib/wormbell"

// TestQuickStart does what docs/quick-start.md says, line by line, at terminals
// of a machine that has never seen Wormbell: once without installing it, and
// once with the packages, on a desktop.
func TestQuickStart(t *testing.T) {
	vm.Need(t)
	root, err := docs.Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docs.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(pages, func(p docs.Page) bool { return p.Path == "docs/quick-start.md" })
	if i < 0 {
		t.Fatal("there is no quick start")
	}
	page := pages[i]
	lines := page.Commands()
	for _, c := range lines {
		if _, known := steps[c.Text]; !known {
			t.Errorf("%s:%d: nobody has said what %q promises", c.Page, c.Line, c.Text)
		}
	}
	for text := range steps {
		if !slices.ContainsFunc(lines, func(c docs.Command) bool { return c.Text == text }) {
			t.Errorf("the page does not say %q any more", text)
		}
	}
	clean := slices.IndexFunc(page.Spans(), func(c docs.Command) bool { return strings.HasPrefix(c.Text, leaves) })
	if clean < 0 {
		t.Errorf("the page does not say %q", leaves)
	}
	if t.Failed() {
		return // before minutes go by
	}

	folder, all := release(t, "0.1.0")[0], t.TempDir()
	agent, tray := debs(t, folder)
	copyTo(t, agent, filepath.Join(all, "wormbell.deb"))
	copyTo(t, tray, filepath.Join(all, "wormbell-tray.deb"))
	copyTo(t, filepath.Join(folder, "wormbell-0.1.0-linux-amd64.tar.gz"), filepath.Join(all, "wormbell.tar.gz"))
	l := newLaptop(t, vm.Config{Memory: 2048, Disks: []string{vm.Disk(t, all, 256)}})
	l.needNode()
	l.mount("/opt/debs")
	l.dev(`umask 077; echo '//registry.example.com/:_authToken=npm_` + secret + `f2HsJ7gPa4UeQ0oi' >~/.npmrc
		mkdir ~/wormbell && tar -xzf /opt/debs/wormbell.tar.gz -C ~/wormbell --strip-components=1 && mkdir ~/wormbell/bin && mv $(find ~/wormbell -type f -perm -u+x -name 'wormbell*') ~/wormbell/bin`)

	t.Run("tried", func(t *testing.T) {
		l := l.with(t)
		before := l.tree()
		first := l.terminal("root", "/home/dev/wormbell") // as whoever types sudo
		first.types("bin/wormbell run")
		first.await("Alerts as they come")
		l.quickStart(lines, l.terminal("dev", "/home/dev/wormbell"))
		first.await("read your npm tokens") // "the alert shows: here, in the first terminal"
		first.press('c')
		if status, out := first.run(strings.TrimPrefix(page.Spans()[clean].Text, "sudo ")); status != 0 {
			t.Errorf("exit %d: %s", status, out)
		}
		for _, line := range difference(before, l.tree()) {
			t.Errorf("a trial leaves %s", line)
		}
	})
	t.Run("installed", func(t *testing.T) {
		l := l.with(t)
		l.desktop()
		l.silent(l.apt("install", "wormbell.deb", "wormbell-tray.deb"))
		l.up()
		l.quickStart(lines, l.terminal("dev", "/home/dev"))
		l.Wait("the notification", patience, func() bool { return strings.Contains(l.notifications(), "npm tokens") })
	})
}

// quickStart types the page's lines, in order. An ID is the demonstration's.
func (l *laptop) quickStart(lines []docs.Command, term *terminal) {
	l.t.Helper()
	id := ""
	for _, c := range lines {
		at, s := fmt.Sprintf("%s:%d: %s", c.Page, c.Line, c.Text), steps[c.Text]
		if s.skip != "" {
			continue
		}
		text := placeholder.ReplaceAllString(c.Text, id)
		var status int
		var out string
		switch from := term.mark(); {
		case s.until != nil:
			term.types(text)
			l.Wait(at+" to print "+s.until.String(), patience, func() bool { return s.until.MatchString(term.since(from)) })
			term.press('c')
			status, out = term.run("true")
		case s.answer != "":
			term.types(text + "; " + ended)
			l.Wait(at+" to ask", patience, func() bool { return strings.Contains(term.since(from), "[y/N]") })
			term.types(s.answer) // no sooner: what was typed before it asks is no answer
			status, out = term.finish(from)
		default:
			status, out = term.run(text)
		}
		if (status != 0) != s.fails {
			l.t.Errorf("%s\nended with status %d\n%s", at, status, out)
		}
		for _, want := range s.prints {
			if want = strings.ReplaceAll(want, "ID", id); !regexp.MustCompile(want).MatchString(out) {
				l.t.Errorf("%s\ndoes not print %s but\n%s", at, want, out)
			}
		}
		if strings.Contains(out, secret) {
			l.t.Errorf("%s\nprints the token", at)
		}
		if m := showing.FindStringSubmatch(out); m != nil {
			id = m[1][:4] // "Four letters of an ID are enough"
		}
	}
}

var (
	placeholder = regexp.MustCompile(`\bID\b`)
	showing     = regexp.MustCompile(`wormbell alert show ([a-z0-9]{8})\b`)
)

// secret is a part of the token that stands in ~/.npmrc.
const secret = "Zk3qWm8vR1tYx5LcB9dN"

// terminal is one that a person sits at.
type terminal struct {
	l  *laptop
	in io.Writer

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

// ended prints the status of what was typed before it, and cannot be mistaken
// for what the terminal echoes of it.
const ended = `echo "[ended:$?]"`

var endedWith = regexp.MustCompile(`\[ended:(\d+)\]`)

// Write takes in what the terminal shows.
func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.out.Write(p)
}

// terminal signs a user in at a terminal, which stands in a folder.
func (l *laptop) terminal(user, folder string) *terminal {
	l.t.Helper()
	term := &terminal{l: l}
	r, w := io.Pipe()
	term.in = w
	ctx, cancel := context.WithCancel(l.t.Context())
	cmd := l.Command(ctx, user, "exec bash -l", vm.Options{Terminal: true, Login: true, Stdin: r})
	cmd.Stdout, cmd.Stderr = term, term
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cancel()
		w.Close()
		cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("the terminal of %s showed\n%s", user, term.since(0))
		}
	})
	if status, out := term.run("stty sane cols 100 rows 50; export TERM=dumb NO_COLOR=1; cd " + folder); status != 0 {
		l.t.Fatalf("%s has no terminal: %s", user, out)
	}
	return term
}

// types types a line.
func (term *terminal) types(line string) {
	term.l.t.Helper()
	if _, err := io.WriteString(term.in, line+"\n"); err != nil {
		term.l.t.Fatal(err)
	}
}

// press presses Ctrl and a key.
func (term *terminal) press(key byte) {
	term.l.t.Helper()
	if _, err := term.in.Write([]byte{key & 0x1f}); err != nil {
		term.l.t.Fatal(err)
	}
}

// mark is where the terminal is now, for since.
func (term *terminal) mark() int {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.out.Len()
}

// since is what it has shown since then.
func (term *terminal) since(from int) string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(string(term.out.Bytes()[from:]), "\r\n", "\n")
}

// await waits until it has shown a text, ever.
func (term *terminal) await(text string) {
	term.l.t.Helper()
	term.l.Wait(fmt.Sprintf("a terminal to show %q", text), patience, func() bool { return strings.Contains(term.since(0), text) })
}

// run types a line and returns its status and what was shown until it ended.
func (term *terminal) run(line string) (status int, out string) {
	term.l.t.Helper()
	from := term.mark()
	term.types(line + "; " + ended)
	return term.finish(from)
}

// finish waits until what was typed since then with ended behind it has ended.
func (term *terminal) finish(from int) (status int, out string) {
	term.l.t.Helper()
	term.l.Wait("a line to end", patience, func() bool {
		out = term.since(from)
		m := endedWith.FindStringSubmatch(out)
		if m != nil {
			status, _ = strconv.Atoi(m[1])
		}
		return m != nil
	})
	return status, out
}
