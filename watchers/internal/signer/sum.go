package signer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ErrChanging is returned by [Files.Sum] for a file that changes while it is read.
var ErrChanging = errors.New("it changes while it is read")

// Sum returns the SHA-256 of a regular file of at most limit bytes, and what
// the path led to. known is asked before anything is read: what it knows of an
// unchanged file is taken. What is read goes through the reader that through
// makes, unless that is nil.
func (f *Files) Sum(name string, limit int64, known func(Found) ([sha256.Size]byte, error), through func(io.Reader) io.Reader) (sum [sha256.Size]byte, found Found, err error) {
	sum, found, err = f.sum(name, limit, known, through)
	if err != nil {
		err = fmt.Errorf("read %q: %w", name, err)
	}
	return sum, found, err
}

// ErrUnknown is what known returns for a file that must be read.
var ErrUnknown = errors.New("not known yet")

func (f *Files) sum(name string, limit int64, known func(Found) ([sha256.Size]byte, error), through func(io.Reader) io.Reader) (sum [sha256.Size]byte, found Found, err error) {
	at, found, err := f.mounts.walk(name)
	if err != nil {
		return sum, found, err
	}
	defer at.close()
	switch {
	case !found.Regular:
		return sum, found, ErrNotFile
	case found.Size > limit:
		return sum, found, fmt.Errorf("%w: %d bytes", ErrTooBig, found.Size)
	}
	if sum, err = known(found); err == nil || !errors.Is(err, ErrUnknown) {
		return sum, found, err
	}
	file, err := at.open(false)
	if err != nil {
		return sum, found, err
	}
	defer file.Close()
	var content io.Reader = file
	if through != nil {
		content = through(file)
	}
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(content, limit+1)); err != nil {
		return sum, found, err
	} else if n != found.Size {
		return sum, found, ErrChanging
	}
	// By the name once more: what is there must be what was read, unchanged.
	if now, err := f.Lookup(found.Path); err != nil || now.Ident != found.Ident {
		return sum, found, ErrChanging
	}
	h.Sum(sum[:0])
	return sum, found, nil
}

// Means reports whether a path means this file to a process, and whether the
// process, if running is set, runs it. It is true of one that has ended: what
// that saw nobody can tell any more. known is false where nobody may look, and
// then same is, too.
func (s *Signer) Means(pid int, name string, file Ident, running bool) (same, known bool) {
	is := func(i Ident) bool { return i.Dev == file.Dev && i.Ino == file.Ino }
	if running {
		i, err := exeIdent(pid)
		return err != nil || is(i), true
	}
	ns := mountNamespace(pidName(pid))
	if ns == "" {
		return true, true
	}
	if r, err := rootIdent(pid); ns == s.ns && err == nil && r.Dev == s.root.Dev && r.Ino == s.root.Ino {
		return true, true
	}
	i, err := identIn(pid, name, &s.files.mounts)
	return err == nil && is(i), err == nil || errors.Is(err, fs.ErrNotExist)
}
