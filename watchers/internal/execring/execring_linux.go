//go:build linux && (amd64 || arm64)

package execring

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/decode"
)

// object is exec.bpf.c as clang made it, see `make bpf`. It is for every little-endian
// machine: where the kernel's fields lie is filled in when it is loaded.
//
//go:embed exec.bpf.o
var object []byte

// types is where a kernel with BTF describes its types. The library would look
// for other descriptions, of whichever kernel.
const types = "/sys/kernel/btf/vmlinux"

// initialPids is the inode of the first namespace of PIDs, whose numbers the
// kernel's program tells; PROC_PID_INIT_INO of include/linux/proc_ns.h.
const initialPids = 0xeffffffc

// Ring is what the kernel has said and nobody read yet. One goroutine at a time
// may use it; Listen, Near and Wake may run beside the others.
type Ring struct {
	records *ebpf.Map
	near    *ebpf.Map
	calls   *ebpf.Map
	hooks   []link.Link
	read    []byte  // the page that says how far we have read
	written []byte  // the page that says how far the kernel has written, and the records
	called  []byte  // the page that counts the calls
	text    []byte  // room for one that goes around the end
	size    uint64  // of the records, a power of two
	lost    uint32  // as the last record says
	pending *uint64 // what read and written hold
	done    *uint64
	file    *os.File    // a second descriptor of the ring, for waiting
	kicked  atomic.Bool // Listen is to go round
}

// Open loads the program and lets it run at every exec from now on. It fails
// where the kernel cannot or does not want to. Memory that the kernel's BTF took
// meanwhile is given back.
func Open() (*Ring, error) {
	r := &Ring{}
	err := r.open()
	debug.FreeOSMemory() // the types took more than all the rest of the agent
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("have the kernel tell of processes: %w", err)
	}
	return r, nil
}

func (r *Ring) open() error {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &own); err != nil || own.Ino != initialPids {
		return errors.New("the kernel tells PIDs of the whole machine, and this is a namespace of its own")
	}
	if _, err := os.Stat(types); err != nil {
		return fmt.Errorf("the kernel does not describe its types: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return err
	}
	var loaded struct {
		OnFork *ebpf.Program `ebpf:"on_fork"`
		OnExec *ebpf.Program `ebpf:"on_exec"`
		OnExit *ebpf.Program `ebpf:"on_exit"`
		Ring   *ebpf.Map     `ebpf:"ring"`
		Near   *ebpf.Map     `ebpf:"near"`
		Calls  *ebpf.Map     `ebpf:"calls"`
	}
	if err := spec.LoadAndAssign(&loaded, nil); err != nil {
		return brief(err)
	}
	programs := []*ebpf.Program{loaded.OnExit, loaded.OnExec, loaded.OnFork}
	for _, p := range programs {
		defer p.Close() // the hook keeps it
	}
	r.records, r.near, r.calls = loaded.Ring, loaded.Near, loaded.Calls
	if err := r.mapped(); err != nil {
		return err
	}
	for _, p := range programs { // the end of a process that is not known yet does no harm
		hook, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return err
		}
		r.hooks = append(r.hooks, hook)
	}
	return nil
}

