package procs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stall is how long a process may take to let us read its memory. Reading
// cmdline and environ goes through it, and a page of it may lie on a file
// system that its owner never lets answer.
const stall = 50 * time.Millisecond

// hungMax is how many such readers may hang, two of a process, before memory is read no more.
const hungMax = 16

// execTime is how long a process is looked at again and again that is in the
// middle of an exec. Whoever asks waits meanwhile, so it is far below stall.
const execTime = 5 * time.Millisecond

// Reader reads /proc. One goroutine at a time may use it.
type Reader struct {
	worker *worker
	timer  *time.Timer
	buf    []byte
	hung   chan struct{} // one element for every worker that was given up on and still hangs
	late   chan Late     // what those have read that hang no more
	ticket uint64        // the last that was given out
}

// NewReader returns a reader; Close ends its goroutine.
func NewReader() *Reader {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Reader{timer: t, buf: make([]byte, 4096), hung: make(chan struct{}, hungMax), late: make(chan Late, hungMax)}
}

// Close ends the reader's goroutine. One that hangs inside the kernel cannot be
// ended; it goes when the process that stalls it does.
func (r *Reader) Close() {
	if r.worker != nil {
		close(r.worker.ask)
		<-r.worker.done
		r.worker = nil
	}
}

// Stat reads /proc/PID/stat. The error is ErrGone if there is no such process.
func (r *Reader) Stat(pid int) (Stat, error) {
	return r.stat(unix.AT_FDCWD, procPath(pid, "/stat"), pid)
}

func (r *Reader) stat(dir int, name string, pid int) (Stat, error) {
	b, err := r.slurp(dir, name)
	if err != nil {
		return Stat{}, gone(pid, err)
	}
	s, ok := parseStat(b)
	if !ok {
		return Stat{}, fmt.Errorf("read stat of process %d: %d bytes that are none", pid, len(b))
	}
	return s, nil
}

// Read reads everything about a process. Whatever could not be read is zero;
// the error is ErrGone if the process itself is not there. A zombie has
// nothing but its Stat.
func (r *Reader) Read(pid int) (Info, error) {
	var i Info
	// Relative to one descriptor, so that all of it is about one process even
	// if its PID is used again meanwhile.
	dir, err := unix.Open(procPath(pid, ""), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return i, gone(pid, err)
	}
	defer unix.Close(dir)
	if i.Stat, err = r.stat(dir, "stat", pid); err != nil {
		return i, err
	}
	i.UID = -1
	if b, err := r.slurp(dir, "status"); err == nil {
		i.UID = realUID(b)
	}
	if i.Exe, err = r.link(dir, "exe"); errors.Is(err, unix.ENAMETOOLONG) {
		i.Exe = "/…/" + strings.ToValidUTF8(i.Name, "�") // so deep that nothing can name it, least of all vouch for it
	} else if err != nil {
		return i, nil // a kernel thread, a zombie or somebody else's
	}
	if name, cut := strings.CutSuffix(i.Exe, " (deleted)"); cut {
		i.Exe, i.Deleted = name, true
	}
	i.Cwd, _ = r.link(dir, "cwd")
	i.Cwd = strings.TrimSuffix(i.Cwd, " (deleted)")
	if i.Args, i.Env, i.Stalled = r.memory(dir); i.Stalled {
		i.Ticket = r.ticket
	}
	return i, nil
}

// Late returns what stalled processes have let us read since. Of one process it
// may tell twice.
func (r *Reader) Late() (all []Late) {
	for {
		select {
		case l := <-r.late:
			all = append(all, l)
		default:
			return all
		}
	}
}

