package decode

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Linux 6.18 wrote on x86-64: two openers of a file, held, with pidfds.
const fanPerm = "2000000003001800000001000000000008000000a5510000" + "0400080009000000" +
	"200000000300180000000100000000000b000000a6510000" + "040008000c000000"

// And, from a group with FAN_REPORT_DFID_NAME: mkdir .aws, a new file called
// "a\nb", and its rename to .npmrc.
const fanNames = "3c000000030018000001004000000000ffffffff9f510000" + "020024001c48798e472ec08508000000010000008f7cac004524e3d62e61777300000000" +
	"38000000030018000001000000000000ffffffff9f510000" + "020020001c48798e472ec08508000000010000008f7cac004524e3d6610a6200" +
	"3c000000030018008000000000000000ffffffff9f510000" + "020024001c48798e472ec08508000000010000008f7cac004524e3d62e6e706d72630000"

func fanBytes(t testing.TB, s string) []byte {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("recorded on a little-endian machine")
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNextFanotify(t *testing.T) {
	t.Parallel()
	handle := []byte{0x8f, 0x7c, 0xac, 0, 0x45, 0x24, 0xe3, 0xd6}
	const fsid = 0x85c02e478e79481c
	for _, tt := range []struct {
		name, in string
		want     []Fanotify
	}{
		{"held openers", fanPerm, []Fanotify{
			{Mask: FanOpenPerm, FD: 8, PID: 20901, PidFD: 9},
			{Mask: FanOpenPerm, FD: 11, PID: 20902, PidFD: 12},
		}},
		{"names", fanNames, []Fanotify{
			{Mask: FanCreate | FanOnDir, FD: -1, PID: 20895, PidFD: -1, FSID: fsid, HandleType: 1, Handle: handle, Name: []byte(".aws")},
			{Mask: FanCreate, FD: -1, PID: 20895, PidFD: -1, FSID: fsid, HandleType: 1, Handle: handle, Name: []byte("a\nb")},
			{Mask: FanMovedTo, FD: -1, PID: 20895, PidFD: -1, FSID: fsid, HandleType: 1, Handle: handle, Name: []byte(".npmrc")},
		}},
		{"overflow", "180000000300180000400000000000" + "00ffffffff00000000", []Fanotify{{Mask: FanQOverflow, FD: -1, PidFD: -1}}},
		{"an opener that is gone", "2000000003001800000001000000000008000000a5510000" + "04000800ffffffff", []Fanotify{{Mask: FanOpenPerm, FD: 8, PID: 20901, PidFD: -1}}},
		{"without a pidfd", "1800000003001800000001000000000008000000a5510000", []Fanotify{{Mask: FanOpenPerm, FD: 8, PID: 20901, PidFD: -1}}},
		{"information of a kind to come", "2000000003001800000001000000000008000000a5510000" + "7f00080009000000", []Fanotify{{Mask: FanOpenPerm, FD: 8, PID: 20901, PidFD: -1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []Fanotify
			for b := fanBytes(t, tt.in); len(b) > 0; {
				var r Fanotify
				var err error
				if b, err = NextFanotify(b, &r); err != nil {
					t.Fatal(err)
				}
				got = append(got, r)
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNextFanotifyMalformed(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"cut in the header":         fanPerm[:40],
		"cut in the information":    fanPerm[:60],
		"another version":           strings.Replace(fanPerm, "20000000030018", "20000000040018", 1),
		"shorter than its header":   strings.Replace(fanPerm, "20000000030018", "10000000030018", 1),
		"header shorter than known": strings.Replace(fanPerm, "20000000030018", "20000000030010", 1),
		"header longer than it is":  strings.Replace(fanPerm, "20000000030018", "20000000030028", 1),
		"information of no length":  strings.Replace(fanPerm, "04000800", "04000000", 1),
		"information beyond":        strings.Replace(fanPerm, "04000800", "04000900", 1),
		"handle beyond":             strings.Replace(fanNames, "0800000001000000", "ff00000001000000", 1),
		"handle of huge length":     strings.Replace(fanNames, "0800000001000000", "ffffffff01000000", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Fanotify
			if rest, err := NextFanotify(fanBytes(t, in), &r); !errors.Is(err, ErrFanotify) || rest != nil {
				t.Errorf("got %+v, %d bytes left, error %v", r, len(rest), err)
			}
		})
	}
}

func FuzzNextFanotify(f *testing.F) {
	f.Add(fanBytes(f, fanPerm))
	f.Add(fanBytes(f, fanNames))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			var r Fanotify
			rest, err := NextFanotify(b, &r)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			if len(r.Handle)+len(r.Name) > len(b)-len(rest) {
				t.Fatal("longer than its record")
			}
			b = rest
		}
	})
}
