//go:build !unix

package watchers

import "io/fs"

// ownedBy reports whether the file belongs to the user uid. Without uids that
// cannot be told this way; files in a home are its owner's there.
func ownedBy(fs.FileInfo, int) bool { return true }
