package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"wormbell/internal/executable"
)

// shop is a server with a release, and a machine that has just the tools it is
// given: apt-get only notes what it is to install.
type shop struct {
	t     *testing.T
	files string // what is served
	url   string
	asked atomic.Int64
	tools string // the machine's PATH
	log   string // what apt-get was given
}

// installTools are what install.sh needs of a machine.
var installTools = []string{"sh", "awk", "base64", "cat", "chmod", "curl", "cut", "dpkg", "env", "gpgv", "grep", "head", "id", "ls", "mkdir", "mktemp", "rm", "sha256sum", "ssh-keygen", "tar", "gzip", "uname"}

func newShop(t *testing.T, version string, without ...string) *shop {
	t.Helper()
	m := releases(t)
	s := &shop{t: t, files: t.TempDir(), tools: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	for _, pattern := range []string{"SHA256SUMS*", "*.deb", "*.tar.gz", "install.sh"} {
		files, err := filepath.Glob(filepath.Join(m.out[version], pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			s.put(filepath.Base(file), read(t, file))
		}
	}
	for _, tool := range installTools {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("needs %s, which is not installed", tool)
		}
		if strings.Contains(" "+strings.Join(without, " ")+" ", " "+tool+" ") {
			continue
		}
		if err := os.Symlink(path, filepath.Join(s.tools, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"apt-get": "#!/bin/sh\necho \"apt-get $*\" >>" + s.log + "\nfor f; do case $f in /*) sha256sum \"$f\" >>" + s.log + " ;; esac; done\n",
		"sudo":    "#!/bin/sh\n[ \"$1\" = -- ] && shift\nexec \"$@\"\n",
	} {
		if err := executable.Write(filepath.Join(s.tools, name), text); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		http.FileServer(http.Dir(s.files)).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *shop) put(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.files, name), data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) remove(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.files, name)); err != nil {
		s.t.Fatal(err)
	}
}

// change replaces in a file of the shop.
func (s *shop) change(name, old, new string) {
	s.t.Helper()
	b := read(s.t, filepath.Join(s.files, name))
	if !bytes.Contains(b, []byte(old)) {
		s.t.Fatalf("%s has no %q to change", name, old)
	}
	s.put(name, bytes.Replace(b, []byte(old), []byte(new), 1))
}

// sign signs the shop's sums again, with that key.
func (s *shop) sign(key string) {
	s.t.Helper()
	s.remove("SHA256SUMS.sig")
	if err := shell(s.files, `ssh-keygen -q -Y sign -f "$1" -n wormbell-release SHA256SUMS`, key); err != nil {
		s.t.Fatal(err)
	}
}

// resum writes the sum of a changed file into the list.
func (s *shop) resum(name string) {
	s.t.Helper()
	if err := shell(s.files, `sum=$(sha256sum "$1" | cut -d' ' -f1); sed -i "s/^[0-9a-f]*  $1\$/$sum  $1/" SHA256SUMS; grep -q "^$sum" SHA256SUMS`, name); err != nil {
		s.t.Fatal(err)
	}
}

// install runs install.sh and returns what it said, what was installed, and
// whether it ended well.
func (s *shop) install(shellName string, args ...string) (said, installed string, err error) {
	s.t.Helper()
	// Instead of the folders of the system, which alone it asks.
	script := filepath.Join(s.t.TempDir(), "install.sh")
	if err := os.WriteFile(script, bytes.ReplaceAll(read(s.t, filepath.Join(s.files, "install.sh")), []byte("\nPATH="+systemPath), []byte("\nPATH="+s.tools)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return s.run(shellName, script, args...)
}

// systemPath is where install.sh looks for programs.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin"

// run runs script with the shop's tools in the person's PATH.
func (s *shop) run(shellName, script string, args ...string) (said, installed string, err error) {
	s.t.Helper()
	program := strings.Fields(shellName)
	cmd := exec.Command(program[0], append(append(program[1:], script), args...)...)
	cmd.Env = []string{"PATH=" + s.tools, "HOME=" + s.t.TempDir(), "TMPDIR=" + s.t.TempDir()}
	out, err := cmd.CombinedOutput()
	log, readErr := os.ReadFile(s.log)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		s.t.Fatal(readErr)
	}
	return string(out), string(log), err
}

const (
	goodDeb = "wormbell_1.1.0-1_amd64.deb"
	goodTar = "wormbell-1.1.0-linux-amd64.tar.gz"
)

// TestInstallScript: a good release is installed, with every shell that a
// machine may have as sh.
func TestInstallScript(t *testing.T) {
	releases(t)
	for _, sh := range []string{"dash", "bash --posix", "busybox sh"} {
		t.Run(sh, func(t *testing.T) {
			if _, err := exec.LookPath(strings.Fields(sh)[0]); err != nil {
				t.Skipf("needs %s, which is not installed", sh)
			}
			s := newShop(t, newer)
			path, _ := exec.LookPath(strings.Fields(sh)[0])
			said, installed, err := s.install(strings.Replace(sh, strings.Fields(sh)[0], path, 1), "--base", s.url, "--yes")
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			sum := strings.Fields(string(read(t, filepath.Join(s.files, "SHA256SUMS"))))
			if !strings.Contains(installed, "install -y") || strings.Count(installed, ".deb\n") != 3 || len(sum) == 0 { // the command and two sums
				t.Errorf("installed:\n%s\nsaid:\n%s", installed, said)
			}
			if !strings.Contains(said, "signed with the SSH key") {
				t.Errorf("does not say who signed it:\n%s", said)
			}
		})
	}
}

// TestInstallScriptRefuses: whatever is not as it was signed is not installed.
func TestInstallScriptRefuses(t *testing.T) {
	m := releases(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := shell("", `ssh-keygen -q -t ed25519 -N '' -f "$1"`, other); err != nil {
		t.Fatal(err)
	}
	// hostile signs an archive with that in it with the right key: what a mistake of ours must not do to a machine.
	hostile := func(make string) func(*shop) {
		return func(s *shop) {
			if err := shell(t.TempDir(), `d=wormbell-1.1.0-linux-amd64; mkdir $d; echo 'echo installed "$@" >>"`+s.log+`"' >$d/wormbell; chmod +x $d/wormbell; `+make+`; cp a.tar.gz "$1/`+goodTar+`"`, s.files); err != nil {
				t.Fatal(err)
			}
			s.resum(goodTar)
			s.sign(m.keys.SSH)
		}
	}
	sh := "/bin/sh"
	for name, c := range map[string]struct {
		without []string
		spoil   func(s *shop)
		args    []string
		says    string
	}{
		"a changed file": {spoil: func(s *shop) {
			b := read(t, filepath.Join(s.files, goodDeb))
			b[len(b)/2] ^= 1
			s.put(goodDeb, b)
		}, says: "is not what was signed"},
		"half a file": {spoil: func(s *shop) {
			b := read(t, filepath.Join(s.files, goodDeb))
			s.put(goodDeb, b[:len(b)/2])
		}, says: "is not what was signed"},
		"a changed file and its sum": {spoil: func(s *shop) { s.put(goodDeb, []byte("evil")); s.resum(goodDeb) }, says: "the signature of the sums is not right"},
		"another key":                {spoil: func(s *shop) { s.sign(other) }, says: "the signature of the sums is not right"},
		"no signature":               {spoil: func(s *shop) { s.remove("SHA256SUMS.sig") }, says: "there is no signature"},
		"a signature for something else": {spoil: func(s *shop) {
			s.remove("SHA256SUMS.sig")
			if err := shell(s.files, `ssh-keygen -q -Y sign -f "$1" -n file SHA256SUMS`, m.keys.SSH); err != nil {
				t.Fatal(err)
			}
		}, says: "the signature of the sums is not right"},
		"with gpgv, a changed sum":        {without: []string{"ssh-keygen"}, spoil: func(s *shop) { s.put(goodDeb, []byte("evil")); s.resum(goodDeb) }, says: "the signature of the sums is not right"},
		"with gpgv, no signature":         {without: []string{"ssh-keygen"}, spoil: func(s *shop) { s.remove("SHA256SUMS.asc") }, says: "there is no signature"},
		"nothing to check with":           {without: []string{"ssh-keygen", "gpgv"}, says: "neither ssh-keygen"},
		"a tool that lies elsewhere":      {without: []string{"awk"}, says: "there is no awk in "},
		"nothing to get files with":       {without: []string{"curl"}, says: "programs are looked for in "},
		"no list":                         {spoil: func(s *shop) { s.remove("SHA256SUMS") }, says: "there is no list"},
		"not https":                       {args: []string{"--base", "http://packages.example.com/x"}, says: "is not https"},
		"a host that looks like this one": {args: []string{"--base", "http://127.0.0.1.example.com/x"}, says: "is not https"},
		"old files": {spoil: func(s *shop) {
			s.change("install.sh", "VERSION='1.1.0'", "VERSION='1.2.0-rc.1'")
		}, says: "older than this script"},
		"another version":          {args: []string{"--version", "1.0.9"}, says: "are of version 1.1.0, not 1.0.9"},
		"a version that is a path": {args: []string{"--version", "../1"}, says: "is no version"},
		"two files that fit": {spoil: func(s *shop) {
			b := read(t, filepath.Join(s.files, "SHA256SUMS"))
			s.put("SHA256SUMS", append(b, []byte(strings.Repeat("0", 64)+"  wormbell_9.9.9-1_amd64.deb\n")...))
			s.sign(m.keys.SSH)
		}, says: "names no deb package for amd64, or several"},
		"a link in the archive":        {args: []string{"--format", "tar"}, spoil: hostile(`ln -s /etc/passwd $d/x; tar -czf a.tar.gz $d/wormbell $d/x`), says: "holds something else"},
		"a way out of the archive":     {args: []string{"--format", "tar"}, spoil: hostile(`tar -czPf a.tar.gz --transform 's#^#'$d'/../#' $d/wormbell`), says: "holds something else"},
		"an absolute path":             {args: []string{"--format", "tar"}, spoil: hostile(`tar -czPf a.tar.gz $d/wormbell $PWD/$d/wormbell`), says: "holds something else"},
		"a terminal that is not there": {args: []string{"--ask"}, says: "there is no option --ask"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, newer, c.without...)
			if c.spoil != nil {
				c.spoil(s)
			}
			args := append([]string{"--base", s.url, "--yes"}, c.args...)
			said, installed, err := s.install(sh, args...)
			if err == nil || installed != "" {
				t.Errorf("installed %q (%v)", installed, err)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("says %q, want %q", said, c.says)
			}
		})
	}
	t.Run("with gpgv", func(t *testing.T) { // the good case, so that those above are no accident
		s := newShop(t, newer, "ssh-keygen")
		if said, installed, err := s.install(sh, "--base", s.url, "--yes"); err != nil || installed == "" || !strings.Contains(said, "OpenPGP") {
			t.Errorf("%v %q\n%s", err, installed, said)
		}
	})
	t.Run("a good archive", func(t *testing.T) {
		s := newShop(t, newer)
		hostile(`tar -czf a.tar.gz $d/wormbell`)(s)
		if said, installed, err := s.install(sh, "--base", s.url, "--yes", "--format", "tar"); err != nil || installed != "installed install --yes\n" {
			t.Errorf("%v %q\n%s", err, installed, said)
		}
	})
}

// TestInstallScriptSwapped: what another program of the person puts in place of
// a file that was checked is not installed by root.
func TestInstallScriptSwapped(t *testing.T) {
	releases(t)
	for _, c := range []struct{ format, file string }{{"deb", goodDeb}, {"tar", goodTar}} {
		t.Run(c.format, func(t *testing.T) {
			s := newShop(t, newer)
			// The person is asked for a password; that takes a while.
			evil := t.TempDir()
			if err := shell(evil, `mkdir "${1%.tar.gz}"; echo 'echo evil >>"'"$2"'"' >"${1%.tar.gz}/wormbell"; chmod +x "${1%.tar.gz}/wormbell"; tar -czf "$1.evil" "${1%.tar.gz}"`, c.file, s.log); err != nil {
				t.Fatal(err)
			}
			text := `#!/bin/sh
for f in "$TMPDIR"/*/` + c.file + `; do cat "` + evil + "/" + c.file + `.evil" >"$f" && echo swapped >&2; done
for f in "$TMPDIR"/*/*/wormbell; do [ ! -f "$f" ] || cat "` + evil + `"/*/wormbell >"$f"; done
sed -i "s/^[0-9a-f]*/$(sha256sum "` + evil + "/" + c.file + `.evil" | cut -d' ' -f1)/" "$TMPDIR"/*/SHA256SUMS
[ "$1" = -- ] && shift
exec "$@"
`
			for _, tool := range []string{"sudo", "id"} {
				if err := os.Remove(filepath.Join(s.tools, tool)); err != nil {
					t.Fatal(err)
				}
			}
			if err := executable.Write(filepath.Join(s.tools, "sudo"), text); err != nil {
				t.Fatal(err)
			}
			if err := executable.Write(filepath.Join(s.tools, "id"), "#!/bin/sh\necho 1000\n"); err != nil {
				t.Fatal(err)
			}
			sed, err := exec.LookPath("sed")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(sed, filepath.Join(s.tools, "sed")); err != nil {
				t.Fatal(err)
			}
			said, installed, err := s.install("/bin/sh", "--base", s.url, "--yes", "--format", c.format)
			if err == nil || installed != "" || !strings.Contains(said, "swapped") || !strings.Contains(said, "is no longer what was signed") {
				t.Errorf("%v, installed:\n%s\nsaid:\n%s", err, installed, said)
			}
		})
	}
}

// TestInstallScriptSwappedBeforeTheCheck: another program of the person has put
// its own key beside the list when the signature is checked. Root checks again,
// where that program cannot write.
func TestInstallScriptSwappedBeforeTheCheck(t *testing.T) {
	releases(t)
	s := newShop(t, newer)
	other := filepath.Join(t.TempDir(), "other")
	if err := shell("", `ssh-keygen -q -t ed25519 -N '' -f "$1"`, other); err != nil {
		t.Fatal(err)
	}
	s.put(goodDeb, []byte("evil"))
	s.resum(goodDeb)
	s.sign(other)
	real, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.tools, "ssh-keygen")); err != nil {
		t.Fatal(err)
	}
	swapped := filepath.Join(t.TempDir(), "swapped")
	// In the folder of the person's it is in time. Into root's it cannot write.
	if err := executable.Write(filepath.Join(s.tools, "ssh-keygen"), `#!/bin/sh
for f; do case "$f" in "${TMPDIR:-none}"/*/signers) printf 'wormbell-release %s\n' "$(cat "`+other+`.pub")" >"$f"; echo swapped >>"`+swapped+`" ;; esac; done
exec `+real+` "$@"
`); err != nil {
		t.Fatal(err)
	}
	said, installed, err := s.install("/bin/sh", "--base", s.url, "--yes")
	if err == nil || installed != "" || !strings.Contains(said, "is no longer what was signed") || len(read(t, swapped)) == 0 {
		t.Errorf("%v, installed:\n%s\nsaid:\n%s", err, installed, said)
	}
}

