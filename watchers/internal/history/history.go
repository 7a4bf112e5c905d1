// Package history reads what shells keep of the commands that were typed.
//
// It turns the bytes of a history file into commands, whatever is in them. It
// does no I/O, knows no secrets and decides nothing: what is new and what may
// be shown is up to its caller. It works in pieces, so a file of any size
// takes no more memory than its longest command, which is cut.
package history

import (
	"bytes"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Entry is one command.
type Entry struct {
	Line string    // valid UTF-8 without NUL; several rows are separated by "\n"; cut at MaxLine
	When time.Time // when it was entered, UTC; zero if the file does not say
}

// MaxLine is the length in bytes at which a command is cut. Nobody types one
// that long: what is longer is a pasted file, or made to hurt.
const MaxLine = 64 << 10

// Format is the way a shell writes its history.
type Format uint8

// The formats.
const (
	Bash       Format = iota + 1 // a command a line, "#epoch" before it if HISTTIMEFORMAT is set
	Zsh                          // a command a line, ": epoch:duration;" in front with EXTENDED_HISTORY; metafied
	Fish                         // "- cmd: …", "  when: epoch"; looks like YAML and is not
	PSReadLine                   // a command a line, the rows of one joined by a backtick
)

// Files are the history files that lie in fixed places, relative to a home.
var Files = []string{
	".bash_history", ".zsh_history", ".zhistory", ".histfile", ".config/zsh/.zsh_history", ".cache/zsh/history",
	".local/share/zsh/history", ".local/state/zsh/history", ".local/share/bash/history", ".local/state/bash/history",
}

// Dirs are the folders that hold a history file for each session or program.
var Dirs = []string{
	".local/share/fish", ".local/share/powershell/PSReadLine",
	"AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine",
}

// FormatOf says by its path, slash-separated and relative to the home, what a
// history file is written in. ok is false for every other file, also for one
// that only has the name: in a project it is somebody's backup.
func FormatOf(rel string) (f Format, ok bool) {
	for _, name := range Files {
		if rel == name {
			if strings.Contains(rel, "bash") {
				return Bash, true
			}
			return Zsh, true
		}
	}
	dir, base := path.Split(rel)
	switch dir = strings.TrimSuffix(dir, "/"); {
	case dir == Dirs[0] && strings.HasSuffix(base, "_history"):
		return Fish, true
	case (dir == Dirs[1] || dir == Dirs[2]) && strings.HasSuffix(base, "_history.txt"):
		return PSReadLine, true
	}
	return 0, false
}

// IsName reports whether a history file may have this name, wherever it lies.
// It allocates nothing.
func IsName(name []byte) bool {
	if len(name) < len("history") {
		return false
	}
	switch string(name) {
	case "history", ".zhistory", ".histfile":
		return true
	}
	return bytes.HasSuffix(name, []byte("_history")) || bytes.HasSuffix(name, []byte("_history.txt"))
}

// Parse returns the commands in b, the whole of a history file.
func Parse(f Format, b []byte) []Entry {
	var out []Entry
	add := func(e Entry) { out = append(out, e) }
	p := NewParser(f)
	p.Feed(b, add)
	p.Flush(add)
	return out
}

// A Parser reads a history piece by piece. Only [NewParser], [Tail] and Resume
// make one; it is not safe for concurrent use.
type Parser struct {
	format Format

	line    []byte // the line that has begun, cut
	fed     int64  // bytes fed so far
	at      int64  // where the line that has begun begins
	settled int64

	open bool      // a command has begun
	cmd  []byte    // it, cut
	when time.Time // its time
}

// NewParser returns a parser for f that stands at the beginning of a file.
func NewParser(f Format) *Parser { return &Parser{format: f} }

// Resume returns a parser that goes on where p has settled, for what was
// appended to the file since.
func (p *Parser) Resume() *Parser {
	return &Parser{format: p.format, fed: p.settled, at: p.settled, settled: p.settled}
}

// Tail returns a parser for what comes after the first skip bytes of b, which
// was cut out of a file at the offset at: they belong to a command that began
// before. If no command begins in b, skip is all of it.
func Tail(f Format, b []byte, at int64) (p *Parser, skip int) {
	stamps := f == Bash && stampIn(b)
	for skip < len(b) {
		n := bytes.IndexByte(b[skip:], '\n')
		if n < 0 {
			skip = len(b)
			break
		}
		line := b[skip : skip+n]
		skip += n + 1
		begins := true
		switch rest := b[skip:]; f {
		case Bash:
			_, ok := stamp(firstLine(rest))
			begins = ok || !stamps
		case Zsh:
			begins = !bytes.HasSuffix(line, []byte(`\`))
		case Fish:
			begins = bytes.HasPrefix(rest, []byte(fishCmd))
		case PSReadLine:
			begins = !bytes.HasSuffix(bytes.TrimSuffix(line, []byte("\r")), []byte("`"))
		}
		if begins {
			break
		}
	}
	at += int64(skip)
	return &Parser{format: f, fed: at, at: at, settled: at}, skip
}

// Settled returns the offset in the file from where [Parser.Resume] goes on.
// What stands behind it is a command that is still being written: shells end
// each with a newline.
func (p *Parser) Settled() int64 { return p.settled }

// Feed takes the next bytes and tells each command that they complete.
func (p *Parser) Feed(b []byte, tell func(Entry)) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		part := b
		if n >= 0 {
			part = b[:n]
		}
		const mark = 64 // for time stamps and such before the command
		if room := MaxLine + mark - len(p.line); room > 0 {
			p.line = append(p.line, part[:min(len(part), room)]...)
		}
		if n < 0 {
			p.fed += int64(len(b))
			return
		}
		p.fed += int64(n + 1)
		switch p.format {
		case Bash:
			p.bash(p.line, tell)
		case Zsh:
			p.zsh(p.line, tell)
		case Fish:
			p.fish(p.line, tell)
		default:
			p.psreadline(p.line, tell)
		}
		p.line, p.at = p.line[:0], p.fed
		b = b[n+1:]
	}
}

// Flush tells the command that nothing but the next one would end: call it
// when all that there is has been fed.
func (p *Parser) Flush(tell func(Entry)) {
	if p.format == Bash && p.open && len(p.cmd) > 0 {
		p.end(tell, p.at)
	}
}

// end tells the command that is open, unless it is empty. It ends at settled.
func (p *Parser) end(tell func(Entry), settled int64) {
	if s := clean(p.cmd); strings.TrimSpace(s) != "" {
		tell(Entry{s, p.when})
	}
	p.cmd, p.when, p.open = p.cmd[:0], time.Time{}, false
	p.settled = settled
}

// add appends to the open command, within its limit.
func (p *Parser) add(b ...byte) {
	if room := MaxLine - len(p.cmd); room > 0 {
		p.cmd = append(p.cmd, b[:min(len(b), room)]...)
	}
}

// bash: bash(1) HISTORY. Behind a time stamp only the next one ends a command,
// because with lithist it has several lines; without, each line is one. A file
// may have both.
func (p *Parser) bash(line []byte, tell func(Entry)) {
	if t, ok := stamp(line); ok {
		if p.open {
			p.end(tell, p.at)
		}
		p.open, p.when = true, t
		return
	}
	if len(p.cmd) > 0 {
		p.add('\n')
	}
	p.add(line...)
	if !p.open {
		p.end(tell, p.fed)
	}
}

// stamp reads a "#epoch" line.
func stamp(line []byte) (time.Time, bool) {
	line = bytes.TrimRight(line, " \r")
	if len(line) < 2 || line[0] != '#' {
		return time.Time{}, false
	}
	for _, c := range line[1:] {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	n, err := strconv.ParseUint(string(line[1:min(len(line), 24)]), 10, 64)
	if err != nil {
		n = 0 // a stamp, but of no time that there is
	}
	return epoch(n), true
}

// stampIn reports whether a line of b, not the first, is a time stamp.
func stampIn(b []byte) bool {
	for {
		n := bytes.Index(b, []byte("\n#"))
		if n < 0 {
			return false
		}
		b = b[n+1:]
		if _, ok := stamp(firstLine(b)); ok {
			return true
		}
	}
}

// firstLine returns the first line of b, as far as a time stamp could reach.
func firstLine(b []byte) []byte {
	b = b[:min(len(b), 32)]
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n]
	}
	return b
}

