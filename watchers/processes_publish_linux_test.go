package watchers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers/internal/signer"
)

// A publish that is told of names the package.
func TestPublishNamesThePackage(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node")
	}
	l := procLineage(t, LineageConfig{})
	out := watchProcesses(t, l)
	dir := t.TempDir()
	putManifest(t, `{"name":"@s/worm","version":"9.9.9"}`, dir, "package.json")
	// A file that is called npm and publishes nothing: the client is told by its name.
	npm := putFile(t, filepath.Join(dir, "bin", "npm"), "setTimeout(()=>{}, 50)\n")
	// On a busy machine one is told without its package, which is not to be kept waiting for.
	for deadline := time.Now().Add(time.Minute); ; {
		cmd := exec.Command(node, npm, "publish")
		cmd.Dir = dir
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		var e wormbell.Event
		eventually(t, "the publish", func() (ok bool) {
			e, ok = out.find(func(e wormbell.Event) bool {
				return e.Kind == wormbell.ProcessStart && e.Process.PID == cmd.Process.Pid
			})
			return ok
		})
		if got := e.Package.String(); got == "@s/worm@9.9.9" {
			return
		} else if got != "" || time.Now().After(deadline) {
			t.Fatalf("it publishes %q", got)
		}
	}
}

// What is read of what a publish publishes, hostile things among it.
func TestPublished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putManifest(t, `{"name":"@s/worm","version":"9.9.9"}`, dir, "ok", "package.json")
	putManifest(t, `{}`, dir, "nameless", "package.json")
	pipe := filepath.Join(dir, "pipe", "package.json")
	putManifest(t, "", dir, "pipe", "x")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	tarballs := map[string][]byte{
		"t.tgz":   packed(true, "package/index.js", "x", "package/package.json", `{"name":"@s/inside","version":"3.2.1"}`),
		"t.tar":   packed(false, "whatever/package.json", `{"name":"plain","version":"1.0.0"}`),
		"two.tgz": packed(true, "package/package.json", `{"name":"first","version":"1.0.0"}`, "package/package.json", `{"name":"last","version":"2.0.0"}`),
		"deep.tgz": packed(true, "package/node_modules/package.json", `{"name":"deep","version":"1.0.0"}`,
			"package.json", `{"name":"top","version":"1.0.0"}`),
		"bomb.tgz":   packed(true, "package/package.json", `{"name":"early","version":"1.0.0"}`, "package/x", strings.Repeat("\x00", 17<<20), "package/package.json", `{"name":"late","version":"1.0.0"}`),
		"cut.tgz":    packed(true, "package/package.json", `{"name":"cut","version":"1.0.0"}`, "package/x", strings.Repeat("abc", 1000))[:120],
		"none.tgz":   []byte("no tarball"),
		"empty.tgz":  nil,
		"object.tgz": packed(true, "package/package.json", `{"name":{"a":1},"version":"1.0.0"}`),
	}
	for name, b := range tarballs {
		putFile(t, filepath.Join(dir, "tar", name), string(b))
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "tar", "pipe.tgz"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPublished(signer.NewFiles())
	p.limit = time.Minute // what is read must not hang on how busy the machine is
	for what, want := range map[string]string{"ok": "@s/worm@9.9.9", "nameless": "", "pipe": "",
		"tar/t.tgz": "@s/inside@3.2.1", "tar/t.tar": "plain@1.0.0", "tar/two.tgz": "last@2.0.0", "tar/deep.tgz": "", "tar/bomb.tgz": "", "tar/cut.tgz": "",
		"tar/none.tgz": "", "tar/empty.tgz": "", "tar/object.tgz": "", "tar/pipe.tgz": "", "tar/absent.tgz": ""} {
		process := &wormbell.Process{PID: 1, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "publish"}, Cwd: filepath.Join(dir, what)}
		if file, ok := strings.CutPrefix(what, "tar/"); ok {
			process.Args, process.Cwd = append(process.Args, "./"+file), filepath.Join(dir, "tar")
		}
		out := newProcOut()
		if !p.enqueue(t.Context(), wormbell.Event{Kind: wormbell.ProcessStart, Process: process}, out) {
			t.Errorf("%s: it is no publish", what)
			continue
		}
		p.close()
		if len(out.events) != 1 {
			t.Errorf("%s: told %d times", what, len(out.events))
		} else if got := out.events[0].Package.String(); got != want {
			t.Errorf("%s: it publishes %q, not %q", what, got, want)
		}
	}
}

// What does not let itself be read holds up no publish.
func TestPublishDoesNotWait(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putFile(t, filepath.Join(dir, "big.tgz"), string(packed(true, "package/package.json", `{"name":"big","version":"1.0.0"}`)))
	p := newPublished(signer.NewFiles())
	p.limit = -time.Second // it is over before it begins
	out := newProcOut()
	process := &wormbell.Process{PID: 1, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "publish", "./big.tgz"}, Cwd: dir}
	if !p.enqueue(t.Context(), wormbell.Event{Kind: wormbell.ProcessStart, Process: process}, out) {
		t.Fatal("it is no publish")
	}
	p.close()
	if len(out.events) != 1 || out.events[0].Package != nil {
		t.Errorf("told %+v", out.events)
	}
}

// packed makes a tarball of files, each a name and a content.
func packed(zip bool, files ...string) []byte {
	var b, z bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644})
		w.Write([]byte(files[i+1]))
	}
	w.Close()
	if !zip {
		return b.Bytes()
	}
	g := gzip.NewWriter(&z)
	g.Write(b.Bytes())
	g.Close()
	return z.Bytes()
}
