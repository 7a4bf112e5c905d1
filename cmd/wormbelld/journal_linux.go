package main

import (
	"fmt"
	"os"
	"syscall"
)

// journaled reports whether what is written to f goes to the journal.
// JOURNAL_STREAM alone does not say so: what is started in a desktop finds it,
// too, with another output; systemd.exec(5).
func journaled(f *os.File) bool {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
