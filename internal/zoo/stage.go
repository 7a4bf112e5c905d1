package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/creack/pty"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/daemon"
	"wormbell/internal/registry"
)

const (
	// playing is how long a worm may take.
	playing = 2 * time.Minute
	// grace is how long an alert may take after the worm's last step.
	grace = 5 * time.Second
)

// result is what came of one worm.
type result struct {
	worm  *Worm
	rang  []string      // the detectors that rang, sorted
	grave bool          // one of them at high or above
	first time.Duration // from the first step to the first finding of high or above
	err   error         // it could not be played
}

// caught reports whether all rang that should, leaving out some detectors.
func (r *result) caught(without func(id string) bool) bool {
	for _, any := range r.worm.Want {
		if !slices.ContainsFunc(any, func(id string) bool { return slices.Contains(r.rang, id) && !without(id) }) {
			return false
		}
	}
	return true
}

// stage is where one worm is played: a home, a registry, a terminal, an agent.
type stage struct {
	stagePlaces
	dir      string // everything is in it
	bin      string
	registry *registry.Server
	tty      *os.File
	agent    *daemon.Daemon
}

// play plays a worm before an agent of its own.
func play(ctx context.Context, w *Worm, bin string) (r result) {
	r.worm = w
	ctx, cancel := context.WithTimeout(ctx, playing)
	defer cancel()
	s, err := newStage(w, bin)
	if s != nil {
		defer func() {
			if err := s.close(); r.err == nil {
				r.err = err
			}
		}()
	}
	if err == nil {
		err = s.play(ctx, w, &r)
	}
	r.err = err
	return r
}

func newStage(w *Worm, bin string) (*stage, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wormbell-zoo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, bin: bin}
	s.home, s.tmp, s.control = filepath.Join(dir, "home"), filepath.Join(dir, "tmp"), filepath.Join(dir, "control")
	s.pkg = filepath.Join(s.home, "src", "app", "node_modules", w.Package)
	if w.Start == "hand" {
		s.pkg = filepath.Join(s.home, "src", w.Package)
	}
	s.token = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi" // its checksum is wrong
	for _, d := range []string{s.home, s.tmp, s.control} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return s, err
		}
	}
	if s.registry, err = registry.New(); err != nil {
		return s, err
	}
	s.stagePlaces.registry = s.registry.URL + "/"
	s.registry.RequireToken(s.token, "dev")
	return s, s.set(w)
}

// set lays out what lies there before the worm runs.
func (s *stage) set(w *Worm) error {
	files := map[string]string{"index.js": "module.exports = {}\n"}
	files[w.File] = source(&w.Script, &s.stagePlaces, func(file, text string) { files[file] = text })
	for p, text := range w.Files {
		if rest, ok := strings.CutPrefix(p, "$PKG/"); ok {
			files[rest] = text
			continue
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := put(s.real(p), s.text(text), mode); err != nil {
			return err
		}
	}
	if w.Start == "hand" {
		for name, text := range files {
			if err := put(filepath.Join(s.pkg, name), text, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	m := map[string]any{"name": w.Package, "version": w.Version}
	command := interpreter[w.Script.Language] + " " + w.File
	switch w.Start {
	case "gyp":
		files["binding.gyp"] = fmt.Sprintf("{'targets':[{'target_name':'x','type':'none','sources':['<!(%s >/dev/null 2>&1; echo x.c)']}]}\n", command)
		// What node-gyp looks for, so that it does not fetch it from elsewhere.
		for name, text := range map[string]string{"common.gypi": "{}\n", "config.gypi": "{'variables':{}}\n", "node_version.h": "#define NODE_MAJOR_VERSION 20\n"} {
			if err := put(filepath.Join(s.dir, "node", "include", "node", name), text, 0o644); err != nil {
				return err
			}
		}
	case "import":
		m["main"] = w.File
	default:
		m["scripts"] = map[string]string{w.Start: command}
	}
	if err := s.registry.Seed(m, files); err != nil {
		return err
	}
	app := filepath.Join(s.home, "src", "app")
	if err := put(filepath.Join(app, "package.json"), manifest("app", "1.0.0", true), 0o644); err != nil {
		return err
	}
	if err := put(filepath.Join(app, "index.js"), fmt.Sprintf("require(%q)\n", w.Package), 0o644); err != nil {
		return err
	}
	if w.Start != "import" {
		return nil
	}
	cmd := exec.Command("npm", "install", w.Package+"@"+w.Version)
	cmd.Dir, cmd.Env = app, s.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install what is imported: %w: %s", err, out)
	}
	return nil
}

func put(file, text string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), mode)
}

// env is the environment of everything on the stage.
func (s *stage) env() []string {
	return []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "USER=dev", "TERM=dumb", "NO_COLOR=1", "TMPDIR=" + s.tmp,
		"npm_config_cache=" + filepath.Join(s.home, ".npm"), "npm_config_nodedir=" + filepath.Join(s.dir, "node"), "GIT_CONFIG_NOSYSTEM=1"}
}