// Pids lists the processes there are.
func Pids() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := make([]int, 0, len(names))
	for _, n := range names {
		if n[0] >= '1' && n[0] <= '9' {
			if pid, err := strconv.Atoi(n); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// LastPid returns the PID that was given out last, threads included. As long
// as it stays the same no process has started.
func (r *Reader) LastPid() (int, error) {
	b, err := r.slurp(unix.AT_FDCWD, "/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", "/proc/loadavg", err)
	}
	b = bytes.TrimSpace(b)
	return strconv.Atoi(string(b[bytes.LastIndexByte(b, ' ')+1:]))
}

// BootTime returns when the machine started, in whole seconds: the kernel's
// own figure, so that a process has the same start for every run of the agent.
func BootTime() (time.Time, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "btime" {
			sec, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read the time of boot: %w", err)
			}
			return time.Unix(sec, 0).UTC(), nil
		}
	}
	return time.Time{}, errors.New("read the time of boot: the kernel does not tell")
}

// Uptime is how long the machine is up, suspended time included: a clock that
// nobody sets.
func Uptime() time.Duration { return clock(unix.CLOCK_BOOTTIME) }

// Monotonic is the clock of Proc.Time: it stands still while the machine is suspended.
func Monotonic() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

// Tick is how exact the times of files are: the kernel stamps them with the time of
// its last tick (clock_getres(2), CLOCK_REALTIME_COARSE); 10 ms if that is not known.
func Tick() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_REALTIME_COARSE, &ts); err != nil {
		return 10 * time.Millisecond
	}
	return time.Duration(ts.Nano())
}

func clock(id int32) time.Duration {
	var ts unix.Timespec
	// Raw, because it never waits: to be told of a call that may is more work for
	// the runtime than the clock is for the kernel.
	if _, _, err := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0); err != 0 {
		return 0 // cannot happen: both clocks are older than our oldest kernel
	}
	return time.Duration(ts.Nano())
}

// StdinTTY reports whether a process reads from a terminal.
func StdinTTY(pid int) bool {
	name, err := os.Readlink(procPath(pid, "/fd/0"))
	return err == nil && (strings.HasPrefix(name, "/dev/pts/") || strings.HasPrefix(name, "/dev/tty") ||
		strings.HasPrefix(name, "/dev/console") || strings.HasPrefix(name, "/dev/hvc"))
}

func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + name }

func gone(pid int, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return fmt.Errorf("read process %d: %w", pid, err)
}

// slurp reads a file of /proc that fits r.buf.
func (r *Reader) slurp(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, r.buf)
	if err != nil {
		return nil, err
	}
	return r.buf[:n], nil
}

func (r *Reader) link(dir int, name string) (string, error) {
	n, err := unix.Readlinkat(dir, name, r.buf)
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(r.buf[:n]), "�"), nil
}

// realUID finds the line "Uid:\treal\teffective\tsaved\tfs".
func realUID(status []byte) int {
	_, after, ok := bytes.Cut(status, []byte("\nUid:\t"))
	if !ok {
		return -1
	}
	f, _, _ := bytes.Cut(after, []byte{'\t'})
	uid, err := strconv.Atoi(string(f))
	if err != nil {
		return -1
	}
	return uid
}

// worker reads what lies in the memory of a process, and may hang there.
type worker struct {
	ask    chan int // descriptor of /proc/PID, owned by the worker
	answer chan memory
	done   chan struct{}
	buf    []byte
}

type memory struct {
	args []string
	env  *Env
}

// memory reads arguments and environment, or gives up. On a starved machine a
// reader can come too late for no reason of the process's, so there is a second
// one; what really hangs is bounded all the same, and both together are over
// before an opener that waits for the answer is let go (100 ms).
func (r *Reader) memory(dir int) (args []string, env *Env, stalled bool) {
	r.ticket++
	if args, env, stalled = r.try(dir, stall); stalled {
		args, env, stalled = r.try(dir, stall/2)
	}
	return args, env, stalled
}

