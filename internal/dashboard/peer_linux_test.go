package dashboard_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/dashboard"
)

// ask sends one request as a user, by a shell, and returns the answer.
func ask(t *testing.T, uid uint32, host, path, cookie string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	addr, port, _ := strings.Cut(host, ":")
	cmd := exec.CommandContext(ctx, "bash", "-c", `exec 3<>"/dev/tcp/$1/$2"; printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nCookie: %s\r\nConnection: close\r\n\r\n' "$3" "$1" "$2" "$4" >&3; cat <&3`, "ask", addr, port, path, cookie)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil && uid == uint32(os.Getuid()) { // another's connection is cut
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestTables: whose a connection is must be read, else it is nobody's.
func TestTables(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if uid, err := dashboard.UIDIn("/proc/self/net", here); err != nil || uid != os.Getuid() {
		t.Errorf("our own: uid %d, %v", uid, err)
	}
	dir := t.TempDir()
	if uid, err := dashboard.UIDIn(dir, here); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a table: uid %d, %v", uid, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte("  sl  local_address rem_address   st\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if uid, err := dashboard.UIDIn(dir, here); err == nil {
		t.Errorf("in an empty table: uid %d", uid)
	}
}

// TestCrowd: connections of another user take no place from the person.
func TestCrowd(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: becomes another user")
	}
	t.Parallel()
	s := serve(t, sample(), nil)
	u, _ := url.Parse(s.Link("/"))
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "bash", "-c", `trap '' PIPE; ulimit -n 256; for i in {1..80}; do exec {f}<>"/dev/tcp/127.0.0.1/$1" && printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n' "$1" >&$f; done 2>/dev/null; echo all; read -r`, "crowd", u.Port())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
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
	defer func() { in.Close(); stop(); cmd.Wait() }()
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || said != "all\n" {
		t.Fatalf("the crowd says %q, %v", said, err)
	}
	b := stranger(t, s)
	b.http.Timeout = 20 * time.Second // less than the crowd's connections could be kept
	if got := b.get(s.Link("/"), nil); got.status != 200 {
		t.Errorf("the person: %d", got.status)
	}
}

// TestSecondUser: another user of this machine is refused, with the link and
// with the cookie that a browser may have sent to their server.
func TestSecondUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: becomes another user")
	}
	t.Parallel()
	s := serve(t, sample(), nil)
	link := s.Link("/")
	u, _ := url.Parse(link)
	if got := ask(t, 65534, u.Host, u.RequestURI(), ""); strings.Contains(got, "HTTP/1.1") {
		t.Errorf("another user with the link: %.60s", got)
	}
	b := stranger(t, s)
	if got := b.get(link, nil); got.status != 200 { // and did not use it up
		t.Errorf("the link after that: %d", got.status)
	}
	c := b.http.Jar.Cookies(&url.URL{Scheme: "http", Host: u.Host, Path: s.At() + "/"})[0]
	if got := ask(t, 65534, u.Host, s.At()+"/", c.Name+"="+c.Value); strings.Contains(got, "HTTP/1.1") {
		t.Errorf("another user with the cookie: %.60s", got)
	}
	if got := ask(t, 0, u.Host, s.At()+"/", c.Name+"="+c.Value); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "evil") {
		t.Errorf("the user themselves: %.60s", got)
	}
}

// control opens pages for who asks at a socket until the test ends.
func control(t *testing.T, s *dashboard.Server, b dashboard.Browser) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // of one that was killed
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Control(ctx, path, b) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("control: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket != 0 && st.Mode().Perm() == 0o600 {
			return path
		} else if time.Now().After(deadline) {
			t.Fatalf("the socket is %v, %v", st, err)
		}
	}
}

// TestSecondDashboard: the first opens a page for a second one if that may ask,
// in a browser of its own choice, and never says the link.
func TestSecondDashboard(t *testing.T) {
	t.Parallel()
	s := serve(t, sample(), nil)
	var asked int
	var listened time.Time
	var opened []string
	b := dashboard.Browser{Admit: func(_ context.Context, pid int, since time.Time) error {
		asked, listened = pid, since
		return nil
	}, Open: func(_ context.Context, link string) error {
		opened = append(opened, link)
		return nil
	}}
	path := control(t, s, b)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, `{"open":"/status"}`)
	said, err := io.ReadAll(c)
	if err != nil || string(said) != "{\"ready\":true}\n{\"opened\":true}\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	var readied time.Time
	if err := dashboard.Ask(t.Context(), path, "/status", func(context.Context) error { readied = time.Now(); return nil }); err != nil {
		t.Fatal(err)
	}
	if readied.Before(listened) {
		t.Errorf("what was done at %v comes before it was listened to, at %v", readied, listened)
	}
	if err := dashboard.Ask(t.Context(), path, "/status", func(context.Context) error { return os.ErrPermission }); !errors.Is(err, os.ErrPermission) || len(opened) != 2 {
		t.Errorf("one that was not ready: %v, opened %d", err, len(opened))
	}
	if len(opened) != 2 || opened[0] == opened[1] {
		t.Fatalf("it opened %q", opened)
	}
	for _, link := range opened {
		if got := stranger(t, s).get(link, nil); got.status != 200 || !strings.HasSuffix(got.url, "/status") {
			t.Errorf("the link leads to %s with %d", got.url, got.status)
		}
	}
	if asked != os.Getpid() {
		t.Errorf("it was judged by pid %d, it is %d", asked, os.Getpid())
	}
	for _, page := range []string{"", "//elsewhere.example.com/", "/alerts/../..", "https://elsewhere.example.com/"} {
		if err := dashboard.Ask(t.Context(), path, page, nil); !errors.Is(err, dashboard.ErrNotOpened) {
			t.Errorf("a page that is none, %q: %v", page, err)
		}
	}
	b.Open = func(context.Context, string) error { return errors.New("there is no browser") }
	if err := dashboard.Ask(t.Context(), control(t, s, b), "/", nil); !errors.Is(err, dashboard.ErrNotOpened) || !strings.Contains(err.Error(), "there is no browser") {
		t.Errorf("one without a browser: %v", err)
	}
	b.Open = func(context.Context, string) error { t.Error("it was opened for one that is not admitted"); return nil }
	b.Admit = func(context.Context, int, time.Time) error { return errors.New("not you") }
	if err := dashboard.Ask(t.Context(), control(t, s, b), "/", nil); !errors.Is(err, dashboard.ErrNotOpened) {
		t.Errorf("one that is not admitted: %v", err)
	}
	if err := dashboard.Ask(t.Context(), filepath.Join(t.TempDir(), "none"), "/", nil); err == nil {
		t.Error("nobody opened it")
	}
}
