package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/daemon"
	"wormbell/internal/registry"
)

// stage is where replays play: the scratch folder, the registry, the tools.
type stage struct {
	dir      string // the scratch folder; everything is in it
	home     string // the scratch home
	control  string // where a detached replay says how far it is
	registry *registry.Server
	tools    tools
	fast     bool
	keep     bool
	options  Options

	ownAgent bool           // the agent is ours, so every alert of it is
	agent    *daemon.Daemon // nil if an agent ran already
	troubles []string       // what went wrong without ending the demonstration

	out sync.Mutex // one line at a time
}

// newStage makes the scratch home and starts the registry.
func newStage(ctx context.Context, o Options) (_ *stage, err error) {
	dir, err := os.MkdirTemp("", "wormbell-demo-") // 0700
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	s := &stage{fast: o.Fast, keep: o.Keep, options: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // macOS: /tmp is one, and the agent names the real folder
		return nil, fmt.Errorf("resolve the scratch folder: %w", err)
	}
	s.dir, s.home, s.control = dir, filepath.Join(dir, "home"), filepath.Join(dir, "control")
	for _, d := range []string{s.home, s.control, filepath.Join(s.home, "tmp")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the scratch home: %w", err)
		}
	}
	if s.registry, err = registry.New(); err != nil {
		return nil, err
	}
	if err := s.decoys(); err != nil {
		return nil, err
	}
	s.tools = findTools(ctx, s)
	s.say("Wormbell demonstration: worms, replayed harmlessly on this machine.")
	s.say("  scratch home  %s", s.text(s.home))
	s.say("  registry      %s, inside this program; nothing leaves the machine", s.registry.URL)
	s.say("  npm           %s", s.text(s.tools.String()))
	return s, nil
}

// close ends what still runs and removes the scratch folder.
func (s *stage) close() error {
	var errs []error
	s.endDetached()
	if s.agent != nil {
		errs = append(errs, s.agent.Stop())
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	if s.keep {
		s.say("The scratch folder is kept: %s", s.text(s.dir))
		return errors.Join(errs...)
	}
	err := os.RemoveAll(s.dir)
	for range 20 { // npm's last log line may land while we remove its folder
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		err = os.RemoveAll(s.dir)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("remove the scratch folder: %w", err))
	}
	return errors.Join(errs...)
}

// say writes one line for a person.
func (s *stage) say(format string, args ...any) {
	s.out.Lock()
	defer s.out.Unlock()
	fmt.Fprintf(s.options.Out, format+"\n", args...)
}

// text makes a string from outside safe to print.
func (s *stage) text(v string) string {
	q := strconv.Quote(v)
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
}

// show draws one alert, indented, as one piece.
func (s *stage) show(o Options, a wormbell.Alert) {
	var b bytes.Buffer
	a.Demo = true // our own agent does not know that it takes part in one
	o.Show(&b, a, s.ownAgent)
	s.out.Lock()
	defer s.out.Unlock()
	for line := range strings.Lines(b.String()) {
		if line != "\n" {
			line = "  " + line
		}
		fmt.Fprint(o.Out, line)
	}
}

// decoys fills the scratch home with credentials that look real and are none.
func (s *stage) decoys() error {
	token := npmDecoy()
	s.registry.RequireToken(token, "demo")
	files := map[string]string{
		".npmrc": "registry=" + s.registry.URL + "/\n" +
			"//" + s.registry.Host + "/:_authToken=" + token + "\n" +
			// whatever the machine's own npm settings say, nothing but loopback is spoken to
			"proxy=null\nhttps-proxy=null\nnoproxy=127.0.0.1\nignore-scripts=false\nupdate-notifier=false\naudit=false\nfund=false\n",
		".aws/credentials":      "[default]\naws_access_key_id = AKIA" + random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") + "\naws_secret_access_key = " + random(40, alphanumeric+"+/") + "\n",
		".aws/config":           "[default]\nregion = eu-central-1\n",
		".config/gh/hosts.yml":  "github.example.com:\n    users:\n        demo:\n            oauth_token: " + decoy("gho_") + "\n    git_protocol: https\n    user: demo\n",
		".config/gh/config.yml": "version: 1\ngit_protocol: https\n",
	}
	for name, text := range files {
		if err := s.write(filepath.Join(s.home, filepath.FromSlash(name)), text); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	return nil
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// decoy is a token in the form that npm and GitHub share: 30 random characters
// and 6 of checksum, a CRC-32 in base 62. The largest such number begins with
// a 4, so a checksum that begins with a letter is wrong for every token.
func decoy(prefix string) string {
	return prefix + random(30, alphanumeric) + random(1, alphanumeric[10:]) + random(5, alphanumeric)
}

func npmDecoy() string { return decoy("npm_") }

// random returns n characters of alphabet.
func random(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			k = new(big.Int) // crypto/rand never fails (its documentation); a decoy may be dull
		}
		b[i] = alphabet[k.Int64()]
	}
	return string(b)
}

