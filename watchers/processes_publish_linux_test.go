package watchers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"wormbell"
)

func TestPublishNamesThePackage(t *testing.T) {
	t.Parallel()
	l := procLineage(t, LineageConfig{})
	out := watchProcesses(t, l)
	dir := t.TempDir()
	putManifest(t, `{"name":"@s/worm","version":"9.9.9"}`, dir, "ok", "package.json")
	putManifest(t, `{}`, dir, "nameless", "package.json")
	pipe := filepath.Join(dir, "pipe", "package.json")
	putManifest(t, "", dir, "pipe", "x")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	// A file that is called npm and publishes nothing: the client is told by its name.
	npm := putFile(t, filepath.Join(dir, "bin", "npm"), "setTimeout(()=>{}, 50)\n")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node")
	}
	for folder, want := range map[string]string{"ok": "@s/worm@9.9.9", "nameless": "", "pipe": ""} {
		cmd := exec.Command(node, npm, "publish")
		cmd.Dir = filepath.Join(dir, folder)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		var e wormbell.Event
		eventually(t, fmt.Sprintf("the publish in %s", folder), func() (ok bool) {
			e, ok = out.find(func(e wormbell.Event) bool {
				return e.Kind == wormbell.ProcessStart && e.Process.PID == cmd.Process.Pid
			})
			return ok
		})
		if got := e.Package.String(); got != want {
			t.Errorf("%s: it publishes %q, not %q", folder, got, want)
		}
	}
}
