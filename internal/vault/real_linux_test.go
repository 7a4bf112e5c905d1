package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/registry"
	"wormbell/internal/secretservice"
)

// desk is a user with a desktop session, npm, and this program.
type desk struct {
	t        *testing.T
	uid      int
	dir      string // holds everything
	home     string
	wormbell string
	runtime  string // the session's XDG_RUNTIME_DIR
	env      []string
	registry *registry.Server
	token    string
}

// nobody is a user that every system knows, as D-Bus wants it.
const nobody = 65534

// newDesk makes one. For root it is another user, from whom the kernel keeps what
// it keeps from users.
func newDesk(t *testing.T) *desk {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("needs npm: it is what gets the tokens")
	}
	d := &desk{t: t, uid: os.Getuid(), token: "npm_" + rand.Text() + "0123456789"}
	dir, err := os.MkdirTemp("", "desk") // another user cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.dir, d.home, d.wormbell = dir, filepath.Join(dir, "home"), filepath.Join(dir, "wormbell")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(d.home, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", d.wormbell, "wormbell/cmd/wormbell").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	c := secretservice.Config{Home: d.home}
	if d.uid == 0 {
		d.uid = nobody
		c.UID = nobody
	}
	s := secretservice.Start(t, c)
	for _, e := range s.Env {
		if dir, ok := strings.CutPrefix(e, "XDG_RUNTIME_DIR="); ok {
			d.runtime = dir
		}
	}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(strings.ToLower(name), "npm_") && !strings.HasPrefix(name, "XDG_") && name != "DBUS_SESSION_BUS_ADDRESS" {
			d.env = append(d.env, e)
		}
	}
	d.env = append(d.env, s.Env...)
	d.env = append(d.env, "npm_config_update_notifier=false", "npm_config_fund=false", "npm_config_audit=false")
	if d.registry, err = registry.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.registry.Close() })
	d.registry.RequireToken(d.token, "alice")
	return d
}

// host is the registry's, as npm writes it in keys.
func (d *desk) host() string { return strings.TrimPrefix(d.registry.URL, "http:") + "/" }

func (d *desk) write(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.home, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		d.t.Fatal(err)
	}
	for p := path; p != d.home; p = filepath.Dir(p) {
		if err := os.Chown(p, d.uid, d.uid); err != nil {
			d.t.Fatal(err)
		}
	}
	return path
}

func (d *desk) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.home, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// command prepares a program of the user's, in a folder of the home.
func (d *desk) command(folder, name string, args ...string) *exec.Cmd {
	if name == "wormbell" {
		name = d.wormbell
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = filepath.Join(d.home, folder), d.env
	cmd.WaitDelay = 30 * time.Second // also for what it wrote before a normal end
	if os.Getuid() != d.uid {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.uid)}}
	}
	return cmd
}

// run runs a program and returns what it wrote and its exit status.
func (d *desk) run(folder, name string, args ...string) (string, int) {
	d.t.Helper()
	cmd := d.command(folder, name, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a program that must succeed.
func (d *desk) must(folder, name string, args ...string) string {
	d.t.Helper()
	out, status := d.run(folder, name, args...)
	if status != 0 {
		d.t.Fatalf("%s %q ended with %d: %s", name, args, status, out)
	}
	return out
}

// noToken reports files of the home that hold the token.
func (d *desk) noToken() {
	d.t.Helper()
	err := filepath.WalkDir(d.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(d.token)) {
			d.t.Errorf("the token stands in %s", path)
		}
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
}

func (d *desk) npmrc() string {
	return "# mine\nregistry=" + d.registry.URL + "/\n" + d.host() + ":_authToken=" + d.token + "\n; the end\nloglevel=warn\n"
}

// spy is a script that looks for the token wherever a program of the user can
// look: in its environment, in those and the command lines of all processes, and
// in the pipe that npm has open. It tells what it found, and a control that it
// must find.
const spy = `
const fs = require('fs'), cp = require('child_process');
const [needle, control] = fs.readFileSync(process.env.HOME + '/needles', 'utf8').trim().split(' ').map(s => Buffer.from(s, 'hex').toString());
const found = [], looked = {environ: 0, cmdline: 0, fd: 0};
let controlled = false;
const look = (where, text) => { if (text.includes(needle)) found.push(where); if (text.includes(control)) controlled = true; };
look('own environment', JSON.stringify(process.env));
for (const pid of fs.readdirSync('/proc').filter(n => /^[0-9]+$/.test(n)))
  for (const f of ['environ', 'cmdline'])
    try { look(pid + '/' + f, fs.readFileSync('/proc/' + pid + '/' + f, 'latin1')); looked[f]++; } catch {}
for (let pid = process.ppid; pid > 1;) {
  let fds = [];
  try { fds = fs.readdirSync('/proc/' + pid + '/fd'); } catch {}
  // Not the others: npm waits for what comes through some.
  for (const fd of fds.filter(fd => fd == 15)) {
    try {
      const f = fs.openSync('/proc/' + pid + '/fd/' + fd, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      looked.fd++;
      const b = Buffer.alloc(1 << 20);
      const n = fs.readSync(f, b, 0, b.length);
      look(pid + '/fd/' + fd, b.toString('latin1', 0, n));
    } catch {}
  }
  try { pid = Number(fs.readFileSync('/proc/' + pid + '/stat', 'latin1').replace(/.*\) . ([0-9]+) .*/s, '$1')); } catch { break; }
}
try { look('what npm_config_userconfig names', fs.readFileSync(process.env.npm_config_userconfig, 'latin1')); } catch {}
const npm = (...args) => cp.spawnSync('npm', args, {encoding: 'utf8', shell: false});
const nested = npm('whoami');
fs.writeFileSync(process.env.HOME + '/spied', JSON.stringify({found, controlled, looked,
  nested: nested.status, nestedText: nested.stderr, registry: npm('config', 'get', 'registry').stdout.trim(),
  userconfig: fs.existsSync(process.env.npm_config_userconfig || '') }));
`

type spied struct {
	Found      []string
	Controlled bool
	Looked     map[string]int
	Nested     int
	NestedText string
	Registry   string
}

func (d *desk) spied() spied {
	d.t.Helper()
	var s spied
	if err := json.Unmarshal([]byte(d.read("spied")), &s); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.home, "spied")); err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *desk) manifest(name, scripts string) string {
	return `{"name":"` + name + `","version":"1.0.0","scripts":` + scripts + `}`
}

