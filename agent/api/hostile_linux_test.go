package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/api"
)

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  map[string]string
		want                     int
	}{
		{"plain", "GET", "status", "", nil, 200},
		{"origin", "GET", "status", "", map[string]string{"Origin": "https://evil.example.com"}, 403},
		{"null origin", "GET", "status", "", map[string]string{"Origin": "null"}, 403},
		{"referer", "GET", "status", "", map[string]string{"Referer": "https://evil.example.com/"}, 403},
		{"fetch metadata", "GET", "status", "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 403},
		{"fetch mode", "POST", "alerts/" + id + "/close", "", map[string]string{"sec-fetch-mode": "no-cors"}, 403},
		{"foreign host", "GET", "status", "", map[string]string{"Host": "evil.example.com"}, 403},
		{"localhost", "GET", "status", "", map[string]string{"Host": "localhost"}, 403},
		{"huge body", "POST", "alerts/" + id + "/action", `{"what":"` + strings.Repeat("x", 100<<10) + `"}`, nil, 413},
		{"huge header", "GET", "status", "", map[string]string{"X": strings.Repeat("x", 20<<10)}, 431},
		{"no JSON", "POST", "alerts/" + id + "/action", `{`, nil, 400},
		{"unknown field", "POST", "alerts/" + id + "/action", `{"what":"x","who":"y"}`, nil, 400},
		{"two values", "POST", "alerts/" + id + "/action", `{"what":"x"}{"what":"y"}`, nil, 400},
		{"unnamed action", "POST", "alerts/" + id + "/action", ``, nil, 400},
		{"forged action", "POST", "alerts/" + id + "/action", `{"what":"close"}`, nil, 400},
		{"action", "POST", "alerts/" + id + "/action", `{"what":"npm-token-revoke","outcome":"done"}`, nil, 200},
		{"no such route", "GET", "secrets", "", nil, 404},
		{"no such verb", "POST", "alerts/" + id + "/explode", "", nil, 404},
		{"wrong method", "PUT", "status", "", nil, 405},
		{"traversal", "GET", "alerts/..%2f..%2fstatus", "", nil, 404},
		{"no such severity", "GET", "alerts?min_severity=terrible", "", nil, 400},
		{"less than no evidence", "GET", "alerts?evidence=-1", "", nil, 400},
		{"not a number", "GET", "alerts?evidence=all", "", nil, 400},
		{"endless pause", "POST", "pause", `{"seconds":1e12}`, nil, 400},
		{"negative pause", "POST", "pause", `{"seconds":-1}`, nil, 400},
		{"neither on nor off", "POST", "protect", `{}`, nil, 400},
	} {
		status, out, err := send(r.socket, tt.method, tt.path, tt.body, tt.headers)
		if err != nil && tt.want != 431 || status != tt.want { // 431 closes in the middle of what we send
			t.Errorf("%s: %d %.200s %v, want %d", tt.name, status, out, err, tt.want)
		}
		if tt.want >= 400 && tt.want != 431 && (!strings.Contains(out, `"error"`) || !json.Valid([]byte(out))) {
			t.Errorf("%s: not our error: %.200s", tt.name, out)
		}
	}
	if strings.Contains(r.log.String(), "evil.example.com") {
		t.Error("content of a refused request in the log")
	}
	if !strings.Contains(r.log.String(), "request refused") {
		t.Error("refused requests are not logged")
	}
}

// A request that does not come to its end is cut, and nobody waits for it.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, text := range map[string]string{
		"header":  "GET /v1/status HTTP/1.1\r\nHost: worm",
		"body":    "POST /v1/pause HTTP/1.1\r\nHost: wormbell\r\nContent-Length: 100\r\n\r\n{",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("unix", r.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, text)
			c.SetReadDeadline(time.Now().Add(25 * time.Second)) // less than an idle connection may live
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not cut within 25 s: %v", err)
			}
		})
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("others got %d meanwhile", status)
	}
}

// One user's connections are bounded, and others still get through.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cmd := as(t, nobody, "WORMBELL_TEST_SOCKET="+r.socket, "WORMBELL_TEST_FLOOD=100")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var open int
	if _, err := fmt.Fscan(out, &open); err != nil {
		t.Fatal(err)
	}
	if open > 40 || open < 1 {
		t.Errorf("%d of 100 connections of one user stay open", open)
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("root got %d meanwhile", status)
	}
	if status, _ := r.askAs(nobody-1, "GET", "status", ""); status != 200 {
		t.Errorf("a third user got %d meanwhile", status)
	}
	in.Close()
	cmd.Wait()
}

func TestSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	info, err := os.Lstat(r.socket)
	if err != nil || info.Mode().Perm() != 0o666 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("socket: %v %v", info.Mode(), err)
	}
	if info, err = os.Lstat(filepath.Dir(r.socket)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
	if _, err := api.Listen(r.config()); !errors.Is(err, api.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("second agent: %v", err)
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("after the second agent: %d", status)
	}

	listen := func(prepare func(path string) error) error {
		c := r.config()
		c.System = false
		c.Socket = filepath.Join(t.TempDir(), "w", "s.sock")
		if err := os.Mkdir(filepath.Dir(c.Socket), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := prepare(c.Socket); err != nil {
			t.Fatal(err)
		}
		s, err := api.Listen(c)
		if err != nil {
			return err
		}
		info, err := os.Lstat(c.Socket)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("a user's socket: %v %v", info.Mode(), err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return s.Serve(ctx)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	os.WriteFile(precious, []byte("x"), 0o600)
	for name, tt := range map[string]struct {
		prepare func(path string) error
		ok      bool
	}{
		"fresh": {func(string) error { return nil }, true},
		"stale socket": {func(path string) error {
			// It never listens: what another test forks meanwhile would keep a listener open until it is executed.
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
		}, true},
		"file":                {func(path string) error { return os.WriteFile(path, nil, 0o600) }, false},
		"symlink":             {func(path string) error { return os.Symlink(precious, path) }, false},
		"dangling symlink":    {func(path string) error { return os.Symlink(precious+"x", path) }, false},
		"symlink for a lock":  {func(path string) error { return os.Symlink(precious, path+".lock") }, false},
		"FIFO for a lock":     {func(path string) error { return syscall.Mkfifo(path+".lock", 0o600) }, false},
		"folder others write": {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, false},
		"sticky folder":       {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) }, true},
		"symlinked folder": {func(path string) error {
			dir := filepath.Dir(path)
			if err := os.Rename(dir, dir+"2"); err != nil {
				return err
			}
			return os.Symlink(dir+"2", dir)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := listen(tt.prepare); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
	if info, err := os.Stat(precious); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 1 {
		t.Errorf("what a symlink led to was touched: %v %v", info, err)
	}
	long := r.config()
	long.Socket = filepath.Join(t.TempDir(), strings.Repeat("d", 120), "s.sock")
	if s, err := api.Listen(long); err != nil {
		t.Errorf("a long path: %v", err)
	} else {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Serve(ctx)
	}
}

func TestUsersOwnAgentIsForThem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config()
	c.System = false
	c.Socket = filepath.Join(publicDir(t), "s.sock")
	s, err := api.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(c.Socket, 0o666) // even then
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	defer func() { cancel(); <-done }()
	if status, _, err := send(c.Socket, "GET", "status", "", nil); status != 200 {
		t.Error(status, err)
	}
	cmd := as(t, nobody, "WORMBELL_TEST_SOCKET="+c.Socket, "WORMBELL_TEST_METHOD=GET", "WORMBELL_TEST_PATH=status")
	if out, err := cmd.Output(); err == nil {
		t.Errorf("another user got %s", out)
	}
}
