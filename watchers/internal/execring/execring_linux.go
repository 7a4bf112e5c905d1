//go:build linux && (amd64 || arm64)

package execring

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
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

// Ring is what the kernel has said and nobody read yet. One goroutine at a time
// may use it.
type Ring struct {
	records *ebpf.Map
	hook    link.Link
	read    []byte  // the page that says how far we have read
	written []byte  // the page that says how far the kernel has written, and the records
	text    []byte  // room for one that goes around the end
	size    uint64  // of the records, a power of two
	lost    uint32  // as the last record says
	pending *uint64 // what read and written hold
	done    *uint64
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
		return nil, fmt.Errorf("have the kernel tell of every exec: %w", err)
	}
	return r, nil
}

func (r *Ring) open() error {
	if _, err := os.Stat(types); err != nil {
		return fmt.Errorf("the kernel does not describe its types: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return err
	}
	var loaded struct {
		OnExec *ebpf.Program `ebpf:"on_exec"`
		Ring   *ebpf.Map     `ebpf:"ring"`
	}
	if err := spec.LoadAndAssign(&loaded, nil); err != nil {
		return brief(err)
	}
	defer loaded.OnExec.Close() // the hook keeps it
	r.records = loaded.Ring
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
	r.done, r.pending = (*uint64)(unsafe.Pointer(&r.read[0])), (*uint64)(unsafe.Pointer(&r.written[0]))
	r.hook, err = link.AttachTracing(link.TracingOptions{Program: loaded.OnExec})
	return err
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

// Drain hands over everything that the kernel has said, without waiting. lost is
// how many records found no room since the last time. What each is given is its
// own to keep. After an error nothing more can be had.
func (r *Ring) Drain(each func(*decode.Exec)) (lost int, err error) {
	data := r.written[os.Getpagesize():]
	at := atomic.LoadUint64(r.done)
	end := atomic.LoadUint64(r.pending)
	var since time.Time
	for at < end {
		n := atomic.LoadUint32((*uint32)(unsafe.Pointer(&data[at&(r.size-1)])))
		if n&busy != 0 {
			if since.IsZero() {
				since = time.Now()
			} else if time.Since(since) > patience {
				break // the next time
			}
			runtime.Gosched()
			continue
		}
		since = time.Time{}
		length := uint64(n &^ (busy | discard))
		if length > r.size-headerLen {
			return lost, fmt.Errorf("read the ring of execs: a record of %d bytes", length)
		}
		if n&discard == 0 {
			e := &decode.Exec{}
			if err := decode.ParseExec(r.cut(data, at+headerLen, length), e); err != nil {
				return lost, fmt.Errorf("read the ring of execs: %w", err)
			}
			lost += int(e.Lost - r.lost)
			r.lost = e.Lost
			each(e)
		}
		at += (headerLen + length + 7) &^ 7
		atomic.StoreUint64(r.done, at)
	}
	clear(r.text) // arguments may hold secrets
	r.text = r.text[:0]
	return lost, nil
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

// Close ends it.
func (r *Ring) Close() error {
	var errs []error
	if r.hook != nil {
		errs = append(errs, r.hook.Close())
	}
	for _, m := range [][]byte{r.read, r.written} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	if r.records != nil {
		errs = append(errs, r.records.Close())
	}
	*r = Ring{}
	return errors.Join(errs...)
}
