package inotifyopen

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Holder is a process that has a file open.
type Holder struct {
	PID   int
	Reads bool // the open allows reading
}

// Bounds of one search, so that a machine with very many processes or open
// files costs a search and not the agent.
const (
	maxProcesses = 32768
	maxFiles     = 4096 // per process
)

// Holders returns the processes that have the file with this device and inode
// open, newest first; a reader is most likely a process that has just begun.
// Only those of uid are looked at, all for uid 0; self is left out. It stops
// at the first process that reads.
func Holders(dev, ino uint64, uid, self int) []Holder {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	names, _ := d.Readdirnames(maxProcesses)
	d.Close()
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != self {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	slices.Reverse(pids)
	var found []Holder
	for _, pid := range pids {
		open, reads := holds(pid, dev, ino, uid)
		if open {
			found = append(found, Holder{pid, reads})
		}
		if reads {
			break
		}
	}
	return found
}

// holds looks through the descriptors of one process.
func holds(pid int, dev, ino uint64, uid int) (open, reads bool) {
	proc := "/proc/" + strconv.Itoa(pid)
	var st unix.Stat_t
	if uid != 0 {
		if err := unix.Stat(proc, &st); err != nil || int(st.Uid) != uid {
			return false, false
		}
	}
	dir, err := os.Open(proc + "/fd")
	if err != nil {
		return false, false
	}
	defer dir.Close()
	var link [1]byte
	fds, _ := dir.Readdirnames(maxFiles)
	for _, fd := range fds {
		// Neither readlink nor fdinfo asks the file system, which may not
		// answer; stat comes last, when the number of the inode matches.
		if n, err := unix.Readlink(proc+"/fd/"+fd, link[:]); err != nil || n == 0 || link[0] != '/' {
			continue // a socket, a pipe
		}
		info, err := os.ReadFile(proc + "/fdinfo/" + fd)
		if err != nil {
			continue
		}
		if n, ok := field(info, "ino:", 10); ok && n != ino {
			continue
		}
		if err := unix.Stat(proc+"/fd/"+fd, &st); err != nil || st.Dev != dev || st.Ino != ino {
			continue
		}
		flags, ok := field(info, "flags:", 8)
		if ok && flags&unix.O_PATH != 0 {
			continue
		}
		open = true
		if mode := flags & unix.O_ACCMODE; !ok || mode == unix.O_RDONLY || mode == unix.O_RDWR {
			return true, true
		}
	}
	return open, false
}

// field returns a number from the lines of /proc/PID/fdinfo/FD.
func field(info []byte, name string, base int) (uint64, bool) {
	for line := range bytes.Lines(info) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), base, 64)
			return n, err == nil
		}
	}
	return 0, false
}
