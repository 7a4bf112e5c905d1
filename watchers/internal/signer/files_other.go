//go:build !linux

package signer

import (
	"os"
	"path/filepath"
)

// mounts is not known on this system: nothing is taken for slow.
type mounts struct{}

func (*mounts) open()  {}
func (*mounts) close() {}

// spot is one place on the way along a path.
type spot struct {
	name   string
	status status
}

func (spot) close() {}

func (s spot) readlink() (string, error) { return os.Readlink(s.name) }

func (s spot) open(bool) (*os.File, error) { return os.Open(s.name) }

func (*mounts) top() (spot, error) { return look("/") }

func (*mounts) enter(at spot, component string) (spot, error) {
	return look(filepath.Join(at.name, component))
}

func look(name string) (spot, error) {
	st, err := lstat(name)
	return spot{name, st}, err
}

// status of a file: without an owner nobody is vouched for.
type status struct {
	mode os.FileMode
	Ident
}

func lstat(name string) (status, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return status{}, err
	}
	return status{info.Mode(), Ident{Size: info.Size(), Mtime: info.ModTime().UnixNano()}}, nil
}

func (s *status) regular() bool { return s.mode.IsRegular() }
func (s *status) dir() bool     { return s.mode.IsDir() }
func (s *status) symlink() bool { return s.mode&os.ModeSymlink != 0 }
func (*status) root() bool      { return false }
func (*status) owner() int      { return -1 }
func (*status) open() bool      { return true }
func (*status) names() int      { return 0 }
func (*status) made() int64     { return 0 }
func (*status) rootOnly() bool  { return false }
