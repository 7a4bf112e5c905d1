package fanotify

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// access says what an opener asked for.
type access int

const (
	unclear access = iota // not an open() that we understand
	reads                 // its flags allow reading
	writes                // its flags allow writing only
)

// sysnums are the system calls that open a file with flags in a register.
type sysnums struct {
	flagsAt map[int]int // number → index of the argument that holds the flags
	creat   int         // has none: O_WRONLY; 0 where there is no such call
}

// numbersOf returns the calls of an architecture by its name in Go.
//
// Missing on purpose is openat2: its flags lie in the memory of the process,
// where another of its threads can change them while it is held. So are
// io_uring and the calls of 32-bit programs. All of them count as reading.
func numbersOf(arch string) sysnums {
	switch arch {
	case "amd64":
		return sysnums{flagsAt: map[int]int{2: 1, 257: 2, 304: 2}, creat: 85} // open, openat, open_by_handle_at
	case "arm64":
		return sysnums{flagsAt: map[int]int{56: 2, 265: 2}}
	}
	return sysnums{}
}

// accessOf decodes /proc/PID/syscall of a thread that sleeps: the number of
// the system call and its arguments, see proc_pid_syscall(5).
func accessOf(line []byte, arch string) access {
	fields := bytes.Fields(line)
	if len(fields) < 7 {
		return unclear // "running", or "-1 …" for a thread that is in no system call
	}
	nr, err := strconv.Atoi(string(fields[0]))
	if err != nil || nr < 0 {
		return unclear
	}
	calls := numbersOf(arch)
	if calls.creat != 0 && nr == calls.creat {
		return writes
	}
	arg, ok := calls.flagsAt[nr]
	if !ok {
		return unclear
	}
	flags, err := strconv.ParseUint(string(bytes.TrimPrefix(fields[1+arg], []byte("0x"))), 16, 64)
	if err != nil {
		return unclear
	}
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY, unix.O_RDWR:
		return reads
	}
	return writes
}

// maxThreads bounds how many threads of an opener are looked at; a process
// with more of them counts as reading.
const maxThreads = 1024

// writesOnly reports whether process pid is held in an open that does not
// allow reading. fanotify does not tell the flags and names the process only,
// so the thread that is held is looked for. In doubt it says no.
func writesOnly(pid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	var buf [512]byte
	if accessOf(readSmall(proc+"/syscall", buf[:]), runtime.GOARCH) == reads {
		return false // nearly every reader has one thread, or reads in its first
	}
	// An opener tells the kernel's queue of its open before it falls asleep,
	// and may be preempted in between: we may be here first.
	for wait := 20 * time.Microsecond; ; wait *= 2 {
		held, only, settled := heldThreads(proc, buf[:])
		if held || settled || wait > 16*time.Millisecond {
			return only
		}
		time.Sleep(wait)
	}
}

// heldThreads looks at every thread of the process at proc that is held by
// fanotify, which its wait channel says: another one may wait in an open of its
// own, say of a FIFO. only says that there are some and none of them may read,
// settled that no thread is about to be one.
func heldThreads(proc string, buf []byte) (held, only, settled bool) {
	dir, err := os.Open(proc + "/task")
	if err != nil {
		return false, false, true
	}
	defer dir.Close()
	tids, _ := dir.Readdirnames(maxThreads)
	if len(tids) == maxThreads {
		return false, false, true
	}
	settled = true
	for _, tid := range tids {
		task := proc + "/task/" + tid
		call := readSmall(task+"/syscall", buf)
		if bytes.HasPrefix(call, []byte("running")) {
			settled = false
			continue
		}
		asked := accessOf(call, runtime.GOARCH)
		waits := readSmall(task+"/wchan", buf)
		if len(waits) == 0 || string(waits) == "0" {
			settled = false // in no wait at this moment: it may fall asleep again, held
			continue
		}
		if !bytes.Contains(waits, []byte("fanotify")) {
			continue
		}
		if asked != writes {
			return true, false, true // also a worker of io_uring, which is in no system call
		}
		held = true
	}
	return held, held, settled
}

// readSmall reads the beginning of a file under /proc into buf.
func readSmall(path string, buf []byte) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil || n <= 0 {
		return nil
	}
	return buf[:n]
}
