package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is where a worm wants to have the person's tokens sent: it says that it
// is whoever was meant, and keeps what it is told.
type proxy struct {
	url  string
	cert tls.Certificate
	pem  string

	mu   sync.Mutex // guards told
	told []string   // values of Authorization
}

func newProxy(t *testing.T, host string) *proxy {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// ServeHTTP takes a CONNECT, and the place of whoever it is to.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT alone", http.StatusMethodNotAllowed)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	p.answer(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}}))
}

func (p *proxy) answer(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	for in := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		p.mu.Lock()
		p.told = append(p.told, r.Header.Get("Authorization"))
		p.mu.Unlock()
		const body = `{"username":"dev"}`
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

// got reports whether it was told the secret since it was last asked.
func (p *proxy) got(secret string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.told, "\n")
	p.told = nil
	return strings.Contains(all, secret)
}

// installed is a folder with the programs as a package installs them: nobody
// but root can have put them there, so the agent vouches for them.
func installed(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/opt", "wormbell-e2e")
	if err != nil {
		t.Skipf("needs a folder that root alone can write: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wormbell", "wormbelld"} {
		copyTo(t, filepath.Join(bin, name), filepath.Join(dir, name))
	}
	return dir
}

// TestDropper: what is neither a package's script nor JavaScript, and that no
// alert is about, gets no tokens by way of our own program without a ring: not
// by its proxy and its certificates, whatever it starts wormbell with. What a
// person types, or makes the system's programs do, rings never.
func TestDropper(t *testing.T) {
	needRoot(t)
	const host = "registry.example.com"
	proxy := newProxy(t, host)
	m := prepare(t, options{bin: installed(t)})
	m.uid, m.token = person, validToken(t)
	m.own(person)
	m.write("~/.npmrc", "//"+host+"/:_authToken="+m.token+"\n")
	m.write("~/ca.pem", proxy.pem)
	m.drop()
	copyTo(t, "/bin/bash", m.path("~/bash"))
	const call = `HTTPS_PROXY="$PROXY" SSL_CERT_FILE="$CA" `
	m.write("~/x.sh", call+`"$W" --socket "$S" tokens; true`+"\n")
	// The agent has seen the script once it was asked.
	m.write("~/becomes.sh", `"$W" --socket "$S" exec -- true`+"\n"+call+`exec "$W" --socket "$S" tokens`+"\n")
	m.write("~/.local/share/wormbell/shims/npm", `exec "$W" --socket "$S" tokens`+"\n")
	m.write("~/x.py", `import os, subprocess
e = os.environ
subprocess.run([e['W'], '--socket', e['S'], 'tokens'], env=dict(e, HTTPS_PROXY=e['PROXY'], SSL_CERT_FILE=e['CA']))
`)
	m.write("~/x.pl", `$ENV{HTTPS_PROXY} = $ENV{PROXY}; $ENV{SSL_CERT_FILE} = $ENV{CA}; system($ENV{W}, '--socket', $ENV{S}, 'tokens');`)
	m.write("~/Makefile", "tokens:\n\t"+`@HTTPS_PROXY="$$PROXY" SSL_CERT_FILE="$$CA" "$$W" --socket "$$S" tokens`+"\n")
	m.own(person)
	wormbell := filepath.Join(m.bin, "wormbell")
	// The person has a proxy as well; here it is the same.
	shell := m.login("HTTPS_PROXY="+proxy.url, "SSL_CERT_FILE="+m.path("~/ca.pem"), "PROXY="+proxy.url, "CA="+m.path("~/ca.pem"), "W="+wormbell, "S="+m.socket)
	m.launch(options{bin: m.bin})
	m.ready()

	// types has the person type a program, and returns what it printed and what
	// says whether anything rang since.
	types := func(t *testing.T, stdin string, argv ...string) (said string, rang func() bool) {
		t.Helper()
		before := m.reads("~/.npmrc")
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Stdin = m.home, strings.NewReader(stdin)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		shell.run(cmd)
		if strings.Contains(out.String(), m.token) {
			t.Error("the token was printed")
		}
		return strings.Join(strings.Fields(out.String()), " "), func() bool { return m.reads("~/.npmrc") > before }
	}

	for _, tt := range []struct {
		name string
		argv []string
	}{
		{"typed", []string{wormbell, "--socket", m.socket, "tokens"}},
		{"by a shell's -c, which becomes it", []string{"sh", "-c", call + `exec "$W" --socket "$S" tokens`}},
		{"by a shell's -c, which starts it", []string{"bash", "-c", call + `"$W" --socket "$S" tokens; true`}},
		{"by env", []string{"env", "-u", "LANG", wormbell, "--socket", m.socket, "tokens"}},
		{"by timeout", []string{"timeout", "60", wormbell, "--socket", m.socket, "tokens"}},
		{"by make", []string{"make", "-s", "tokens"}},
		{"by our shim", []string{"sh", m.path("~/.local/share/wormbell/shims/npm")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m.t = t
			if _, err := exec.LookPath(tt.argv[0]); err != nil {
				t.Skip("not installed: ", tt.argv[0])
			}
			said, rang := types(t, "", tt.argv...)
			m.settle()
			if rang := rang(); rang || strings.Contains(said, "refused") {
				t.Errorf("the person rang: %v, and was told:\n%s", rang, said)
			}
			// So it would be with the droppers', if nothing kept it from them.
			if !proxy.got(m.token) {
				t.Errorf("the person's own proxy was not asked:\n%s", said)
			}
		})
	}

	for _, tt := range []struct {
		name  string
		stdin string
		argv  []string
		names string // what the refusal names; "" if nothing is asked
	}{
		{"a compiled program", "", []string{m.path("~/dropper")}, "dropper"},
		{"a compiled program that becomes it", "", []string{m.path("~/dropper"), "becomes"}, "dropper"},
		{"a compiled program that becomes our shim", "", []string{m.path("~/dropper"), "shim"}, "dropper"},
		{"a compiled program with a terminal of its own", "", []string{m.path("~/dropper"), "terminal"}, "dropper"},
		{"a compiled program that has nothing announced", "", []string{m.path("~/dropper"), "silent"}, ""},
		{"a shell script", "", []string{"bash", m.path("~/x.sh")}, "x.sh"},
		{"a shell script that becomes it", "", []string{"bash", m.path("~/becomes.sh")}, "becomes.sh"},
		{"a script piped into a shell", call + `"$W" --socket "$S" tokens; true`, []string{"bash"}, "bash"},
		{"a copy of a shell", "", []string{m.path("~/bash"), "-c", call + `"$W" --socket "$S" tokens; true`}, "bash"},
		{"a Python script", "", []string{"/usr/bin/python3", m.path("~/x.py")}, "x.py"},
		{"Python code", "", []string{"/usr/bin/python3", "-c", "exec(open('x.py').read())"}, "python3"},
		{"a Perl script", "", []string{"/usr/bin/perl", m.path("~/x.pl")}, "x.pl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m.t = t
			if _, err := exec.LookPath(tt.argv[0]); err != nil {
				t.Skip("not installed: ", tt.argv[0])
			}
			said, rang := types(t, tt.stdin, tt.argv...)
			const refused = "refused to announce the reading of credentials: "
			if tt.names != "" && (!strings.Contains(said, refused) || !strings.Contains(said, tt.names) || !strings.Contains(said, "type the command in a terminal yourself")) {
				t.Errorf("it was told:\n%s", said)
			}
			if proxy.got(m.token) || tt.names == "" {
				m.until("a ring for the token that was read", 20*time.Second, rang)
			}
			m.settle() // what rings late is not the next one's
		})
	}
	m.t = t
}