func (r *Reader) try(dir int, within time.Duration) (args []string, env *Env, stalled bool) {
	if len(r.hung) == hungMax {
		return nil, nil, true
	}
	if r.worker == nil {
		r.worker = &worker{make(chan int), make(chan memory, 1), make(chan struct{}), make([]byte, memoryBuf)}
		go r.worker.run() // reads memory; ends with Close
	}
	own, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nil, false
	}
	r.worker.ask <- own
	select { // nearly always there before a timer would be set
	case m := <-r.worker.answer:
		return m.args, m.env, false
	default:
	}
	r.timer.Reset(within)
	select {
	case m := <-r.worker.answer:
		r.timer.Stop()
		return m.args, m.env, false
	case <-r.timer.C:
	}
	// It hangs. Leave it to itself and take another one the next time.
	w, hung, late, ticket := r.worker, r.hung, r.late, r.ticket
	r.worker = nil
	close(w.ask)
	hung <- struct{}{} // has room: only we put, and only below the limit
	go func() {        // gives the place back once the kernel lets go
		<-w.done
		m := <-w.answer
		select {
		case late <- Late{ticket, m.args, m.env}:
		default: // nobody has asked for a long time
		}
		<-hung
	}()
	return nil, nil, true
}

func (w *worker) run() {
	defer close(w.done)
	for dir := range w.ask {
		w.answer <- w.look(dir)
	}
}

func (w *worker) look(dir int) memory {
	defer unix.Close(dir)
	defer clear(w.buf) // an environment is full of secrets
	m := memory{w.args(dir), w.env(dir)}
	// In the middle of an exec a process has neither, and then arguments alone
	// for as long as the kernel takes to lay out an environment of megabytes. It
	// must not pass for one with nothing in its environment.
	for begun := time.Now(); m.env != nil && *m.env == (Env{}); {
		before := w.layout(dir)
		m = memory{w.args(dir), w.env(dir)}
		if before.code != 0 && before == w.layout(dir) {
			break
		}
		if len(m.args) == 0 || before.code != 0 || time.Since(begun) > execTime { // it ends, or has begun another exec
			m.env = nil
			break
		}
		time.Sleep(time.Millisecond / 4)
	}
	if len(m.args) == 0 {
		m.env = nil
	}
	return m
}

// layout says where a process's program lies in memory.
type layout struct {
	code       uint64 // 0 until an exec has laid out arguments and environment
	stack, arg uint64
}

// layout reads fields 26, 28 and 48 of /proc/PID/stat, proc_pid_stat(5). That
// the first is set after the environment is load_elf_binary()'s way in the
// kernel's fs/binfmt_elf.c.
func (w *worker) layout(dir int) (l layout) {
	fd, err := unix.Openat(dir, "stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return l
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, w.buf)
	if err != nil {
		return l
	}
	f := bytes.Fields(w.buf[bytes.LastIndexByte(w.buf[:n], ')')+1 : n]) // from field 3 on
	for field, to := range map[int]*uint64{26: &l.code, 28: &l.stack, 48: &l.arg} {
		if field-3 < len(f) {
			*to, _ = strconv.ParseUint(string(f[field-3]), 10, 64)
		}
	}
	return l
}

func (w *worker) args(dir int) []string {
	fd, err := unix.Openat(dir, "cmdline", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n := 0
	for n < cmdlineMax {
		k, err := unix.Read(fd, w.buf[n:cmdlineMax])
		if err != nil {
			return nil
		}
		if k == 0 {
			return ParseArgs(w.buf[:n], false)
		}
		n += k
	}
	return ParseArgs(w.buf[:n], true)
}

// env reads an environment piece by piece: it may have megabytes, and what
// matters may stand at its end. nil if it could not be read to the end.
func (w *worker) env(dir int) *Env {
	fd, err := unix.Openat(dir, "environ", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var p envParser
	for total := 0; total <= environMax; {
		n, err := unix.Read(fd, w.buf[p.kept:])
		if err != nil {
			return nil
		}
		if n == 0 {
			return p.end(w.buf)
		}
		total += n
		p.take(w.buf, n)
	}
	return nil
}