// TestInstallScriptPath: what lies in the person's PATH under the name of a tool
// is not asked. Nothing is installed here: it is the machine's own tools that run.
func TestInstallScriptPath(t *testing.T) {
	releases(t)
	s := newShop(t, newer)
	asked := filepath.Join(t.TempDir(), "asked")
	for _, tool := range append(installTools, "sudo", "apt-get") {
		if tool == "sh" {
			continue
		}
		name := filepath.Join(s.tools, tool)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := executable.Write(name, "#!/bin/sh\necho "+tool+" >>"+asked+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(s.files, "install.sh")
	if said, _, err := s.run("/bin/sh", script, "--base", s.files, "--dry-run"); err != nil || !strings.Contains(said, goodDeb) {
		t.Errorf("%v\n%s", err, said)
	}
	s.change("SHA256SUMS", "0", "1")
	if said, _, err := s.run("/bin/sh", script, "--base", s.files, "--dry-run"); err == nil || !strings.Contains(said, "the signature of the sums is not right") {
		t.Errorf("%v\n%s", err, said)
	}
	if b, err := os.ReadFile(asked); err == nil {
		t.Errorf("it has asked the person's own:\n%s", b)
	}
}

// TestInstallScriptUnsigned: a build without keys says so, and is refused
// unless told.
func TestInstallScriptUnsigned(t *testing.T) {
	m := releases(t)
	s := newShop(t, newer)
	for _, file := range []string{"install.sh", "SHA256SUMS", "wormbell_1.0.0~rc.1-1_amd64.deb", "wormbell-tray_1.0.0~rc.1-1_amd64.deb"} {
		s.put(file, read(t, filepath.Join(m.again, file)))
	}
	if said, installed, err := s.install("/bin/sh", "--base", s.url, "--yes"); err == nil || installed != "" || !strings.Contains(said, "built without a key") {
		t.Errorf("%v %q\n%s", err, installed, said)
	}
	if said, installed, err := s.install("/bin/sh", "--base", s.url, "--yes", "--unsigned"); err != nil || installed == "" || !strings.Contains(said, "WARNING: nobody signed") {
		t.Errorf("%v %q\n%s", err, installed, said)
	}
	// The option is no way around a key that is there.
	s = newShop(t, newer)
	s.remove("SHA256SUMS.sig")
	if said, installed, err := s.install("/bin/sh", "--base", s.url, "--yes", "--unsigned"); err == nil || installed != "" {
		t.Errorf("%q\n%s", installed, said)
	}
}

// TestInstallScriptDryRun: it says what it would do, and takes no package.
func TestInstallScriptDryRun(t *testing.T) {
	s := newShop(t, newer)
	said, installed, err := s.install("/bin/sh", "--base", s.url, "--dry-run")
	if err != nil || installed != "" || !strings.Contains(said, goodDeb) || !strings.Contains(said, "apt-get install") {
		t.Errorf("%v %q\n%s", err, installed, said)
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("took %d files, want the list and its signature", n)
	}
}

// TestInstallScriptCutOff: wherever the script ends early, it does nothing.
func TestInstallScriptCutOff(t *testing.T) {
	s := newShop(t, newer)
	whole := read(t, filepath.Join(s.files, "install.sh"))
	cuts := 0
	for i := 1; i < len(whole)-len("main \"$@\"\n"); i++ {
		if whole[i-1] != '\n' && i%97 != 0 && i < len(whole)-60 {
			continue
		}
		cuts++
		s.put("install.sh", whole[:i])
		_, installed, _ := s.install("/bin/sh", "--base", s.url, "--yes")
		if installed != "" || s.asked.Load() != 0 {
			t.Fatalf("cut off after %d bytes (…%q) it asked %d times and installed %q", i, whole[max(0, i-40):i], s.asked.Load(), installed)
		}
	}
	if cuts < 300 {
		t.Errorf("only %d cuts were tried", cuts)
	}
	s.put("install.sh", whole)
	if _, installed, err := s.install("/bin/sh", "--base", s.url, "--yes"); err != nil || installed == "" {
		t.Errorf("whole, it installs nothing: %v", err)
	}
}
