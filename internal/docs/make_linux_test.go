package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMakeRun follows the beginning of the quick start: `make run` in a copy of
// the repository, and the programs in the PATH of a second terminal. It guards
// a home that is made for it: in a mount namespace of its own, with users,
// sockets and state of its own.
func TestMakeRun(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a mount namespace with another list of users")
	}
	if testing.Short() {
		t.Skip("needs a minute: it builds all programs anew, in another folder")
	}
	// What is to be mounted, tried first.
	const mounts = "mount -t tmpfs none /run && mkdir /run/upper /run/work && mount -t overlay -o lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work none /var/lib"
	if out, err := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c", mounts).CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace with an overlay, refused: %v %s", err, out)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("needs npm: no npm here")
	}
	dir, home := copied(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "passwd"), []byte("root:x:0:0:root:"+home+":/bin/bash\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), []byte("fund=false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(t, dir, "make build"); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	caches, err := shell(t, dir, "go env GOCACHE GOMODCACHE")
	if err != nil {
		t.Fatal(err)
	}
	cache := strings.Fields(caches)
	// Both terminals are in one namespace. The first one ends as with Ctrl-C.
	script := `set -e
` + mounts + `
mount --bind passwd /etc/passwd
set -m
make run >first 2>&1 </dev/null &
make=$!
trap 'code=$?; kill -INT -$make; wait $make || true; exit $code' EXIT
for i in $(seq 600); do grep -q "Alerts as they come" first && break; kill -0 $make; sleep 0.1; done
PATH="$PWD/bin:$PATH"
command -v wormbell
wormbell status
wormbell demo npmrc-read --fast
`
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+home, "NO_COLOR=1", "GOCACHE="+cache[0], "GOMODCACHE="+cache[1])
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	first, _ := os.ReadFile(filepath.Join(dir, "first"))
	said := out.String()
	if err != nil || !strings.Contains(said, dir+"/bin/wormbell\n") || !strings.Contains(said, "guards "+home) || !strings.Contains(said, "credential") {
		t.Errorf("the second terminal (%v):\n%s", err, said)
	}
	for _, want := range []string{"Guarding " + home, "credentials by fanotify", "npm tokens"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("make run does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("make run:\n%s", first)
	}
}

// output is a bytes.Buffer that two goroutines may write to.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
