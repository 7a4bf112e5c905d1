package signer

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/internal/executable"
	"wormbell/watchers/internal/procs"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to read what others run")
	}
}

func newSigner(t *testing.T, cfg Config) *Signer {
	t.Helper()
	if cfg.Brew == "" {
		cfg.Brew = filepath.Join(t.TempDir(), "brew")
	}
	s := New(cfg)
	t.Cleanup(s.Close)
	return s
}

// started runs a program until the test ends, and waits until it has executed.
func started(t *testing.T, r *procs.Reader, cmd *exec.Cmd) (int, procs.Info) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil { // returns once it has executed
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	// Start returns in the middle of the exec, before there are arguments.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		info, err := r.Read(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if len(info.Args) > 0 || time.Now().After(deadline) {
			return cmd.Process.Pid, info
		}
	}
}

func vouch(s *Signer, pid int, i procs.Info) string {
	return s.Vouch(Query{PID: pid, Exe: i.Exe, Deleted: i.Deleted, Cwd: i.Cwd, Run: procs.Parse(i.Exe, i.Args, i.Cwd), Env: i.Env})
}

func put(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(name, content); err != nil {
		t.Fatal(err)
	}
	return name
}

func copyOf(t *testing.T, program, to string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, to, string(b))
}

func TestVouchForPrograms(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSigner(t, Config{})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	dir := t.TempDir()
	npm, _ := exec.LookPath("npm")
	mine := put(t, filepath.Join(dir, "x.js"), "setTimeout(()=>{}, 1e6)")
	addon := put(t, filepath.Join(dir, "x.node"), "")
	libc := ""
	if out, err := exec.Command("ldd", "/bin/cat").Output(); err == nil {
		for f := range strings.FieldsSeq(string(out)) {
			if path.Base(f) == "libc.so.6" && path.IsAbs(f) {
				libc = filepath.Dir(copyOf(t, f, filepath.Join(dir, "libs/libc.so.6")))
			}
		}
	}
	put(t, filepath.Join(dir, "harmless/libcudart.so.12"), "")
	if libc != "" {
		copyOf(t, filepath.Join(libc, "libc.so.6"), filepath.Join(dir, "special/glibc-hwcaps/x86-64-v2/libc.so.6"))
	}
	stray := filepath.Dir(put(t, filepath.Join(dir, "stray/encoding/index.js"), ""))
	put(t, filepath.Join(dir, "home/.node_modules/encoding.js"), "")
	elsewhere := copyOf(t, "/bin/cat", filepath.Join(dir, "npm"))
	for _, tc := range []struct {
		name string
		args []string
		env  []string
		want bool
	}{
		{"a program of a package", []string{"/bin/cat"}, nil, true},
		{"a shell with a command", []string{"/bin/sh", "-c", "read x; :"}, nil, true},
		{"a shell that reads a pipe", []string{"/bin/sh"}, nil, false},
		{"a shell with somebody's script", []string{"/bin/sh", put(t, filepath.Join(dir, "x.sh"), "read x; :")}, nil, false},
		{"a script from a descriptor", []string{"/bin/sh", "/dev/fd/0"}, nil, false},
		{"a copy of a program", []string{copyOf(t, "/bin/cat", filepath.Join(dir, "cat"))}, nil, false},
		{"code on the command line", []string{"perl", "-e", "<STDIN>"}, nil, false},
		{"a preloaded library that is not there", []string{"/bin/cat"}, []string{"LD_PRELOAD=" + filepath.Join(dir, "no.so")}, false},
		{"a preloaded library of anybody's", []string{"/bin/cat"}, []string{"LD_PRELOAD=" + put(t, filepath.Join(dir, "x.so"), "")}, false},
		{"an auditing library of anybody's", []string{"/bin/cat"}, []string{"LD_AUDIT=" + filepath.Join(dir, "x.so")}, false},
		{"a preloaded library of the system's", []string{"/bin/cat"}, []string{"LD_PRELOAD=libc.so.6"}, true},
		{"the same name found elsewhere first", []string{"/bin/cat"}, []string{"LD_PRELOAD=x.so libc.so.6", "LD_LIBRARY_PATH=" + dir}, false},
		{"node options mean nothing to cat", []string{"/bin/cat"}, []string{"NODE_OPTIONS=--require " + mine}, true},
		{"npm", []string{"node", npm, "config", "get", "x"}, nil, true},
		{"somebody's script", []string{"node", mine}, nil, false},
		{"a REPL", []string{"node", "-i"}, nil, false},
		{"npm that loads somebody's code", []string{"node", npm, "-v"}, []string{"NODE_OPTIONS=--import " + mine}, false},
		{"npm that requires somebody's code", []string{"node", npm, "-v"}, []string{"NODE_OPTIONS=--require " + mine}, false},
		{"npm that requires it quoted, by a short name", []string{"node", npm, "-v"}, []string{`NODE_OPTIONS="-r" "` + mine + `"`}, false},
		{"npm that requires an add-on", []string{"node", npm, "-v"}, []string{"NODE_OPTIONS=--require=" + addon}, false},
		{"npm that imports code in a name", []string{"node", npm, "-v"}, []string{"NODE_OPTIONS=--import=data:text/javascript,0"}, false},
		{"the same on the command line", []string{"node", "--import=data:text/javascript,0", npm, "-v"}, nil, false},
		{"npm that requires a module by its name", []string{"node", "-r", "x", npm, "-v"}, nil, false},
		{"npm with options that load nothing", []string{"node", npm, "config", "get", "x"}, []string{"NODE_OPTIONS=--max-old-space-size=4096"}, true},
		{"code for node on the command line", []string{"node", "-e", "setTimeout(()=>{}, 1e6)"}, nil, false},
		{"an expression for node", []string{"node", "-p", "setTimeout(()=>{}, 1e6)"}, nil, false},
		{"code for node that then gets npm as an argument", []string{"node", "-e", "setTimeout(()=>{}, 1e6)", npm, "-v"}, nil, false},
		{"code for node by a pipe", []string{"node", "-"}, nil, false},
		{"node that reads a pipe", []string{"node"}, nil, false},
		{"node that is told its script is a pipe", []string{"node", "/dev/stdin"}, nil, false},
		{"code for Python", []string{"/usr/bin/python3", "-c", "import sys; sys.stdin.read()"}, nil, false},
		{"Python that reads a pipe", []string{"/usr/bin/python3", "-"}, nil, false},
		{"a shell that reads a pipe by an option", []string{"/bin/sh", "-s", npm}, nil, false},
		{"a program called npm", []string{elsewhere}, nil, false},
		{"a folder of libraries with nothing that cat loads", []string{"/bin/cat"}, []string{"LD_LIBRARY_PATH=" + filepath.Join(dir, "harmless")}, true},
		{"a folder that is not there", []string{"/bin/cat"}, []string{"LD_LIBRARY_PATH=/usr/lib:" + filepath.Join(dir, "no")}, true},
		{"somebody's libc", []string{"/bin/cat"}, []string{"LD_LIBRARY_PATH=/usr/lib:" + libc}, false},
		{"somebody's libc for a better processor", []string{"/bin/cat"}, []string{"LD_LIBRARY_PATH=" + filepath.Join(dir, "special")}, false},
		{"a folder of libraries by a variable", []string{"/bin/cat"}, []string{"LD_LIBRARY_PATH=$ORIGIN/../x"}, false},
		{"npm with a folder of modules", []string{"node", npm, "config", "get", "x"}, []string{"NODE_PATH=" + dir}, true},
		{"npm with one that it looks for", []string{"node", npm, "config", "get", "x"}, []string{"NODE_PATH=/usr/lib:" + filepath.Dir(stray)}, false},
		{"npm with one in the home", []string{"node", npm, "config", "get", "x"}, []string{"HOME=" + filepath.Join(dir, "home")}, false},
		{"npm under a debugger", []string{"node", "--inspect-brk=127.0.0.1:0", npm, "-v"}, nil, false},
	} {
		program, err := exec.LookPath(tc.args[0])
		if err != nil || tc.args[0] == "node" && npm == "" {
			t.Logf("skipped, there is no %s", tc.args[0])
			continue
		}
		cmd := exec.Command(program, tc.args[1:]...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, tc.env...)
		if !slices.ContainsFunc(tc.env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
			cmd.Env = append(cmd.Env, "HOME="+dir)
		}
		pid, info := started(t, r, cmd)
		if got := vouch(s, pid, info); (got != "") != tc.want {
			t.Errorf("%s: vouched for by %q", tc.name, got)
		} else if got != "" && got != "root" && !strings.HasPrefix(got, "deb:") {
			t.Errorf("%s: label %q", tc.name, got)
		}
		if again := vouch(s, pid, info); (again != "") != tc.want {
			t.Errorf("%s: asked again, by %q", tc.name, again)
		}
	}
}

