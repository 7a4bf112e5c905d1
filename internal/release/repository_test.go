package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// mirror serves a version's repositories on loopback; files can be changed on
// the way.
type mirror struct {
	mu     sync.Mutex // guards what follows
	folder string
	spoil  map[string]func([]byte) []byte // by the end of the path
}

func (m *mirror) serve(folder string, spoil map[string]func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.folder, m.spoil = folder, spoil
}

func newMirror(t *testing.T) (*mirror, string) {
	m := &mirror{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		folder, spoil := m.folder, m.spoil
		m.mu.Unlock()
		for end, change := range spoil {
			if strings.HasSuffix(r.URL.Path, end) {
				rec := httptest.NewRecorder()
				http.FileServer(http.Dir(folder)).ServeHTTP(rec, r)
				w.WriteHeader(rec.Code)
				w.Write(change(rec.Body.Bytes()))
				return
			}
		}
		http.FileServer(http.Dir(folder)).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return m, server.URL
}

// TestAptRepository: the real apt installs from the repository, sees the next
// version there, upgrades to it and can go back; what was changed on the way it
// refuses.
func TestAptRepository(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs apt-get, which is not installed")
	}
	made := releases(t)
	j := newJail(t)
	m, url := newMirror(t)
	m.serve(filepath.Join(made.out[older], "repo"), nil)
	j.run(`rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/preferences.d/* /var/lib/apt/lists/* && mkdir -p /etc/apt/sources.list.d
		cp /share/`+older+`/repo/wormbell.gpg /usr/share/keyrings/wormbell.gpg
		sed "s#^URIs: .*#URIs: $1/apt#" /share/`+older+`/repo/wormbell.sources >/etc/apt/sources.list.d/wormbell.sources`, url)
	const apt = "export DEBIAN_FRONTEND=noninteractive; apt-get -qq -o Acquire::Retries=0 -o Acquire::http::Proxy=DIRECT -o APT::Update::Error-Mode=any "
	j.run(apt + "update && " + apt + "install -y --no-install-recommends wormbell-tray") // which needs the other one
	if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
		t.Errorf("installed is %q", got)
	}
	m.serve(filepath.Join(made.out[newer], "repo"), nil)
	j.run(apt + "update")
	if got := j.run("apt-cache policy wormbell"); !strings.Contains(got, "Installed: 1.0.0~rc.1-1\n  Candidate: 1.1.0-1\n") {
		t.Errorf("apt does not see the next version:\n%s", got)
	}
	j.run(apt + "upgrade -y")
	if got := j.run("wormbell --version; dpkg-query -W -f '${Version}\n' wormbell-tray"); got != "wormbell v"+newer+"\n1.1.0-1\n" {
		t.Errorf("upgraded to %q", got)
	}
	j.run(apt + "install -y --allow-downgrades --no-install-recommends wormbell=1.0.0~rc.1-1 wormbell-tray=1.0.0~rc.1-1")
	if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
		t.Errorf("went back to %q", got)
	}
	evil := func(b []byte) []byte {
		return bytes.Replace(b, []byte("Architecture: amd64"), []byte("Architecture: amd65"), 1)
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		spoil map[string]func([]byte) []byte
		do    string
	}{
		"the index":           {map[string]func([]byte) []byte{"Packages": evil, "Packages.gz": flip}, "update"},
		"what is signed":      {map[string]func([]byte) []byte{"InRelease": func(b []byte) []byte { return bytes.Replace(b, []byte("Suite: stable"), []byte("Suite: stabel"), 1) }}, "update"},
		"no signature at all": {map[string]func([]byte) []byte{"InRelease": func([]byte) []byte { return nil }, "Release.gpg": func([]byte) []byte { return nil }}, "update"},
		"a package":           {map[string]func([]byte) []byte{"wormbell_1.1.0-1_amd64.deb": flip}, "update && " + apt + "install -y --no-install-recommends wormbell=1.1.0-1 wormbell-tray=1.1.0-1"},
	} {
		m.serve(filepath.Join(made.out[newer], "repo"), c.spoil)
		if out, err := j.try("rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb; " + apt + c.do); err == nil {
			t.Errorf("%s was changed on the way, and apt took it:\n%s", name, out)
		}
		if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
			t.Errorf("%s was changed on the way, and now there is %q", name, got)
		}
	}
}

// TestDNFRepository: the same with the real dnf.
func TestDNFRepository(t *testing.T) {
	if _, err := exec.LookPath("dnf"); err != nil {
		t.Skip("needs dnf, which is not installed")
	}
	made := releases(t)
	j := newJail(t)
	m, url := newMirror(t)
	m.serve(filepath.Join(made.out[older], "repo"), nil)
	j.run(`mkdir -p /etc/yum.repos.d && rm -f /etc/yum.repos.d/* && rpm --initdb
		sed "s#https://packages.example.com/wormbell/repo#$1#" /share/`+older+`/repo/wormbell.repo >/etc/yum.repos.d/wormbell.repo`, url)
	const dnf = "dnf -q -y --releasever=1 --setopt=install_weak_deps=False --setopt=proxy= --setopt=retries=1 --setopt=metadata_expire=0 "
	j.run(dnf + "install wormbell-tray")
	if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
		t.Errorf("installed is %q", got)
	}
	m.serve(filepath.Join(made.out[newer], "repo"), nil)
	if got, _ := j.try(dnf + "check-update"); !strings.Contains(got, "wormbell.x86_64") || !strings.Contains(got, "1.1.0-1") { // its status says that there are some
		t.Errorf("dnf does not see the next version:\n%s", got)
	}
	j.run(dnf + "upgrade")
	if got := j.run("wormbell --version"); got != "wormbell v"+newer+"\n" {
		t.Errorf("upgraded to %q", got)
	}
	j.run(dnf + "downgrade wormbell wormbell-tray")
	if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
		t.Errorf("went back to %q", got)
	}
	for name, spoil := range map[string]map[string]func([]byte) []byte{
		"the index":           {"repomd.xml": func(b []byte) []byte { return bytes.Replace(b, []byte("<revision>"), []byte("<revision>1"), 1) }},
		"no signature at all": {"repomd.xml.asc": func([]byte) []byte { return nil }},
		"a package":           {"wormbell-1.1.0-1.x86_64.rpm": func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
	} {
		m.serve(filepath.Join(made.out[newer], "repo"), spoil)
		// An upgrade passes over a repository that is not in order; who asks for what is only there is told.
		if out, err := j.try("dnf clean all >/dev/null; " + dnf + "install wormbell-1.1.0-1 wormbell-tray-1.1.0-1"); err == nil {
			t.Errorf("%s was changed on the way, and dnf took it:\n%s", name, out)
		}
		if got := j.run("wormbell --version"); got != "wormbell v"+older+"\n" {
			t.Errorf("%s was changed on the way, and now there is %q", name, got)
		}
	}
}
