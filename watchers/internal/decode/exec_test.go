package decode

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// told makes how a record begins, as the program in the kernel does.
func told(what, pid, parent uint32) []byte {
	n := binary.NativeEndian
	b := n.AppendUint64(nil, 1111)
	b = n.AppendUint64(b, 2222)
	for _, v := range []uint32{what, pid, parent, 5} {
		b = n.AppendUint32(b, v)
	}
	return b
}

// execRecord makes a record of an exec.
func execRecord(flags uint32, exe, cwd, args string, all int) []byte {
	n := binary.NativeEndian
	b := n.AppendUint64(told(ProcExec, 42, 7), 3333)
	for _, v := range []uint32{1000, flags, uint32(len(exe)), uint32(len(exe) + len(cwd)), uint32(len(args)), uint32(all)} {
		b = n.AppendUint32(b, v)
	}
	return append(b, exe+cwd+args...)
}

func TestParseTold(t *testing.T) {
	want := Exec{Start: 2222, ArgStart: 3333, PID: 42, Parent: 7, UID: 1000}
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
		var p Proc
		got, err := ParseTold(tc.b, &p)
		if err != nil || !reflect.DeepEqual(*got, w) {
			t.Errorf("%s: %+v, %v; want %+v", tc.name, got, err, w)
		}
		if want := (Proc{What: ProcExec, Time: 1111, Start: 2222, Lost: 5, PID: 42, TGID: 42}); p != want {
			t.Errorf("%s: %+v, want %+v", tc.name, p, want)
		}
	}
	for what, want := range map[uint32]Proc{
		ProcFork: {What: ProcFork, Time: 1111, Start: 2222, Lost: 5, PID: 42, TGID: 42, ParentPID: 7, ParentTGID: 7},
		ProcExit: {What: ProcExit, Time: 1111, Start: 2222, Lost: 5, PID: 42, TGID: 42},
	} {
		var p Proc
		if e, err := ParseTold(told(what, 42, 7), &p); e != nil || err != nil || p != want {
			t.Errorf("%#x: %+v, %+v, %v", what, p, e, err)
		}
	}
	good := execRecord(0, "x\x00", "", "x\x00", 2)
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"half a beginning":         good[:20],
		"half a header":            good[:40],
		"no kind":                  told(3, 42, 7),
		"a fork of nobody":         told(ProcFork, 0, 7),
		"a fork with more":         append(told(ProcFork, 42, 7), 0),
		"cut short":                good[:len(good)-1],
		"something behind it":      append(append([]byte(nil), good...), 0),
		"program longer than both": change(good, 48, 9),
		"both longer than all":     change(good, 52, 99),
		"more arguments than said": change(good, 60, 1),
		"no process":               change(good, 20, 0),
		"huge":                     execRecord(0, strings.Repeat("x\x00", 10000), "", "", 0),
	} {
		if _, err := ParseTold(b, &Proc{}); !errors.Is(err, ErrTold) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// change returns b with another number at byte i.
func change(b []byte, i int, v uint32) []byte {
	b = append([]byte(nil), b...)
	binary.NativeEndian.PutUint32(b[i:], v)
	return b
}

func FuzzParseTold(f *testing.F) {
	f.Add(execRecord(7, "dash\x00bin\x00", "me\x00", "sh\x00", 9))
	f.Add(told(ProcFork, 42, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Proc
		e, err := ParseTold(b, &p)
		if err == nil && (p.PID <= 0 || (e != nil) != (p.What == ProcExec)) || e != nil && (!strings.HasPrefix(e.Exe, "/") || !strings.HasPrefix(e.Cwd, "/") || len(e.Args) > len(b)) {
			t.Errorf("%+v, %+v", p, e)
		}
	})
}