// epoch returns the time n seconds after 1970, or the zero time if nobody was
// typing then.
func epoch(n uint64) time.Time {
	const year2200 = 7258118400
	if n == 0 || n > year2200 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// zsh: zshoptions(1) EXTENDED_HISTORY; Src/hist.c. A newline inside a command
// has a backslash before it; a command that ends in backslashes, or in them
// and blanks, has got a blank more.
func (p *Parser) zsh(line []byte, tell func(Entry)) {
	if !p.open {
		p.open = true
		if t, rest, ok := extended(line); ok {
			p.when, line = t, rest
		} else if bytes.HasPrefix(line, []byte(`\:`)) { // so written lest it looks extended
			line = line[1:]
		}
	} else {
		p.add('\n')
	}
	if n := len(line); n > 0 && line[n-1] == '\\' {
		p.add(line[:n-1]...)
		return
	}
	p.add(line...)
	if trimmed := bytes.TrimRight(p.cmd, " "); len(trimmed) < len(p.cmd) && bytes.HasSuffix(trimmed, []byte(`\`)) {
		p.cmd = p.cmd[:len(p.cmd)-1]
	}
	p.cmd = unmetafy(p.cmd)
	p.end(tell, p.fed)
}

// extended reads the ": epoch:duration;" before a command. Both must be
// numbers: ": a:b;c" is a command.
func extended(line []byte) (time.Time, []byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(": "))
	if !ok {
		return time.Time{}, nil, false
	}
	head, cmd, ok := bytes.Cut(rest, []byte(";"))
	if !ok {
		return time.Time{}, nil, false
	}
	at, took, ok := bytes.Cut(head, []byte(":"))
	if !ok || len(at) > 20 || len(took) > 20 {
		return time.Time{}, nil, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(at)), 10, 64)
	if _, bad := strconv.ParseUint(string(took), 10, 64); err != nil || bad != nil {
		return time.Time{}, nil, false
	}
	return epoch(n), cmd, true
}

// unmetafy undoes, in place, zsh's way of writing NUL and the bytes that mean
// something to it: 0x83 and the byte with one bit turned over. It comes before
// UTF-8: half of a character may be written so.
func unmetafy(b []byte) []byte {
	const meta = 0x83
	n := bytes.IndexByte(b, meta)
	if n < 0 {
		return b
	}
	out := b[:n]
	for i := n; i < len(b); i++ {
		c := b[i]
		if c == meta && i+1 < len(b) {
			i++
			c = b[i] ^ 0x20
		}
		out = append(out, c)
	}
	return out
}

const (
	fishCmd  = "- cmd: "
	fishWhen = "  when: "
)

// fish: src/history of fish-shell. An item is "- cmd:", "  when:" and perhaps
// "  paths:", written at once.
func (p *Parser) fish(line []byte, tell func(Entry)) {
	if cmd, ok := bytes.CutPrefix(line, []byte(fishCmd)); ok {
		if p.open {
			p.end(tell, p.at)
		}
		p.open = true
		p.add(unescape(cmd)...)
		return
	}
	if n, ok := bytes.CutPrefix(line, []byte(fishWhen)); ok && p.open {
		if s, err := strconv.ParseUint(string(bytes.TrimSpace(n[:min(len(n), 24)])), 10, 64); err == nil {
			p.when = epoch(s)
		}
		p.end(tell, p.fed)
	}
	if !p.open {
		p.settled = p.fed // paths, and whatever else follows
	}
}

// unescape undoes, in place, the two escapes that fish knows.
func unescape(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '\\' && i+1 < len(b) && (b[i+1] == '\\' || b[i+1] == 'n') {
			i++
			if c = b[i]; c == 'n' {
				c = '\n'
			}
		}
		out = append(out, c)
	}
	return out
}

// psreadline: PSReadLine/History.cs. Written with CR LF on Windows.
func (p *Parser) psreadline(line []byte, tell func(Entry)) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if p.open {
		p.add('\n')
	}
	p.open = true
	if n := len(line); n > 0 && line[n-1] == '`' {
		p.add(line[:n-1]...)
		return
	}
	p.add(line...)
	p.end(tell, p.fed)
}

// clean makes b text: what is not UTF-8 and every NUL becomes U+FFFD. What
// that makes too long, or what was cut in the middle of a character, is cut.
func clean(b []byte) string {
	whole := len(b) < MaxLine
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	if whole && len(s) <= MaxLine {
		return s
	}
	s = s[:min(len(s), MaxLine)]
	for n := 1; n <= utf8.UTFMax && n <= len(s); n++ {
		if utf8.RuneStart(s[len(s)-n]) {
			if !utf8.FullRuneInString(s[len(s)-n:]) {
				s = s[:len(s)-n]
			}
			break
		}
	}
	return strings.TrimSuffix(s, "\uFFFD")
}
