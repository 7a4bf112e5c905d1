package decode

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message builds a proc connector message as the kernel does.
func message(what uint32, time uint64, ack uint32, words ...uint32) []byte {
	e := binary.NativeEndian
	ev := make([]byte, 16, 40)
	e.PutUint32(ev, what)
	e.PutUint32(ev[4:], 1)
	e.PutUint64(ev[8:], time)
	for _, w := range words {
		ev = e.AppendUint32(ev, w)
	}
	b := make([]byte, 36, 36+len(ev))
	e.PutUint32(b, uint32(36+len(ev)))
	e.PutUint16(b[4:], 3) // NLMSG_DONE
	e.PutUint32(b[16:], 1)
	e.PutUint32(b[20:], 1)
	e.PutUint32(b[28:], ack)
	e.PutUint16(b[32:], uint16(len(ev)))
	return append(b, ev...)
}

func TestNextProc(t *testing.T) {
	t.Parallel()
	short := message(ProcFork, 1, 0, 1, 2, 3)
	foreign := message(ProcExec, 1, 0, 7, 7)
	foreign[16] = 9
	tooLong := message(ProcExec, 1, 0, 7, 7)
	binary.NativeEndian.PutUint32(tooLong, 4096)
	badData := message(ProcExec, 1, 0, 7, 7)
	binary.NativeEndian.PutUint16(badData[32:], 60000)
	for _, tc := range []struct {
		name string
		b    []byte
		want Proc
		bad  bool
	}{
		{"fork", message(ProcFork, 5, 3, 10, 11, 12, 13), Proc{What: ProcFork, CPU: 1, Time: 5, Ack: 3, ParentPID: 10, ParentTGID: 11, PID: 12, TGID: 13}, false},
		{"exec", message(ProcExec, 6, 4, 20, 21), Proc{What: ProcExec, CPU: 1, Time: 6, Ack: 4, PID: 20, TGID: 21}, false},
		{"exit", message(ProcExit, 7, 5, 30, 31, 256, 17, 8, 9), Proc{What: ProcExit, CPU: 1, Time: 7, Ack: 5, PID: 30, TGID: 31, ParentPID: 8, ParentTGID: 9}, false},
		{"exit before 4.18", message(ProcExit, 7, 5, 30, 31, 256, 17), Proc{What: ProcExit, CPU: 1, Time: 7, Ack: 5, PID: 30, TGID: 31}, false},
		{"refused", message(ProcNone, 7, 77, 1), Proc{What: ProcNone, CPU: 1, Time: 7, Ack: 77, Err: 1}, false},
		{"another kind", message(0x200, 7, 5, 30, 31), Proc{What: 0x200, CPU: 1, Time: 7, Ack: 5}, false},
		{"short union", short, Proc{}, true},
		{"foreign", foreign, Proc{}, true},
		{"longer than the buffer", tooLong, Proc{}, true},
		{"data longer than the message", badData, Proc{}, true},
		{"empty", nil, Proc{}, true},
	} {
		var got Proc
		_, err := NextProc(tc.b, &got)
		if (err != nil) != tc.bad {
			t.Errorf("%s: error %v", tc.name, err)
			continue
		}
		if err != nil {
			if !errors.Is(err, ErrProc) {
				t.Errorf("%s: %v is not ErrProc", tc.name, err)
			}
			continue
		}
		if d := cmp.Diff(got, tc.want); d != "" {
			t.Errorf("%s (-got +want):\n%s", tc.name, d)
		}
	}
}

func TestNextProcSeveral(t *testing.T) {
	t.Parallel()
	b := append(message(ProcFork, 1, 1, 10, 10, 11, 11), message(ProcExec, 2, 2, 11, 11)...)
	var kinds []uint32
	for len(b) > 0 {
		var p Proc
		var err error
		if b, err = NextProc(b, &p); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, p.What)
	}
	if d := cmp.Diff(kinds, []uint32{ProcFork, ProcExec}); d != "" {
		t.Error(d)
	}
}

func FuzzNextProc(f *testing.F) {
	f.Add(message(ProcFork, 1, 1, 10, 10, 11, 11))
	f.Add(append(message(ProcExec, 1, 1, 10, 10), message(ProcExit, 1, 1, 1, 2, 3, 4, 5, 6)...))
	f.Add(message(ProcNone, 1, 1, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			var p Proc
			rest, err := NextProc(b, &p)
			if err != nil {
				if rest != nil {
					t.Fatal("an error and a rest")
				}
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			b = rest
		}
	})
}
