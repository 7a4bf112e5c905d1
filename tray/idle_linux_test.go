package tray_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestIdle measures what the tray costs while nothing happens, in a desktop
// with a panel and an agent. It is run by hand, as the figure is the machine's:
//
//	WORMBELL_IDLE=60s go test ./tray -run TestIdle -v
func TestIdle(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("WORMBELL_IDLE"))
	if err != nil {
		t.Skip("needs WORMBELL_IDLE, how long to measure: 60s")
	}
	d := newDesktop(t)
	bin := build(t, "")
	a := d.agent(bin)
	a.launch()
	d.panel()
	tray := d.start("wormbell-tray", d.command(filepath.Join(bin, "wormbell-tray"), "--socket", a.socket))
	d.says("No open alerts")
	time.Sleep(5 * time.Second) // the start is over
	before := cpu(t, tray.Process.Pid)
	time.Sleep(span)
	used := cpu(t, tray.Process.Pid) - before
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tray.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "RssAnon") || strings.HasPrefix(line, "Threads") || strings.HasPrefix(line, "VmHWM") {
			t.Log(strings.TrimSpace(line))
		}
	}
	t.Logf("%v of processor time in %v: %.3f %% of a core", used, span, 100*used.Seconds()/span.Seconds())
}

// cpu is the processor time that a process has used, in ticks of 10 ms,
// proc_pid_stat(5).
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