// env is the whole environment of every program on the stage: nothing of the
// user's but where programs are found and what Windows cannot do without.
func (s *stage) env() []string {
	search := os.Getenv("PATH")
	if s.tools.dir != "" { // first: what stands in PATH may be a shim that needs the real home
		search = s.tools.dir + string(os.PathListSeparator) + search
	}
	env := []string{
		"PATH=" + search,
		"HOME=" + s.home, "USERPROFILE=" + s.home,
		"XDG_CONFIG_HOME=" + filepath.Join(s.home, ".config"), "XDG_CACHE_HOME=" + filepath.Join(s.home, ".cache"),
		"XDG_DATA_HOME=" + filepath.Join(s.home, ".local", "share"), "XDG_STATE_HOME=" + filepath.Join(s.home, ".local", "state"),
		"APPDATA=" + filepath.Join(s.home, "AppData", "Roaming"), "LOCALAPPDATA=" + filepath.Join(s.home, "AppData", "Local"),
		"TMPDIR=" + filepath.Join(s.home, "tmp"), "TEMP=" + filepath.Join(s.home, "tmp"), "TMP=" + filepath.Join(s.home, "tmp"),
		"npm_config_userconfig=" + filepath.Join(s.home, ".npmrc"),
		"npm_config_globalconfig=" + filepath.Join(s.home, ".npmrc-global"),
		"npm_config_prefix=" + filepath.Join(s.home, ".npm-global"),
		"npm_config_cache=" + filepath.Join(s.home, ".npm"),
		"npm_config_registry=" + s.registry.URL + "/",
		"NO_UPDATE_NOTIFIER=1", "NO_COLOR=1",
	}
	for _, k := range []string{"SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "WINDIR"} {
		if v := os.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// command runs a program on the stage, in its own process group, all of which
// is ended with ctx. It returns the end of what the program said.
func (s *stage) command(ctx context.Context, dir string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, s.env()
	// A file and not a pipe: a detached child that kept a pipe open would make us wait for it.
	log, err := os.CreateTemp(s.control, "output-")
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ownGroup(cmd)
	daemon.EndWithUs(cmd)
	err = cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		groupEnds(cmd.Process.Pid)
	}
	said := tail(log)
	if err != nil {
		return said, fmt.Errorf("run %s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return said, nil
}

// tail is the last few lines of a log that a program on the stage wrote.
func tail(f *os.File) string {
	const most = 4 << 10
	st, err := f.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(most, st.Size()))
	n, err := f.ReadAt(b, st.Size()-int64(len(b)))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return strings.TrimSpace(string(b[:n]))
}

// awaitDone waits until the detached part of a replay has ended.
func (s *stage) awaitDone(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(s.control, "done")); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the detached script: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// endDetached sees the detached part of a replay out. It left our process
// group on purpose, so it is found by the id it wrote down; whether that is
// still it is checked each time. It ends by itself within a minute anyway.
func (s *stage) endDetached() {
	b, err := os.ReadFile(filepath.Join(s.control, "pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || pid <= 1 {
		return
	}
	_, done := os.Stat(filepath.Join(s.control, "done"))
	for n := 0; n < 100 && runs(pid, s.dir); n++ {
		// It says that it is done with its last breath; only a second later is it late.
		if done != nil || n > 50 {
			endGroup(pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// runs reports whether process pid was started with something of dir on its
// command line. Where that cannot be told it says no.
func runs(pid int, dir string) bool {
	if runtime.GOOS != "linux" {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(b, []byte(dir))
}