func TestLabelNamesThePackage(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := t.TempDir()
	dpkg := filepath.Join(root, "var/lib/dpkg/info")
	if to, err := os.Readlink("/bin"); err == nil {
		os.Symlink(to, filepath.Join(root, "bin"))
	}
	put(t, filepath.Join(dpkg, "felines:amd64.list"), "/.\n/bin\n/bin/cat\n/usr/share/doc/felines/x\n")
	s := newSigner(t, Config{Root: root})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	pid, info := started(t, r, exec.Command("/bin/cat"))
	want := "deb:felines"
	if to, _ := os.Readlink("/bin"); to != "usr/bin" && info.Exe != "/bin/cat" {
		want = "root"
	}
	if got := vouch(s, pid, info); got != want {
		t.Errorf("label %q, not %q", got, want)
	}
	// Another package takes the file over.
	os.Remove(filepath.Join(dpkg, "felines:amd64.list"))
	put(t, filepath.Join(dpkg, "cats.list"), "/usr/bin/cat\n/bin/cat\n")
	os.Chtimes(dpkg, time.Now(), time.Now().Add(time.Hour))
	s.Maintain()
	if got := vouch(s, pid, info); got != "deb:cats" {
		t.Errorf("after the upgrade %q", got)
	}
}

// TestBrokenPackageDatabase: who vouches for a program is not told by a database.
func TestBrokenPackageDatabase(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := t.TempDir()
	db := put(t, filepath.Join(root, "usr/lib/sysimage/rpm/rpmdb.sqlite"), strings.Repeat("x", 5000))
	s := newSigner(t, Config{Root: root})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	pid, info := started(t, r, exec.Command("/bin/cat"))
	if got, p := vouch(s, pid, info), s.Notices(); got != "root" || len(p) != 1 || !strings.Contains(p[0], "rpmdb.sqlite") {
		t.Errorf("vouched for by %q, told as %q", got, p)
	}
	os.Remove(db)
	put(t, filepath.Join(root, "var/lib/pacman/local/felines-1-1/files"), "%FILES%\nusr/bin/cat\nbin/cat\n")
	s.Maintain()
	if got, p := vouch(s, pid, info), s.Notices(); got != "pacman:felines" || len(p) != 0 {
		t.Errorf("with another database vouched for by %q, told as %q", got, p)
	}
}

