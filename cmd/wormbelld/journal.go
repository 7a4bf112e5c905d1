package main

import (
	"bytes"
	"io"
	"os"
)

// logTo returns where lines of the log are written so that they come out at f.
func logTo(f *os.File) io.Writer {
	if journaled(f) {
		return prioritized{f}
	}
	return f
}

// prioritized is a log whose lines begin with their priority, as sd-daemon(3)
// has it, so that 'journalctl -p warning' finds them. Each Write is one line of
// [slog.TextHandler]; that quotes what comes from outside, so nobody can begin a
// line of their own.
type prioritized struct{ to io.Writer }

func (p prioritized) Write(line []byte) (int, error) {
	if _, err := p.to.Write(append([]byte(priority(line)), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// priority returns the prefix for a line "time=… level=… msg=…", the time of
// which may be missing.
func priority(line []byte) string {
	if bytes.HasPrefix(line, []byte("time=")) {
		_, line, _ = bytes.Cut(line, []byte(" "))
	}
	for _, l := range []struct{ level, prefix string }{{"ERROR", "<3>"}, {"WARN", "<4>"}, {"DEBUG", "<7>"}} {
		if bytes.HasPrefix(line, []byte("level="+l.level)) {
			return l.prefix
		}
	}
	return "<6>"
}

// failed is the prefix of what the program says last, to f, when it cannot run.
func failed(f *os.File) string {
	if journaled(f) {
		return "<3>"
	}
	return ""
}
