package inotifyopen

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Linux 6.18 wrote on x86-64 about a folder: a file is created, opened,
// written to, closed and removed, then the folder.
const recorded = "010000000001000000000000100000002e6e706d726300000000000000000000" +
	"010000002000000000000000100000002e6e706d726300000000000000000000" +
	"010000000200000000000000100000002e6e706d726300000000000000000000" +
	"010000000800000000000000100000002e6e706d726300000000000000000000" +
	"010000000002000000000000100000002e6e706d726300000000000000000000" +
	"01000000000400000000000000000000" + "01000000008000000000000000000000"

func recordedBytes(t testing.TB) []byte {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("recorded on a little-endian machine")
	}
	b, err := hex.DecodeString(recorded)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNext(t *testing.T) {
	t.Parallel()
	name := []byte(".npmrc")
	want := []Event{
		{1, Create, name}, {1, Open, name}, {1, 2, name}, {1, CloseWrite, name}, {1, Delete, name},
		{1, DeleteSelf, []byte{}}, {1, Ignored, []byte{}},
	}
	var got []Event
	for b := recordedBytes(t); len(b) > 0; {
		var e Event
		var err error
		if e, b, err = Next(b); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
}

func TestNextMalformed(t *testing.T) {
	t.Parallel()
	whole := recordedBytes(t)
	for _, n := range []int{0, 1, 15, 17, 31} {
		if e, rest, err := Next(whole[:n]); !errors.Is(err, ErrMalformed) || rest != nil {
			t.Errorf("%d bytes: %+v, %v", n, e, err)
		}
	}
	huge := append([]byte{}, whole[:32]...)
	binary.NativeEndian.PutUint32(huge[12:], 0xffffffff)
	if _, _, err := Next(huge); !errors.Is(err, ErrMalformed) {
		t.Errorf("a name of 4 GiB: %v", err)
	}
}

func FuzzNext(f *testing.F) {
	f.Add(recordedBytes(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			e, rest, err := Next(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) || len(e.Name) > len(b) {
				t.Fatal("no progress")
			}
			b = rest
		}
	})
}
