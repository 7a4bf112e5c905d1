package watchers

import (
	"os"
	"os/exec"
	"testing"
)

// BenchmarkAt is what an opener waits for: a process that is known.
func BenchmarkAt(b *testing.B) {
	l := NewLineage(LineageConfig{})
	defer l.Close()
	pid := os.Getpid()
	b.ReportAllocs()
	for b.Loop() {
		if l.At(pid) == nil {
			b.Fatal("it is not known")
		}
	}
}

// BenchmarkTake is what an exec costs: reading /proc and asking the signer.
func BenchmarkTake(b *testing.B) {
	l := NewLineage(LineageConfig{})
	defer l.Close()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	l.At(cmd.Process.Pid)
	n := l.tab.nodes[cmd.Process.Pid]
	b.ReportAllocs()
	for b.Loop() {
		l.tab.execed(n, nil)
		l.tab.snapshot(n.run)
		l.tab.news = l.tab.news[:0]
	}
}
