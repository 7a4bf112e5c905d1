package watchers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAddOnInNPM: npm runs a module of the person's in its own process, and what
// that loads is seen once it is there. Real npm, a real library.
func TestAddOnInNPM(t *testing.T) {
	t.Parallel()
	needRoot(t)
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc")
	}
	dir := t.TempDir()
	source := putFile(t, filepath.Join(dir, "x.c"), "void *napi_register_module_v1(void *env, void *exports) { return exports; }\n")
	addon := filepath.Join(dir, "x.node")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", addon, source).CombinedOutput(); err != nil {
		t.Skipf("gcc makes no library: %s", out)
	}
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l) // npm overwrites its arguments
	for _, tc := range []struct {
		name, code string
		want       bool
	}{
		{"nothing", "", true},
		{"an add-on", fmt.Sprintf("try { process.dlopen({exports: {}}, %q) } catch {}", addon), false},
		{"an add-on that is gone", fmt.Sprintf("require('fs').copyFileSync(%[1]q, %[1]q + '2'); try { process.dlopen({exports: {}}, %[1]q + '2') } catch {}; require('fs').unlinkSync(%[1]q + '2')", addon), false},
	} {
		work := t.TempDir()
		ready := filepath.Join(work, "ready")
		module := putFile(t, filepath.Join(work, "init.js"), tc.code+fmt.Sprintf("\nrequire('fs').writeFileSync(%q, '')\nAtomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000)\n", ready))
		cmd := exec.Command(npm, "init", "-y", "--init-module="+module)
		cmd.Dir, cmd.Env = work, []string{"HOME=" + work, "PATH=" + os.Getenv("PATH")}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "npm to run the module", func() bool { _, err := os.Stat(ready); return err == nil })
		at, reading := l.At(cmd.Process.Pid), l.Reading(cmd.Process.Pid)
		cmd.Process.Kill()
		cmd.Wait()
		if at == nil || at.Signer == "" || reading == nil {
			t.Fatalf("%s: npm is %+v, %+v", tc.name, at, reading)
		}
		if (reading.Signer != "") != tc.want || reading.Foreign == tc.want || reading.ID() != at.ID() {
			t.Errorf("with %s npm is vouched for by %q when it reads, foreign %v", tc.name, reading.Signer, reading.Foreign)
		}
	}
}
