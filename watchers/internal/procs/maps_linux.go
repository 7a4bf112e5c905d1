package procs

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"
)

// Maps reads which files processes have mapped as code. It is safe for
// concurrent use.
type Maps struct {
	busy chan struct{} // one element for every reading that goes on or hangs
}

// NewMaps returns a Maps.
func NewMaps() *Maps { return &Maps{busy: make(chan struct{}, hungMax)} }

// mapsMax bounds the lines that are read of one process; node has 300.
const mapsMax = 20_000

// Code returns the files that a process has mapped as code, each once. The
// error is [ErrStalled] if it keeps us from reading; another one means that
// nobody may look, or that it has gone.
func (m *Maps) Code(pid int) ([]Mapped, error) {
	select {
	case m.busy <- struct{}{}:
	default:
		return nil, ErrStalled
	}
	type answer struct {
		files []Mapped
		err   error
	}
	done := make(chan answer, 1)
	go func() { // ends when the kernel has answered
		defer func() { <-m.busy }()
		files, err := readMaps(pid)
		done <- answer{files, err}
	}()
	t := time.NewTimer(stall)
	defer t.Stop()
	select {
	case a := <-done:
		return a.files, a.err
	case <-t.C:
		return nil, ErrStalled
	}
}

func readMaps(pid int) (files []Mapped, err error) {
	f, err := os.Open(procPath(pid, "/maps"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := map[Mapped]bool{}
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 8<<10), 64<<10)
	for n := 0; in.Scan(); n++ {
		if n == mapsMax {
			return nil, ErrStalled // more than any program has, so that nobody looks through it
		}
		if m, ok := parseMapped(in.Text()); ok && !seen[m] {
			seen[m] = true
			files = append(files, m)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return nil, ErrStalled
	}
	return files, in.Err()
}

// parseMapped reads a line of proc_pid_maps(5): "FROM-TO r-xp OFFSET DEV INODE PATH".
func parseMapped(line string) (m Mapped, ok bool) {
	f := strings.SplitN(line, " ", 6)
	if len(f) < 6 || len(f[1]) < 3 || f[1][2] != 'x' {
		return m, false
	}
	m.Ino, _ = strconv.ParseUint(f[4], 10, 64)
	if m.Path = strings.TrimLeft(f[5], " "); m.Path == "" || m.Path[0] != '/' {
		return m, false // the kernel's, or memory that is no file's
	}
	m.Path, m.Deleted = strings.CutSuffix(m.Path, " (deleted)")
	return m, true
}
