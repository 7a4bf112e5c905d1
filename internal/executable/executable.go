// Package executable writes programs for tests to run.
package executable

import (
	"io"
	"os"
	"syscall"
)

// Write makes a program at name that holds text. Unlike after os.WriteFile,
// the program can be run at once also when other tests start processes
// meanwhile: none of them inherits the file open for writing, which the kernel
// refuses to run (ETXTBSY, golang.org/issue/22315). Errors are those of os.
func Write(name, text string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(name, []byte(text), 0o755)
}

// Copy makes a program at to, which must not exist, that holds what from holds,
// in the same way as Write.
func Copy(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}
