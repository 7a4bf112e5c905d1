// Package verdaccio runs a real registry, Verdaccio, on loopback: the proof that
// what is said of registries holds where none of ours answers.
//
// It is for tests. .ci/deps installs Verdaccio; where it is not there the test
// is skipped. It knows nothing of agents or responses.
package verdaccio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// config lets everybody read and users publish, knows no other registry, and
// hashes passwords fast. Revoked tokens are refused in the usual (not the JWT)
// mode only.
const config = `storage: ./storage
auth: { htpasswd: { file: ./htpasswd, algorithm: bcrypt, rounds: 4 } }
uplinks: {}
packages: { '**': { access: $all, publish: $authenticated, unpublish: $authenticated } }
web: { enable: false }
userRateLimit: { windowMs: 60000, max: 100000 }
log: { type: stdout, format: json, level: warn }
`

// Server is a running Verdaccio with a storage of its own. It ends with the test.
type Server struct {
	URL  string // "http://127.0.0.1:PORT", without a slash at the end
	Host string // "127.0.0.1:PORT", as it stands in an .npmrc

	t testing.TB
}

// Start runs a Verdaccio until the test ends, or skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	main, node := find(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	host := freePort(t)
	s := &Server{URL: "http://" + host, Host: host, t: t}
	ctx, stop := context.WithCancel(context.Background()) // t's own ends before its cleanups
	cmd := exec.CommandContext(ctx, node, main, "--config", "config.yaml", "--listen", s.Host)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SystemRoot=" + os.Getenv("SystemRoot")}
	cmd.WaitDelay = 30 * time.Second
	var log bytes.Buffer // read only once it has ended
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start Verdaccio: %v", err)
	}
	ended := make(chan struct{})
	go func() { // waits for the process
		defer close(ended)
		_ = cmd.Wait() // it is killed, which is an error
	}()
	t.Cleanup(func() { // before its folder is removed
		stop()
		<-ended
		if t.Failed() {
			t.Logf("Verdaccio's log:\n%s", log.Bytes())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; {
		res, err := http.Get(s.URL + "/-/ping")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
		select {
		case <-ended:
			t.Fatalf("Verdaccio ended:\n%s", log.Bytes())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("Verdaccio does not answer")
		}
	}
}

// freePort returns an address on loopback where nothing listens. Verdaccio takes
// a while until it does, and it cannot be handed a listener; so the port is one
// that no system gives to those who ask for any (Linux: from 32768, ip(7);
// others: from 49152). One of those would meanwhile be given to some other
// test's server, which would then be asked whether it is ready.
func freePort(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		host := fmt.Sprint("127.0.0.1:", 12000+rand.IntN(20000))
		var l net.Listener
		if l, err = net.Listen("tcp4", host); err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return host
	}
	t.Fatal(err)
	return ""
}

// find returns Verdaccio's main file and the node to run it with.
func find(t testing.TB) (main, node string) {
	t.Helper()
	dir, err := os.Getwd() // of the package that is tested
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, ".ci", "deps")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("Verdaccio is not installed: there is no .ci/deps to ask")
		}
		dir = up
	}
	out, err := exec.Command("bash", filepath.Join(dir, ".ci", "deps"), "--verdaccio").Output()
	if err != nil {
		t.Skipf("Verdaccio is not installed: bash .ci/deps --verdaccio: %v", err)
	}
	folder := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(folder, "installed")); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("Verdaccio is not installed in %s: run bash .ci/deps as root", folder)
	}
	if node, err = exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	return filepath.Join(folder, "node_modules", "verdaccio", "bin", "verdaccio"), node
}

// AddUser makes an account and returns the token of its first login, which
// Verdaccio does not list and cannot revoke.
func (s *Server) AddUser(name, password string) string {
	s.t.Helper()
	var got struct{ Token string }
	s.must(http.MethodPut, "/-/user/org.couchdb.user:"+name, "", map[string]any{"name": name, "password": password}, &got)
	return got.Token
}

// AddToken makes a token of the kind that can be listed and revoked, by
// authority of a token of the same user, and returns its value.
func (s *Server) AddToken(by, password string, readOnly bool) string {
	s.t.Helper()
	var got struct{ Token string }
	s.must(http.MethodPost, "/-/npm/v1/tokens", by, map[string]any{"password": password, "readonly": readOnly, "cidr_whitelist": []string{}}, &got)
	return got.Token
}

// Whoami returns whose token it is, "" if it is nobody's any more.
func (s *Server) Whoami(token string) string {
	s.t.Helper()
	status, body, err := s.do(http.MethodGet, "/-/whoami", token, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var got struct{ Username string }
	if err := json.Unmarshal(body, &got); err != nil && status == http.StatusOK {
		s.t.Fatalf("whoami: %v", err)
	}
	return got.Username
}

// must sends a request that has to succeed, and decodes the answer into v.
func (s *Server) must(method, path, token string, body, v any) {
	s.t.Helper()
	status, b, err := s.do(method, path, token, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("it answers %d", status)
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (s *Server) do(method, path, token string, body any) (int, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, b, err
}
