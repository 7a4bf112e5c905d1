//go:build !unix

package cli

import "io/fs"

// owners: there are no uids here.
func owners(fs.FileInfo) (uid, gid int) { return -1, -1 }
