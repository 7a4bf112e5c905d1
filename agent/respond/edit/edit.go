// Package edit changes single values in files that belong to somebody else's
// program: only the value's bytes, with comments, order, mode, owner and
// symbolic links kept, atomically, and not at all if the file is no longer what
// it was.
//
// It knows formats of files, not services.
package edit