// mapped maps what the kernel writes, and prepares to wait for it.
func (r *Ring) mapped() (err error) {
	page := os.Getpagesize()
	r.size = uint64(r.records.MaxEntries())
	// Not twice, as libbpf does, so that a record lies in one piece also at the
	// end: that would count as twice the memory.
	if r.read, err = unix.Mmap(r.records.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	if r.written, err = unix.Mmap(r.records.FD(), int64(page), page+int(r.size), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	if r.called, err = unix.Mmap(r.calls.FD(), 0, page, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map the count of calls: %w", err)
	}
	r.done, r.pending = (*uint64)(unsafe.Pointer(&r.read[0])), (*uint64)(unsafe.Pointer(&r.written[0]))
	// The runtime waits for it, edge-triggered: it is told that we are woken, not
	// that there is something to read.
	fd, err := unix.FcntlInt(uintptr(r.records.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return fmt.Errorf("wait for the ring: %w", err)
	}
	r.file = os.NewFile(uintptr(fd), "ring of processes")
	return r.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait for it
}

// brief takes the verifier's log out of an error: it has thousands of lines.
func brief(err error) error {
	if v, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		return fmt.Errorf("load the program: %w", v.Cause)
	}
	return err
}

// Each record begins with its length and two flags; Documentation/bpf/ringbuf.rst.
const (
	headerLen = 8
	busy      = 1 << 31
	discard   = 1 << 30
	// patience is how long a record is waited for that another processor is
	// about to finish. It takes a microsecond, if that processor is a real one.
	patience = 2 * time.Millisecond
)

// Drain hands over everything that the kernel has said, without waiting, e
// being nil for what is no exec. lost is how many records found no room since the
// last time. p is good during the call; e is each's own to keep. After an error
// nothing more can be had.
func (r *Ring) Drain(each func(p *decode.Proc, e *decode.Exec)) (lost int, err error) {
	at := atomic.LoadUint64(r.done)
	defer func() {
		clear(r.text) // arguments may hold secrets
		r.text = r.text[:0]
	}()
	// To the very end: of records that come while we are not there yet, nobody is
	// told. But others shall not keep us here for ever.
	for begun := at; ; {
		end := atomic.LoadUint64(r.pending)
		if at == end {
			return lost, nil
		}
		if at-begun > r.size {
			r.Wake()
			return lost, nil
		}
		n := 0
		if at, n, err = r.upTo(end, at, each); err != nil || at < end { // or else the kernel wakes us when the next one is complete
			return lost + n, err
		}
		lost += n
	}
}

// upTo hands over what lies between two places, and returns how far it came.
func (r *Ring) upTo(end, at uint64, each func(*decode.Proc, *decode.Exec)) (to uint64, lost int, err error) {
	data := r.written[os.Getpagesize():]
	var since time.Time
	var p decode.Proc
	for at < end {
		n := atomic.LoadUint32((*uint32)(unsafe.Pointer(&data[at&(r.size-1)])))
		if n&busy != 0 {
			if since.IsZero() {
				since = time.Now()
			} else if time.Since(since) > patience {
				return at, lost, nil // the next time
			}
			runtime.Gosched()
			continue
		}
		since = time.Time{}
		length := uint64(n &^ (busy | discard))
		if length > r.size-headerLen {
			return at, lost, fmt.Errorf("read the ring of processes: a record of %d bytes", length)
		}
		if n&discard == 0 {
			e, err := decode.ParseTold(r.cut(data, at+headerLen, length), &p)
			if err != nil {
				return at, lost, fmt.Errorf("read the ring of processes: %w", err)
			}
			lost += int(p.Lost - r.lost)
			r.lost = p.Lost
			each(&p, e)
		}
		at += (headerLen + length + 7) &^ 7
		atomic.StoreUint64(r.done, at)
	}
	return at, lost, nil
}

// cut returns one record in one piece.
func (r *Ring) cut(data []byte, at, length uint64) []byte {
	begin := at & (r.size - 1)
	if begin+length <= r.size {
		return data[begin : begin+length]
	}
	r.text = append(append(r.text[:0], data[begin:]...), data[:begin+length-r.size]...)
	return r.text
}

// Near has Listen called at once for what a process does from now on, and for
// all that it forks.
func (r *Ring) Near(pid int) error {
	return r.near.Put(uint32(pid), uint32(1))
}

// Listen calls ready now, and again each time there is something to drain: at
// once if it is of a process that is near, else within batch of the first that
// has come, so that many wake us once. It returns when ctx is done or ready fails;
// the error is ctx's, ready's or the kernel's.
func (r *Ring) Listen(ctx context.Context, batch time.Duration, ready func() error) error {
	raw, err := r.file.SyscallConn()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(ended)
		r.Wake()
	})
	defer func() {
		if !cancel() {
			<-ended
		}
	}()
	calls := (*uint64)(unsafe.Pointer(&r.called[0]))
	for ctx.Err() == nil {
		seen := atomic.LoadUint64(calls)
		if err := ready(); err != nil {
			return err
		}
		called := func() bool { return r.kicked.Load() || atomic.LoadUint64(calls) != seen }
		if err := r.wait(raw, time.Time{}, func() bool { return called() || atomic.LoadUint64(r.pending) != atomic.LoadUint64(r.done) }); err != nil {
			return err
		}
		if err := r.wait(raw, time.Now().Add(batch), called); err != nil {
			return err
		}
		r.kicked.Store(false)
	}
	return ctx.Err()
}

// wait waits until something is so, which it asks each time that the kernel wakes
// us, or until a time.
func (r *Ring) wait(raw syscall.RawConn, until time.Time, so func() bool) error {
	r.file.SetReadDeadline(until)
	err := raw.Read(func(uintptr) bool { return so() })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for the ring: %w", err)
	}
	return nil
}

// Wake has Listen go round once.
func (r *Ring) Wake() {
	r.kicked.Store(true) // first: who sets another deadline asks for it next
	r.file.SetReadDeadline(time.Unix(1, 0))
}

// Close ends it. Listen must have returned.
func (r *Ring) Close() error {
	var errs []error
	for _, h := range r.hooks {
		errs = append(errs, h.Close())
	}
	for _, m := range [][]byte{r.read, r.written, r.called} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	for _, m := range []*ebpf.Map{r.records, r.near, r.calls} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	r.hooks, r.read, r.written, r.called, r.records, r.near, r.calls, r.file = nil, nil, nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}
