package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
)

// TestMain lets the test binary be another user who serves a socket, or a third
// one who dials it.
func TestMain(m *testing.M) {
	if path := os.Getenv("WORMBELL_TEST_DIAL"); path != "" {
		_, err := client.Dial(client.Config{Socket: path})
		fmt.Println(errors.Is(err, client.ErrImpostor), err)
		os.Exit(0)
	}
	if path := os.Getenv("WORMBELL_TEST_IMPOSTOR"); path != "" {
		l, err := net.Listen("unix", path)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Chmod(path, 0o666)
		fmt.Println("ready")
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"mine"}`) }))
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestNoAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	leaveSocket(t, stale)
	for _, path := range []string{filepath.Join(dir, "none"), stale, filepath.Join(dir, "none", "none"), filepath.Join(dir, strings.Repeat("d", 150), "s")} {
		_, err := client.Dial(client.Config{Socket: path})
		var e *client.Error
		if !errors.Is(err, client.ErrNoAgent) || !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// leaveSocket leaves a socket at path that nobody serves. It never listens: what
// another test forks meanwhile would keep a listener open until it is executed.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
}

func TestImpostor(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	dir, err := os.MkdirTemp("", "wormbell-client")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777)
	path := filepath.Join(dir, "s.sock")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), "WORMBELL_TEST_IMPOSTOR="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said string
	if fmt.Fscan(out, &said); said != "ready" {
		t.Fatal(said)
	}
	// Root that names a socket may speak to any user's agent; others may not.
	dial := exec.CommandContext(ctx, "/proc/self/exe")
	dial.Env = append(os.Environ(), "WORMBELL_TEST_DIAL="+path)
	dial.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	got, err := dial.Output()
	if err != nil || !strings.HasPrefix(string(got), "true ") || !strings.Contains(string(got), "uid 65534") {
		t.Errorf("an impostor is believed: %s %v", got, err)
	}
	in.Close()
	cmd.Wait()
}

// agent is a fake that shows one alert and can be stopped and started.
type agent struct {
	path string
	srv  *http.Server
	mu   sync.Mutex // guards count
	n    int
}

func (a *agent) start(t *testing.T) {
	t.Helper()
	os.Remove(a.path)
	l, err := net.Listen("unix", a.path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/watch", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"changed":true}`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/v1/alerts", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		json.NewEncoder(w).Encode(map[string]any{"version": 1, "alerts": []wormbell.Alert{{ID: "abcd2345", State: wormbell.Open, Severity: wormbell.High, Count: a.n}}})
	})
	mux.HandleFunc("/v1/pause", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"error":"refused to pause","hint":"ask nicely"}`)
	})
	a.srv = &http.Server{Handler: mux}
	go a.srv.Serve(l)
}

func TestFollowReconnects(t *testing.T) {
	t.Parallel()
	a := &agent{path: filepath.Join(t.TempDir(), "s.sock"), n: 1}
	a.start(t)
	c, err := client.Dial(client.Config{Socket: a.path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, done := make(chan int), make(chan error)
	go func() {
		done <- c.Follow(ctx, func(x wormbell.Alert) {
			select {
			case got <- x.Count:
			case <-ctx.Done():
			}
		})
	}()
	if n := <-got; n != 1 {
		t.Errorf("count %d", n)
	}
	a.srv.Close()
	a.mu.Lock()
	a.n = 2
	a.mu.Unlock()
	a.start(t)
	defer a.srv.Close()
	select {
	case n := <-got:
		if n != 2 {
			t.Errorf("count %d after the restart", n)
		}
	case <-ctx.Done():
		t.Error("not connected again")
	}
	err = c.Pause(ctx, time.Hour)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 403 || e.Error() != "refused to pause" || e.Hint() != "ask nicely" {
		t.Errorf("refusal: %#v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Follow: %v", err)
	}
	a.srv.Close()
	if err := c.Follow(t.Context(), func(wormbell.Alert) {}); !errors.Is(err, client.ErrNoAgent) {
		t.Errorf("follow nobody: %v", err)
	}
}
