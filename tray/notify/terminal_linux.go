package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/text/width"

	"wormbell"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

// terminals shows notices as lines on the person's own terminals, as wall(1)
// does, but not into a program that has the screen to itself.
type terminals struct{ Config }

// Limits of what is looked at and written.
const (
	maxProcesses = 100000
	maxTerminals = 32
	maxStat      = 4096 // bytes of /proc/PID/stat
	maxLine      = 400  // characters of the line with the alert, two or three rows of a terminal
	usualColumns = 80
)

func (t *terminals) show(ctx context.Context, n Notice) error {
	all, err := userTerminals(ctx, "/proc")
	if err != nil {
		return err
	}
	written := 0
	for _, tty := range all {
		if t.only != nil && !t.only(tty.path) {
			continue
		}
		if err := t.write(tty, n); err != nil {
			t.Log.Debug("a terminal was passed over", "tty", tty.path, "err", err)
			continue
		}
		if written++; written == maxTerminals {
			break
		}
	}
	if written == 0 {
		return errors.New("no terminal of this user takes messages")
	}
	return nil
}

// write writes a notice to a terminal that is the user's and that takes
// messages. Nothing waits: a terminal that is held (^S) is passed over.
func (t *terminals) write(tty terminal, n Notice) error {
	fd, err := unix.Open(tty.path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %q: %w", tty.path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at %q: %w", tty.path, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != tty.device:
		return errors.New("it is not that terminal any more")
	case int(st.Uid) != os.Geteuid():
		return errors.New("it is not this user's")
	case st.Mode&unix.S_IWGRP == 0:
		return errors.New("it takes no messages (mesg n)")
	}
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("ask for the mode of %q: %w", tty.path, err)
	}
	if !tty.prompt && mode.Lflag&unix.ICANON == 0 {
		return errors.New("a program has its screen to itself")
	}
	columns := usualColumns
	if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		columns = int(size.Col)
	}
	end := "\r\n"
	if mode.Oflag&unix.OPOST != 0 && mode.Oflag&unix.ONLCR != 0 {
		end = "\n" // the terminal adds the rest
	}
	text := t.lines(n, columns, end)
	if count, err := unix.Write(fd, text); err != nil || count < len(text) {
		return fmt.Errorf("write to %q: %d of %d bytes: %w", tty.path, count, len(text), err)
	}
	return nil
}

// lines is what is written: what happened, on two rows at most, and the
// command. A critical alert rings the terminal's bell.
func (t *terminals) lines(n Notice, columns int, end string) []byte {
	severity := map[wormbell.Severity]words.Key{wormbell.Low: words.NoticeLowWord, wormbell.Medium: words.NoticeMediumWord,
		wormbell.High: words.NoticeHighWord, wormbell.Critical: words.NoticeCriticalWord}[n.Severity]
	line := t.Words.Say(words.NoticeTerminal, t.Words.Say(severity), n.Title, n.Body)
	var b bytes.Buffer
	if n.Severity >= wormbell.Critical {
		b.WriteByte('\a')
	}
	b.WriteString(end + fit(plain.Cut(line, maxLine), 2*columns-1) + end)
	if command := t.command(n); command != "" {
		b.WriteString(plain.Text(command) + end)
	}
	return b.Bytes()
}

// fit cuts s to n columns; Chinese and Japanese characters take two.
func fit(s string, n int) string {
	used := 0
	for i, r := range s {
		w := 1
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			w = 2
		}
		if used += w; used > n || used == n && i+len(string(r)) < len(s) {
			return s[:i] + "…"
		}
	}
	return s
}

// terminal is one on which a process of the user runs.
type terminal struct {
	path   string
	device uint64
	prompt bool // a shell waits at its prompt
}

// process is what /proc/PID/stat says (proc(5)).
type process struct {
	pid, group, foreground int
	device                 uint64
	name                   string
}

// shells are programs that show a prompt. By their name alone: at worst a line
// is written where it disturbs.
var shells = []string{"bash", "zsh", "fish", "sh", "dash", "ash", "ksh", "mksh", "tcsh", "csh", "nu", "elvish", "xonsh", "pwsh"}

// userTerminals finds the terminals of the processes of this user.
func userTerminals(ctx context.Context, proc string) ([]terminal, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxProcesses)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("list processes: %w", ctx.Err())
		}
		info, err := os.Stat(filepath.Join(proc, name))
		if err != nil {
			continue // it has ended
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
			continue
		}
		f, err := os.Open(filepath.Join(proc, name, "stat"))
		if err != nil {
			continue
		}
		buf := make([]byte, maxStat)
		n, _ := f.Read(buf)
		f.Close()
		if p, ok := parseStat(string(buf[:n])); ok && p.pid == pid {
			all = append(all, p)
		}
	}
	return terminalsOf(all), nil
}

// parseStat reads /proc/PID/stat, in which the name may hold anything.
func parseStat(s string) (p process, ok bool) {
	first, last := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if first < 1 || last < first {
		return p, false
	}
	fields := strings.Fields(s[last+1:])
	if len(fields) < 6 {
		return p, false
	}
	var numbers [6]int // pid, then state(0) ppid(1) pgrp(2) session(3) tty_nr(4) tpgid(5)
	var err error
	if numbers[0], err = strconv.Atoi(strings.TrimSpace(s[:first])); err != nil {
		return p, false
	}
	for i := 1; i < 6; i++ {
		if numbers[i], err = strconv.Atoi(fields[i]); err != nil {
			return p, false
		}
	}
	p = process{pid: numbers[0], group: numbers[2], foreground: numbers[5], name: s[first+1 : last]}
	// The kernel's new_encode_dev: minor in bits 31-20 and 7-0, major in 19-8.
	nr := uint32(numbers[4])
	p.device = unix.Mkdev(nr>>8&0xfff, nr&0xff|nr>>12&0xfff00)
	return p, true
}

// Majors of terminals (the kernel's devices.txt): consoles, and Unix98 slaves.
const (
	majorConsole = 4
	maxConsole   = 63
	majorSlave   = 136 // with a minor for each; 137 to 143 are history
)

// terminalsOf returns the terminals of processes, in order of their paths.
func terminalsOf(all []process) (list []terminal) {
	byDevice := map[uint64][]process{}
	for _, p := range all {
		byDevice[p.device] = append(byDevice[p.device], p)
	}
	for device, on := range byDevice {
		t := terminal{device: device}
		switch major, minor := unix.Major(device), unix.Minor(device); {
		case major == majorConsole && minor > 0 && minor <= maxConsole:
			t.path = "/dev/tty" + strconv.Itoa(int(minor))
		case major == majorSlave:
			t.path = "/dev/pts/" + strconv.Itoa(int(minor))
		default:
			continue
		}
		// A shell alone in the foreground waits for a line, or is busy with
		// something of its own. With a program beside it, it runs a script.
		var front []process
		for _, p := range on {
			if p.group == p.foreground {
				front = append(front, p)
			}
		}
		t.prompt = len(front) == 1 && slices.Contains(shells, front[0].name)
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b terminal) int { return strings.Compare(a.path, b.path) })
	return list
}