// play has a person at a terminal do what starts the worm, and waits for what
// the agent says.
func (s *stage) play(ctx context.Context, w *Worm, r *result) error {
	if err := s.shell(); err != nil {
		return err
	}
	socket := filepath.Join(s.dir, "run", "wormbell.sock")
	var err error
	if s.agent, err = daemon.Start(filepath.Join(s.bin, "wormbelld"), filepath.Join(s.dir, "agent.log"),
		"--state", filepath.Join(s.dir, "state"), "--socket", socket, "--home", s.home); err != nil {
		return err
	}
	var c *client.Client
	if err := s.agent.Await(ctx, func(context.Context) (err error) { c, err = client.Dial(client.Config{Socket: socket}); return err }); err != nil {
		return err
	}
	defer c.Release()
	command := map[string]string{
		"import": "cd ~/src/app && node index.js",
		"hand":   "cd ~/src/" + w.Package + " && " + interpreter[w.Script.Language] + " " + w.File,
	}[w.Start]
	if command == "" {
		command = "cd ~/src/app && npm install " + w.Package + "@" + w.Version
	}
	if _, err := s.tty.WriteString(command + "\n"); err != nil {
		return err
	}
	return s.listen(ctx, c, r)
}

// shell starts a person's shell at a terminal, as after a login: nothing of ours
// is above it.
func (s *stage) shell() error {
	f, tty, err := pty.Open()
	if err != nil {
		return err
	}
	defer tty.Close()
	s.tty = f
	go func() { // until the terminal is closed; the shell would stand still if nobody read
		b := make([]byte, 4096)
		for {
			if _, err := f.Read(b); err != nil {
				return
			}
		}
	}()
	cmd := exec.Command("setsid", "--fork", "--ctty", "bash", "--norc", "--noprofile", "-i")
	cmd.Env, cmd.Dir = s.env(), s.home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	return cmd.Run()
}

// listen gathers what rings until all has rung that should, or some time after
// the worm's end.
func (s *stage) listen(ctx context.Context, c *client.Client, r *result) error {
	var ended time.Time
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		alerts, err := c.Alerts(ctx, true)
		if err != nil {
			return err
		}
		s.take(alerts, r)
		over := s.made("done-") == s.scripts
		if over && ended.IsZero() {
			ended = time.Now()
		}
		if over && (r.caught(none) || time.Since(ended) > grace) {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d scripts began, %d ended: %w", s.made("begun-"), s.scripts, s.made("done-"), ctx.Err())
		}
	}
}

func none(string) bool { return false }

// made counts what the scripts say.
func (s *stage) made(prefix string) int {
	list, _ := filepath.Glob(filepath.Join(s.control, prefix+"*")) // the pattern is fine
	return len(list)
}

// take notes what rang of this worm: others are played on the same machine.
func (s *stage) take(alerts []wormbell.Alert, r *result) {
	for _, a := range alerts {
		for _, f := range a.Findings {
			if b, err := json.Marshal(f); err != nil || !strings.Contains(string(b), filepath.Base(s.dir)) {
				continue
			}
			if !slices.Contains(r.rang, f.Detector) {
				r.rang = append(r.rang, f.Detector)
				slices.Sort(r.rang)
			}
			if a.Severity < wormbell.High || r.grave {
				continue
			}
			r.grave = true
			if st, err := os.Stat(filepath.Join(s.control, "begun-0")); err == nil {
				r.first = time.Since(st.ModTime())
			}
		}
	}
}

// close ends what runs and removes the stage.
func (s *stage) close() error {
	var errs []error
	if s.tty != nil {
		s.tty.WriteString("\x03\nexit\n") // fails if the shell has gone
		s.tty.Close()
	}
	if s.agent != nil {
		errs = append(errs, s.agent.Stop())
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	err := os.RemoveAll(s.dir)
	for range 40 { // npm's last line may come while its folder is removed
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		err = os.RemoveAll(s.dir)
	}
	return errors.Join(append(errs, err)...)
}
