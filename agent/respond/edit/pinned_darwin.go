package edit

import "golang.org/x/sys/unix"

// pinned says what keeps the file or folder at path from being replaced or
// written to although its mode would let us, "" for nothing that is known:
// chflags(1)'s flags.
func pinned(path string) string {
	// sys/stat.h: UF_IMMUTABLE, SF_IMMUTABLE; UF_APPEND, SF_APPEND
	const immutable, appendOnly = 0x2 | 0x20000, 0x4 | 0x40000
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err != nil:
		return ""
	case st.Flags&immutable != 0:
		return "is marked immutable (chflags uchg)"
	case st.Flags&appendOnly != 0:
		return "is marked append-only (chflags uappnd)"
	}
	return ""
}