func TestReplacedAndDeletedPrograms(t *testing.T) {
	t.Parallel()
	needRoot(t)
	home := t.TempDir()
	node := copyOf(t, "/bin/cat", filepath.Join(home, ".nvm/versions/node/v1.0.0/bin/node"))
	s := newSigner(t, Config{Homes: []Home{{home, 0}}})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	pid, info := started(t, r, exec.Command(node))
	q := Query{PID: pid, Exe: info.Exe, Env: info.Env}
	if got := s.Vouch(q); got != "first-use:~/.nvm/versions/node/v1.0.0" {
		t.Fatalf("an enrolled tool: %q", got)
	}
	if err := os.Rename(copyOf(t, "/bin/cat", node+".new"), node); err != nil {
		t.Fatal(err)
	}
	if got := s.Vouch(q); got != "" {
		t.Errorf("its path holds another file: %q", got)
	}
	if info, err := r.Read(pid); err != nil || !info.Deleted || vouch(s, pid, info) != "" {
		t.Errorf("a deleted program: %v", err)
	}
}

// apart runs f on a thread with a mount namespace of its own.
func apart(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	var work func()
	work = func() { // ends with its thread, which nobody else shall use
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread does not end before the process, and /proc/self
			// would speak of its namespace from then on. While it waits another takes the work.
			defer runtime.UnlockOSThread()
			go work()
			<-done
			return
		}
		defer close(done)
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			t.Logf("no mount namespace: %v", err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Error(err)
			return
		}
		f()
	}
	go work()
	<-done
}

