package persistence

import (
	"io/fs"
	"syscall"
)

const openSafely = 0

const errNotDir = syscall.ENOTDIR

// systemOwned believes the folder: access lists are not read.
func systemOwned(fs.FileInfo) bool { return true }
