package watchers

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// connectionsOf runs the watcher and returns where it writes, and how to ask for a tree.
func connectionsOf(t *testing.T) (*credOut, *Lineage, *Trees) {
	t.Helper()
	l := NewLineage(LineageConfig{Log: slog.New(slog.DiscardHandler)})
	trees, o := NewTrees(), &credOut{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- runConnections(ctx, Host{Log: slog.New(slog.DiscardHandler), Lineage: l, Trees: trees}, o)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return o, l, trees
}

// await waits for a connection of a process and returns it.
func (o *credOut) await(t *testing.T, address string) wormbell.Event {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		o.mu.Lock()
		for _, e := range o.events {
			if e.Kind == wormbell.ConnectionSeen && e.Address == address {
				o.mu.Unlock()
				return e
			}
		}
		o.mu.Unlock()
	}
	t.Fatalf("no connection to %s: %v", address, o.events)
	return wormbell.Event{}
}

// TestConnections: where a child of the tree connects is told once, with the
// child, also for a connection that is made after the look began and by a process
// that has lost its parent. Who is not asked about is not told of.
func TestConnections(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash, which can connect")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	last, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	to := func(l net.Listener) string { return "/dev/tcp/" + strings.Replace(l.Addr().String(), ":", "/", 1) }
	begin := func() (cmd *exec.Cmd, say func(string), hear func()) {
		t.Helper()
		cmd = exec.Command("bash", "-c", `bash -c 'bash -c "read x; exec 3<>`+to(l)+`; echo there; read x; exec 4<>`+to(l)+` 5<>`+to(last)+`; read x" & wait; :' ; :`)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Args[2] = strings.Replace(cmd.Args[2], `read x" &`, `read x" <&0 &`, 1) // a job of a shell reads nothing otherwise
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); cmd.Wait() })
		lines := bufio.NewScanner(out)
		return cmd, func(s string) { in.Write([]byte(s + "\n")) }, func() { lines.Scan() }
	}
	o, lineage, trees := connectionsOf(t)
	_, say, hear := begin() // nobody asks about this one
	say("go")
	hear()
	cmd, say, hear := begin() // this one is
	var root *wormbell.Process
	for end := time.Now().Add(10 * time.Second); root == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		root = lineage.At(cmd.Process.Pid)
	}
	if root == nil {
		t.Fatal("the lineage does not know the program")
	}
	trees.Look(root.ID(), true)
	say("go")
	hear()
	e := o.await(t, l.Addr().String())
	if e.Process == nil || !e.Process.Within(root.ID()) || e.Process.ID() == root.ID() || e.Source != "proc" || !e.Loopback() {
		t.Errorf("%+v of %v, want one of a child of %v", e, e.Process, root)
	}
	trees.Look(root.ID(), true)
	say("go") // the same once more, and another one
	o.await(t, last.Addr().String())
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.events) != 2 {
		t.Errorf("told %d times: %v", len(o.events), o.events)
	}
	if len(o.sees) != 1 || !strings.HasPrefix(o.sees[0], "proc true") {
		t.Errorf("it sees %q", o.sees)
	}
}