// TestDropperTrustsItself: a program that makes itself a terminal gets the row of
// the trust table that it asks for, and that rings; a person's is only kept.
func TestDropperTrustsItself(t *testing.T) {
	needRoot(t)
	m := prepare(t, options{bin: installed(t)})
	m.uid = person
	m.drop()
	m.own(person)
	wormbell := filepath.Join(m.bin, "wormbell")
	shell := m.login("W="+wormbell, "S="+m.socket)
	m.launch(options{bin: m.bin})
	m.ready()

	types := func(argv ...string) string {
		cmd := exec.Command(argv[0], argv[1:]...)
		var out bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Stderr = m.home, &out, &out
		shell.run(cmd)
		return out.String()
	}
	said := types(wormbell, "--socket", m.socket, "trust", "add", "--store", "gh", "--who", "exe:/usr/bin/less", "--reason", "mine")
	m.quiet("a person who adds a row")
	said += types(m.path("~/dropper"), "trust")
	_, f := m.rings("guard-tampering")
	if !strings.Contains(f.Summary, "below dropper") || !strings.Contains(f.Summary, "and got it") {
		t.Errorf("finding %q; they were told:\n%s", f.Summary, said)
	}
	if rows, _ := m.wormbell("trust", "list", "--json"); !strings.Contains(rows, "exe:/usr/bin/less") || !strings.Contains(rows, "exe:"+m.path("~/dropper")) {
		t.Errorf("rows:\n%s\nthey were told:\n%s", rows, said)
	}
}

// drop builds the dropper into the home.
func (m *machine) drop() {
	m.t.Helper()
	build := exec.Command("go", "build", "-o", m.path("~/dropper"), "./testdata/dropper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("build: %v\n%s", err, out)
	}
}

// reads counts the readings of a file that rang.
func (m *machine) reads(file string) (n int) {
	m.t.Helper()
	for _, a := range m.alerts("--all") {
		for _, f := range a.Findings {
			if f.Detector == "credential-read" && f.Subject == file {
				n++
			}
		}
	}
	return n
}