// TestRealNpm moves a token, publishes with it, and puts it back.
func TestRealNpm(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.npmrc()
	d.write(".npmrc", before)
	const control = "control-0123456789"
	d.env = append(d.env, "SPY_CONTROL="+control)
	d.write("needles", hex.EncodeToString([]byte(d.token))+" "+hex.EncodeToString([]byte(control)))
	d.write("spy.js", spy)
	d.write("app/package.json", d.manifest("app", `{"prepublishOnly":"node ../spy.js","look":"node ../spy.js","seven":"exit 7","nap":"exec node -e 'console.log(\"asleep\");setTimeout(()=>{},60000)'"}`))
	if err := d.registry.Seed(map[string]any{"name": "dep", "version": "1.0.0", "scripts": map[string]any{"postinstall": "node ../../../spy.js"}}, nil); err != nil {
		t.Fatal(err)
	}

	if out := d.must(".", "npm", "whoami"); !strings.Contains(out, "alice") {
		t.Fatalf("it does not work before: %s", out)
	}
	if out := d.must(".", "wormbell", "vault", "npm"); strings.Contains(out, d.token) || !strings.Contains(out, d.host()+":_authToken") {
		t.Errorf("moving says: %s", out)
	}
	d.noToken()
	if got := d.read(".npmrc"); strings.Count(got, "\n") != strings.Count(before, "\n") || !strings.Contains(got, "# mine\nregistry=") {
		t.Errorf("the file: %s", got)
	}
	out := d.must(".", "wormbell", "vault", "list", "--json")
	if !strings.Contains(out, `"condition":"in the keychain"`) || !strings.Contains(out, d.host()+":_authToken") || strings.Contains(out, d.token) {
		t.Errorf("list: %s", out)
	}

	// Without us: what is public works, what needs the token says that it does.
	if out, status := d.run(".", "npm", "whoami"); status == 0 || !strings.Contains(out, "ENEEDAUTH") {
		t.Errorf("npm whoami without the token: %d, %s", status, out)
	}
	d.must("app", "npm", "install", "--no-save", "dep")
	d.spied()

	// With us, and with scripts that look for the token.
	if out := d.must(".", "wormbell", "exec", "--", "npm", "whoami"); !strings.Contains(out, "alice") {
		t.Errorf("exec npm whoami: %s", out)
	}
	check := func(what string) {
		t.Helper()
		s := d.spied()
		if len(s.Found) > 0 {
			t.Errorf("%s: the script found the token: %q", what, s.Found)
		}
		if !s.Controlled || s.Looked["environ"] < 3 || s.Looked["cmdline"] < 3 || s.Looked["fd"] < 1 {
			t.Errorf("%s: the script did not look well: %+v", what, s)
		}
		if s.Nested == 0 || !strings.Contains(s.NestedText, "ENEEDAUTH") {
			t.Errorf("%s: npm below it has a login: %d, %s", what, s.Nested, s.NestedText)
		}
		if s.Registry != d.registry.URL+"/" {
			t.Errorf("%s: npm below it does not know the user's settings: the registry is %q", what, s.Registry)
		}
	}
	d.must("app", "wormbell", "exec", "--", "npm", "run", "look")
	check("npm run")
	if err := os.RemoveAll(filepath.Join(d.home, "app/node_modules")); err != nil {
		t.Fatal(err)
	}
	d.must("app", "wormbell", "exec", "--", "npm", "install", "--no-save", "dep", "--foreground-scripts")
	check("npm install")
	d.must("app", "wormbell", "exec", "--", "npm", "publish")
	check("npm publish")
	if p := d.registry.Published(); len(p) != 1 || p[0].Name != "app" {
		t.Errorf("published: %+v", p)
	}
	d.noToken()
	if left, err := filepath.Glob(filepath.Join(d.runtime, "*")); err != nil || slices.ContainsFunc(left, func(p string) bool { return strings.Contains(p, "wormbell") }) {
		t.Errorf("left behind: %q, %v", left, err)
	}

	// It passes on how the program ended.
	if out, status := d.run("app", "wormbell", "exec", "--", "npm", "run", "seven"); status != 7 {
		t.Errorf("status %d: %s", status, out)
	}
	d.signalled()

	// A script gets nothing, also one that hides what it is.
	d.write("app/package.json", d.manifest("app", `{"take":"`+d.wormbell+` exec -- npm whoami","hide":"env -u npm_lifecycle_event -u npm_lifecycle_script `+d.wormbell+` exec -- npm whoami","helper":"`+
		d.wormbell+` vault token-helper `+d.host()+`:_authToken","back":"`+d.wormbell+` vault npm --restore"}`))
	for _, script := range []string{"take", "hide", "helper", "back"} {
		if out, status := d.run("app", "npm", "run", script); status == 0 || strings.Contains(out, "alice") || !strings.Contains(out, "script asks") || strings.Contains(out, d.token) {
			t.Errorf("npm run %s: %d, %s", script, status, out)
		}
	}

	if out := d.must(".", "wormbell", "vault", "npm", "--restore"); strings.Contains(out, d.token) {
		t.Errorf("restoring says: %s", out)
	}
	if got := d.read(".npmrc"); got != before {
		t.Errorf("it is not what it was: %q, was %q", got, before)
	}
	if out := d.must(".", "wormbell", "vault", "list"); !strings.Contains(out, "empty") {
		t.Errorf("list: %s", out)
	}
	if out, _ := d.run(".", "secret-tool", "search", "--all", "service", "wormbell"); strings.TrimSpace(out) != "" {
		t.Errorf("the keychain keeps: %s", out)
	}
}

