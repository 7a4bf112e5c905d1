package tray

import (
	"maps"
	"os"
	"testing"
)

// TestLike: what the kernel tells of a program that hides its file.
func TestLike(t *testing.T) {
	t.Parallel()
	ours := program{status: map[string]string{"Name": "wormbell-tray", "VmExe": "4100 kB", "VmLib": "8 kB", "TracerPid": "0", "State": "S (sleeping)"}}
	exe, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	ours.exe = exe
	other, err := os.Stat("/bin/sh")
	if err != nil {
		t.Skipf("needs /bin/sh: %v", err)
	}
	for _, tt := range []struct {
		name   string
		change func(p *program)
		want   bool
	}{
		{name: "the same", want: true},
		{name: "another file", change: func(p *program) { p.exe = other }},
		{name: "hidden", change: func(p *program) { p.exe = nil }, want: true},
		{name: "hidden, of another name", change: func(p *program) { p.exe, p.status["Name"] = nil, "python3" }},
		{name: "hidden, of another size", change: func(p *program) { p.exe, p.status["VmExe"] = nil, "4096 kB" }},
		{name: "hidden, with libraries", change: func(p *program) { p.exe, p.status["VmLib"] = nil, "4096 kB" }},
		{name: "nothing is told", change: func(p *program) { p.exe = nil; clear(p.status) }},
		{name: "steered by a debugger", change: func(p *program) { p.status["TracerPid"] = "77" }},
		{name: "stopped", change: func(p *program) { p.status["State"] = "T (stopped)" }},
		{name: "stopped by a debugger", change: func(p *program) { p.status["State"] = "t (tracing stop)" }},
		{name: "ended", change: func(p *program) { p.status["State"] = "Z (zombie)" }},
		{name: "hidden and stopped", change: func(p *program) { p.exe, p.status["State"] = nil, "T (stopped)" }},
		{name: "hidden and steered", change: func(p *program) { p.exe, p.status["TracerPid"] = nil, "77" }},
	} {
		if loading := (program{status: map[string]string{"VmLib": "43000 kB"}}); ours.loads() || !loading.loads() {
			t.Fatal("a static program loads libraries, or another none")
		}
		p := program{exe: ours.exe, status: maps.Clone(ours.status)}
		if tt.change != nil {
			tt.change(&p)
		}
		if got := p.like(ours); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