func TestLookup(t *testing.T) {
	t.Parallel()
	needRoot(t)
	apart(t, func() {
		files := NewFiles() // with this thread's view
		defer files.Close()
		if err := unix.Mount("none", "/mnt", "tmpfs", 0, "mode=755"); err != nil {
			t.Error(err)
			return
		}
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		for _, d := range []string{"/mnt/good/sub", "/mnt/group", "/mnt/sticky", "/mnt/user"} {
			must(os.MkdirAll(d, 0o755))
			must(os.WriteFile(d+"/f", nil, 0o755))
		}
		must(os.WriteFile("/mnt/good/f", nil, 0o755))
		must(os.Chmod("/mnt/group", 0o775))
		must(os.Chmod("/mnt/sticky", 0o777|os.ModeSticky))
		must(os.Chown("/mnt/user", 1000, 1000))
		must(os.WriteFile("/mnt/good/open", nil, 0o755))
		must(os.Chmod("/mnt/good/open", 0o757))
		must(os.WriteFile("/mnt/good/theirs", nil, 0o755))
		must(os.Chown("/mnt/good/theirs", 1000, 1000))
		for link, to := range map[string]string{"good/abs": "/mnt/good/f", "good/rel": "sub/../f", "good/out": "../user/f", "good/via": "../user/in",
			"user/in": "../good/f", "good/loop": "loop", "good/dir": "sub", "good/changed": "f", "good/none": "nowhere"} {
			must(os.Symlink(to, "/mnt/"+link))
		}
		must(os.Lchown("/mnt/good/changed", 1000, 1000))
		must(os.WriteFile("/mnt/good/sub/g", nil, 0o755))
		must(unix.Mkfifo("/mnt/good/fifo", 0o644))
		for _, tc := range []struct {
			name, path string
			root       bool
		}{
			{"/mnt/good/f", "/mnt/good/f", true},
			{"/mnt/good/sub/f", "/mnt/good/sub/f", true},
			{"/mnt/good/abs", "/mnt/good/f", true},
			{"/mnt/good/rel", "/mnt/good/f", true},
			{"/mnt/good/dir/../f", "/mnt/good/f", true},
			{"/mnt/good/dir/g", "/mnt/good/sub/g", true},
			{"/mnt/good/out", "/mnt/user/f", false}, // its target lies in somebody's folder
			{"/mnt/good/via", "/mnt/good/f", false}, // there and back again
			{"/mnt/user/in", "/mnt/good/f", false},  // somebody may turn it elsewhere
			{"/mnt/good/changed", "/mnt/good/f", false},
			{"/mnt/group/f", "/mnt/group/f", false},
			{"/mnt/sticky/f", "/mnt/sticky/f", false},
			{"/mnt/good/open", "/mnt/good/open", false},
			{"/mnt/good/theirs", "/mnt/good/theirs", false},
			{"/mnt/good/loop", "", false},
			{"/mnt/good/none", "", false},
			{"/mnt/good/f/x", "", false},
			{"relative", "", false},
			{"/mnt/good/f\x00", "", false},
		} {
			found, err := files.Lookup(tc.name)
			if (err == nil) != (tc.path != "") || err == nil && (found.Path != tc.path || found.Root != tc.root) {
				t.Errorf("%q: %+v %v", tc.name, found, err)
			}
		}
		if _, err := files.Read("/mnt/good/fifo", 10); err == nil {
			t.Error("a pipe was read")
		}
		must(os.WriteFile("/mnt/good/big", make([]byte, 11), 0o644))
		if _, err := files.Read("/mnt/good/big", 10); err == nil {
			t.Error("a file beyond the limit was read")
		}
		if b, err := files.Read("/mnt/good/big", 11); err != nil || len(b) != 11 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
	files := NewFiles()
	t.Cleanup(files.Close)
	if _, err := files.Lookup("/proc/self/exe"); err == nil {
		t.Error("a name of /proc was followed")
	}
	if _, err := files.Lookup("/dev/fd/0"); err == nil {
		t.Error("a descriptor of ours was taken for another's")
	}
}

// A second Close must not close what has got the descriptor's number since.
// Not parallel: others would get it.
func TestCloseTwice(t *testing.T) {
	files := NewFiles()
	files.Close()
	next, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	files.Close()
	if _, err := next.Read(make([]byte, 1)); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
}

func TestMountNamespaceTrick(t *testing.T) {
	t.Parallel()
	needRoot(t)
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm")
	}
	target, _ := filepath.EvalSymlinks(npm)
	s := newSigner(t, Config{})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	evil := put(t, filepath.Join(t.TempDir(), "evil.js"), "setTimeout(()=>{}, 1e6)")
	for _, trick := range []bool{false, true} {
		mount := ":"
		if trick {
			mount = fmt.Sprintf("mount --bind %s %s", evil, target)
		}
		cmd := exec.Command("/bin/sh", "-c", mount+" && exec node "+npm+" help")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
		in, _ := cmd.StdinPipe()
		if err := cmd.Start(); err != nil {
			t.Skip("no mount namespace: ", err)
		}
		defer in.Close()
		pid := cmd.Process.Pid
		var info procs.Info
		for deadline := time.Now().Add(10 * time.Second); filepath.Base(info.Exe) != "node" || len(info.Args) == 0; { // in the middle of exec it has none
			if info, err = r.Read(pid); err != nil || time.Now().After(deadline) {
				t.Fatalf("node does not start: %v", err)
			}
		}
		got := vouch(s, pid, info)
		if (got != "") == trick {
			t.Errorf("trick %v: vouched for by %q", trick, got)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// TestCopiedNamespace: the agent has a copy of the machine's mounts, as a service
// manager gives it. What it learns of a path in the machine's own view holds
// there, and not for who has another.
func TestCopiedNamespace(t *testing.T) {
	t.Parallel()
	needRoot(t)
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm")
	}
	target, _ := filepath.EvalSymlinks(npm)
	s := newSigner(t, Config{})
	s.machine, s.ns = s.ns, "mnt:[1]"
	r := procs.NewReader()
	t.Cleanup(r.Close)
	evil := put(t, filepath.Join(t.TempDir(), "evil.js"), "setTimeout(()=>{}, 1e6)")
	run := func(mount string, flags uintptr) string {
		cmd := exec.Command("/bin/sh", "-c", mount+" && exec node "+npm+" help")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: flags}
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
		in, _ := cmd.StdinPipe()
		defer in.Close()
		if err := cmd.Start(); err != nil {
			t.Skip("no mount namespace: ", err)
		}
		defer func() { cmd.Process.Kill(); cmd.Wait() }()
		var info procs.Info
		for deadline := time.Now().Add(20 * time.Second); filepath.Base(info.Exe) != "node" || len(info.Args) == 0; { // in the middle of exec it has none
			if info, err = r.Read(cmd.Process.Pid); err != nil || time.Now().After(deadline) {
				t.Fatalf("node does not start: %v", err)
			}
		}
		return vouch(s, cmd.Process.Pid, info)
	}
	same := func() (n int) {
		for _, k := range s.known {
			if k.same {
				n++
			}
		}
		return n
	}
	if got := run(":", syscall.CLONE_NEWNS); got == "" || same() != 0 {
		t.Errorf("in a view of its own: vouched for by %q, and taken for the machine's %d times", got, same())
	}
	for range 2 {
		if got := run(":", 0); got == "" || same() == 0 {
			t.Errorf("in the machine's view: vouched for by %q, %d remembered", got, same())
		}
	}
	if got := run("mount --bind "+evil+" "+target, syscall.CLONE_NEWNS); got != "" {
		t.Errorf("another file at that path is vouched for by %q", got)
	}
}

func TestChangedRoot(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSigner(t, Config{})
	r := procs.NewReader()
	t.Cleanup(r.Close)
	dir := t.TempDir()
	if out, err := exec.Command("/bin/sh", "-c", "ldd /bin/cat").Output(); err == nil {
		for f := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(f, "/") {
				copyOf(t, f, filepath.Join(dir, f))
			}
		}
	}
	copyOf(t, "/bin/cat", filepath.Join(dir, "usr/bin/cat"))
	cmd := exec.Command("/usr/bin/cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	cmd.Dir = "/"
	pid, info := started(t, r, cmd)
	if got := vouch(s, pid, info); got != "" {
		t.Errorf("%q in another root is vouched for by %q", info.Exe, got)
	}
}
