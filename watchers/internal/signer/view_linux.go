package signer

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func pidName(pid int) string { return strconv.Itoa(pid) }

// mountNamespace names the mount namespace of a process; "" if we may not know.
func mountNamespace(pid string) string {
	ns, _ := os.Readlink("/proc/" + pid + "/ns/mnt")
	return ns
}

// identOf follows symlinks, also those of /proc.
func identOf(name string) (Ident, error) {
	var st unix.Statx_t
	err := statx(unix.AT_FDCWD, name, 0, &st)
	s := statusOf(&st)
	return s.Ident, err
}

// exeIdent identifies the file that a process runs, whatever its name means now.
func exeIdent(pid int) (Ident, error) { return identOf("/proc/" + pidName(pid) + "/exe") }

// rootIdent identifies what a process takes for "/".
func rootIdent(pid int) (Ident, error) { return identOf("/proc/" + pidName(pid) + "/root") }

// identIn identifies what a name means to a process, symlinks followed within
// its own root. What it sees may be of its own making.
func identIn(pid int, name string, ours *mounts) (Ident, error) {
	at, found, err := mountsOf(pid, ours).walk(name)
	if err != nil {
		return Ident{}, err
	}
	at.close()
	return found.Ident, nil
}
