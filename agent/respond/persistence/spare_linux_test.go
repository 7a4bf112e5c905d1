package persistence

import "testing"

// TestSpare: we, who started us and what we are about to start are spared, and
// nobody else.
func TestSpare(t *testing.T) {
	all := map[int]*process{
		10: {pid: 10, ppid: 1, exe: "/bin/bash"},
		20: {pid: 20, ppid: 10, exe: "/opt/wormbell"},
		21: {pid: 21, ppid: 20, exe: "/opt/wormbell"},   // forked a moment ago
		22: {pid: 22, ppid: 20, exe: "/usr/bin/node"},   // that was a moment before
		23: {pid: 23, ppid: 20, exe: ""},                // not known
		30: {pid: 30, ppid: 10, exe: "/opt/wormbell"},   // another's
		31: {pid: 31, ppid: 21, exe: "/home/me/poller"}, // below what is about to execute
	}
	spare(all, 20)
	for pid, p := range all {
		if want := pid == 10 || pid == 20 || pid == 21; (p.spared != "") != want {
			t.Errorf("process %d is spared: %q, want %v", pid, p.spared, want)
		}
	}
	spare(map[int]*process{}, 20)
}
