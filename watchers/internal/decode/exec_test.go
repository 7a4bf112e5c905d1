package decode

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// execRecord makes a record as the program in the kernel does.
func execRecord(flags uint32, exe, cwd, args string, all int) []byte {
	n := binary.NativeEndian
	b := n.AppendUint64(nil, 1111)
	b = n.AppendUint64(b, 2222)
	b = n.AppendUint64(b, 3333)
	for _, v := range []uint32{42, 7, 1000, 5, flags, uint32(len(exe)), uint32(len(exe) + len(cwd)), uint32(len(args)), uint32(all)} {
		b = n.AppendUint32(b, v)
	}
	return append(b, exe+cwd+args...)
}

func TestParseExec(t *testing.T) {
	want := Exec{Time: 1111, Start: 2222, ArgStart: 3333, PID: 42, Parent: 7, UID: 1000, Lost: 5}
	for _, tc := range []struct {
		name string
		b    []byte
		want func(*Exec)
	}{
		{"usual", execRecord(0, "dash\x00bin\x00usr\x00", "me\x00home\x00", "sh\x00-c\x00\x00", 7), func(e *Exec) {
			e.Exe, e.Cwd, e.Args = "/usr/bin/dash", "/home/me", []byte("sh\x00-c\x00\x00")
		}},
		{"roots, no arguments", execRecord(0, "init\x00", "", "", 0), func(e *Exec) { e.Exe, e.Cwd = "/init", "/" }},
		{"deleted, too deep, cut", execRecord(1|2|4, "x\x00d\x00", "d\x00", "xy", 9), func(e *Exec) {
			e.Exe, e.Cwd, e.Args, e.Deleted, e.ArgsCut = "/…/d/x", "/…/d", []byte("xy"), true, true
		}},
		{"arguments that could not be read", execRecord(0, "x\x00", "", "", 9), func(e *Exec) { e.Exe, e.Cwd, e.ArgsCut = "/x", "/", true }},
		{"no UTF-8", execRecord(0, "\xff\x00", "", "\xff\x00", 2), func(e *Exec) { e.Exe, e.Cwd, e.Args = "/�", "/", []byte("\xff\x00") }},
	} {
		w := want
		tc.want(&w)
		var got Exec
		if err := ParseExec(tc.b, &got); err != nil || !reflect.DeepEqual(got, w) {
			t.Errorf("%s: %+v, %v; want %+v", tc.name, got, err, w)
		}
	}
	good := execRecord(0, "x\x00", "", "x\x00", 2)
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"half a header":            good[:40],
		"cut short":                good[:len(good)-1],
		"something behind it":      append(append([]byte(nil), good...), 0),
		"program longer than both": change(good, 5, 9),
		"both longer than all":     change(good, 6, 99),
		"more arguments than said": change(good, 8, 1),
		"no process":               change(good, 0, 0),
		"huge":                     execRecord(0, strings.Repeat("x\x00", 10000), "", "", 0),
	} {
		if err := ParseExec(b, &Exec{}); !errors.Is(err, ErrExec) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// change returns b with another number at place i.
func change(b []byte, i int, v uint32) []byte {
	b = append([]byte(nil), b...)
	binary.NativeEndian.PutUint32(b[24+4*i:], v)
	return b
}

func FuzzParseExec(f *testing.F) {
	f.Add(execRecord(7, "dash\x00bin\x00", "me\x00", "sh\x00", 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Exec
		if ParseExec(b, &e) == nil && (!strings.HasPrefix(e.Exe, "/") || !strings.HasPrefix(e.Cwd, "/") || e.PID <= 0 || len(e.Args) > len(b)) {
			t.Errorf("%+v", e)
		}
	})
}