// signalled ends a run by a signal to us alone: it must reach what we run.
func (d *desk) signalled() {
	d.t.Helper()
	cmd := d.command("app", "wormbell", "exec", "--", "npm", "run", "nap")
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	b, seen := make([]byte, 4096), ""
	for !strings.Contains(seen, "asleep\n") {
		n, err := out.Read(b)
		if err != nil {
			d.t.Fatalf("%v after %q", err, seen)
		}
		seen += string(b[:n])
	}
	// Another user's: by kill(1), as that user, for the process hides from the test's.
	d.must(".", "sh", "-c", "kill -TERM $0", itoa(cmd.Process.Pid))
	for err == nil {
		_, err = out.Read(b)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 128+15 && status != 1 {
		d.t.Errorf("after SIGTERM it ended with %d", status)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// TestRealNpmWrites: what changes the file runs without the tokens, and what npm
// then does to the file costs no token.
func TestRealNpmWrites(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".npmrc", d.npmrc())
	d.must(".", "wormbell", "vault", "npm")
	if out := d.must(".", "wormbell", "exec", "--", "npm", "config", "set", "loglevel=error"); !strings.Contains(out, "without the vault's tokens") {
		t.Errorf("config set: %s", out)
	}
	if got := d.read(".npmrc"); !strings.Contains(got, "loglevel=error") || strings.Contains(got, "***") {
		t.Errorf("npm did not drop the comments, so this tests nothing: %s", got)
	}
	d.noToken()
	if out := d.must(".", "wormbell", "exec", "--", "npm", "whoami"); !strings.Contains(out, "alice") {
		t.Errorf("whoami: %s", out)
	}
	for _, args := range [][]string{{"logout"}, {"logo"}, {"token", "list"}, {"c", "delete", "fund"}, {"--loglevel", "warn", "set", "fund=true"}, {"whoami", "--userconfig", "/dev/null"}} {
		out, _ := d.run(".", "wormbell", append([]string{"exec", "--", "npm"}, args...)...)
		if !strings.Contains(out, "without the vault's tokens") {
			t.Errorf("npm %q: %s", args, out)
		}
	}
	d.must(".", "wormbell", "vault", "npm", "--restore")
	if got := d.read(".npmrc"); !strings.HasPrefix(got, d.host()+":_authToken="+d.token+"\n") {
		t.Errorf("the token came back as: %s", got)
	}
	if out := d.must(".", "npm", "whoami"); !strings.Contains(out, "alice") {
		t.Errorf("whoami: %s", out)
	}
}

// TestRealShim: npm itself is npm with tokens, and what it runs gets the real one.
func TestRealShim(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.npmrc()
	d.write(".npmrc", before)
	d.write("app/package.json", d.manifest("app", `{"which":"command -v npm","below":"npm whoami"}`))
	out := d.must(".", "wormbell", "vault", "npm", "--shim")
	shims := filepath.Join(d.home, ".local/share/wormbell/shims")
	if !strings.Contains(out, "PATH="+`"`+shims) {
		t.Errorf("it does not say what to do: %s", out)
	}
	plain := slices.Clone(d.env)
	for i, e := range d.env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			d.env[i] = "PATH=" + shims + ":" + path
		}
	}
	if out := d.must(".", "sh", "-c", "npm whoami"); !strings.Contains(out, "alice") {
		t.Errorf("npm whoami: %s", out)
	}
	if out := d.must("app", "sh", "-c", "npm run which"); strings.Contains(out, shims) {
		t.Errorf("a script finds the shim: %s", out)
	}
	if out, status := d.run("app", "sh", "-c", "npm run below"); status == 0 || strings.Contains(out, "alice") {
		t.Errorf("npm below npm: %d, %s", status, out)
	}
	// Where there is no keychain npm goes on as it can.
	bus := d.env
	d.env = append(slices.Clone(d.env), "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere")
	if out := d.must(".", "sh", "-c", "npm --version"); !strings.Contains(out, "without the vault's tokens") {
		t.Errorf("npm --version without a keychain: %s", out)
	}
	if out, status := d.run(".", "wormbell", "exec", "--", "npm", "--version"); status != 2 || !strings.Contains(out, "no keychain") {
		t.Errorf("exec without a keychain: %d, %s", status, out)
	}
	d.env = bus
	d.must(".", "wormbell", "vault", "npm", "--no-shim")
	if _, err := os.Stat(filepath.Join(shims, "npm")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	d.env = plain
	d.must(".", "wormbell", "vault", "npm", "--restore")
	if got := d.read(".npmrc"); got != before {
		t.Errorf("%q, was %q", got, before)
	}
}

// TestRealOthers runs the other package managers that are installed.
func TestRealOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".npmrc", d.npmrc())
	d.must(".", "wormbell", "vault", "npm")
	d.write("app/package.json", `{"name":"app","version":"1.0.0"}`)
	tests := []struct {
		program string
		setup   func()
		args    []string
	}{
		{"pnpm", func() {}, []string{"exec", "--", "pnpm", "whoami"}},
		{"yarn", func() {
			d.write("app/yarn.lock", "")
			d.write("app/.yarnrc.yml", "npmRegistryServer: \""+d.registry.URL+"\"\nunsafeHttpWhitelist: [\"127.0.0.1\"]\nenableTelemetry: false\n")
		}, []string{"exec", "--", "yarn", "npm", "whoami"}},
		{"bun", func() {}, []string{"exec", "--", "bun", "pm", "whoami"}},
	}
	for _, tt := range tests {
		t.Run(tt.program, func(t *testing.T) {
			if _, err := exec.LookPath(tt.program); err != nil {
				t.Skipf("needs %s, which is not installed", tt.program)
			}
			tt.setup()
			if out, status := d.run("app", "wormbell", tt.args...); status != 0 || !strings.Contains(out, "alice") {
				t.Errorf("%d: %s", status, out)
			}
		})
	}
	t.Run("pnpm by itself", func(t *testing.T) {
		if _, err := exec.LookPath("pnpm"); err != nil {
			t.Skip("needs pnpm, which is not installed")
		}
		d.must(".", "wormbell", "vault", "npm", "--pnpm")
		if out := d.must(".", "pnpm", "whoami"); !strings.Contains(out, "alice") {
			t.Error(out)
		}
		d.noToken()
		d.must(".", "wormbell", "vault", "npm", "--no-pnpm")
		if out, status := d.run(".", "pnpm", "whoami"); status == 0 || strings.Contains(out, "alice") {
			t.Error(out)
		}
	})
}
