package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestHurry: in a session of its own the agent asks for all of that, and leaves
// one that it shares as it is.
func TestHurry(t *testing.T) {
	const helper = "WORMBELL_HURRY"
	group := func() string {
		b, err := os.ReadFile("/proc/self/autogroup")
		if err != nil {
			t.Skipf("needs a kernel that groups by sessions: %v", err)
		}
		return strings.TrimSpace(string(b[strings.IndexByte(string(b), ' ')+1:]))
	}
	before := group()
	if os.Getenv(helper) != "" {
		hurry()
		fmt.Println("now:", group())
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it may ask for more")
	}
	for own, want := range map[bool]string{true: "nice -10", false: before} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHurry$")
		cmd.Env = append(os.Environ(), helper+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: own}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "now: "+want+"\n") {
			t.Errorf("a session of its own: %v: wants %q, says %q, %v", own, want, out, err)
		}
	}
}
