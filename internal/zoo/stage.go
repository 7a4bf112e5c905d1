package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/scratch"
)

const (
	// playing is how long a worm may take.
	playing = 3 * time.Minute
	// grace is how long an alert may take after the worm's last step.
	grace = 5 * time.Second
)

// result is what came of one worm.
type result struct {
	worm      *Worm
	rang      []string      // the detectors that rang, sorted
	grave     bool          // one of them at high or above
	connected bool          // an alert says where it has connected to
	patient   []string      // the detectors that would have rung had it taken three days, sorted
	first     time.Duration // from the first step to the first finding of high or above
	err       error         // it could not be played
}

// caught reports whether all rang that should, leaving out some detectors.
func (r *result) caught(without func(id string) bool) bool { return r.has(r.rang, without) }

func (r *result) has(rang []string, without func(id string) bool) bool {
	for _, any := range r.worm.Want {
		if !slices.ContainsFunc(any, func(id string) bool { return slices.Contains(rang, id) && !without(id) }) {
			return false
		}
	}
	return true
}

func none(string) bool { return false }

// stage is where one worm is played.
type stage struct {
	stagePlaces
	*scratch.Machine
}

// play plays a worm before an agent of its own.
func play(ctx context.Context, w *Worm, o options) (r result) {
	r.worm = w
	if r.err = w.check(); r.err != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, playing)
	defer cancel()
	m, err := scratch.New("zoo", "npm_config_nodedir=$DIR/node")
	defer func() {
		if err := m.Close(); r.err == nil {
			r.err = err
		}
	}()
	if err == nil {
		s := &stage{Machine: m}
		s.clients = o.clients
		if err = s.set(w); err == nil {
			err = s.play(ctx, w, o.bin, &r)
		}
	}
	r.err = err
	return r
}

// set lays out what lies there before the worm runs.
func (s *stage) set(w *Worm) error {
	app := filepath.Join(s.Home, "src", "app")
	s.stagePlaces = stagePlaces{clients: s.clients, home: s.Home, tmp: s.Temp, control: filepath.Join(s.Dir, "control"), registry: s.Registry.URL + "/", token: scratch.Token,
		pkg: filepath.Join(app, "node_modules", w.Package)}
	if w.Start == "hand" {
		s.pkg = filepath.Join(s.Home, "src", w.Package)
	}
	if err := os.Mkdir(s.control, 0o755); err != nil {
		return err
	}
	files := map[string]string{"index.js": "module.exports = {}\n"}
	files[w.File] = source(&w.Script, &s.stagePlaces, func(file, text string) { files[file] = text })
	for p, text := range w.Files {
		if rest, ok := strings.CutPrefix(p, "$PKG/"); ok {
			files[rest] = text
		} else if err := s.Write(s.real(p), s.text(text)); err != nil {
			return err
		}
	}
	if w.Start == "hand" {
		return s.lay(s.pkg, files)
	}
	m := map[string]any{"name": w.Package, "version": w.Version}
	command := interpreter[w.Script.Language] + " " + w.File
	switch w.Start {
	case "gyp":
		files["binding.gyp"] = fmt.Sprintf("{'targets':[{'target_name':'x','type':'none','sources':['<!(%s >/dev/null 2>&1; echo x.c)']}]}\n", command)
		// What node-gyp looks for, so that it does not fetch it from elsewhere.
		if err := s.lay(filepath.Join(s.Dir, "node", "include", "node"), map[string]string{
			"common.gypi": "{}\n", "config.gypi": "{'variables':{}}\n", "node_version.h": "#define NODE_MAJOR_VERSION 20\n"}); err != nil {
			return err
		}
	case "import":
		m["main"] = w.File
	default:
		m["scripts"] = map[string]string{w.Start: command}
	}
	if err := s.Registry.Seed(m, files); err != nil {
		return err
	}
	if err := s.lay(s.Home, map[string]string{".yarnrc": fmt.Sprintf("registry %q\ndisable-self-update-check true\n", s.Registry.URL),
		".yarnrc.yml": fmt.Sprintf("npmRegistryServer: %q\nunsafeHttpWhitelist: [127.0.0.1]\nnpmAuthToken: %q\nenableTelemetry: false\nnpmMinimalAgeGate: 0\n", s.Registry.URL, s.token)}); err != nil {
		return err
	}
	if _, ok := bins(s.clients, w.Client); !ok {
		w.Client = "npm"
	}
	c := clients[w.Client]
	project := map[string]string{}
	for name, text := range c.files {
		project[name] = strings.ReplaceAll(text, "PKG", w.Package)
	}
	if err := s.lay(app, project); err != nil {
		return err
	}
	field := strings.ReplaceAll(c.field, "PKG", w.Package)
	if err := s.lay(app, map[string]string{"package.json": "{\"name\":\"app\",\"version\":\"1.0.0\",\"private\":true" + field + "}\n", "index.js": fmt.Sprintf("require(%q)\n", w.Package)}); err != nil {
		return err
	}
	if w.Start != "import" {
		return nil
	}
	cmd := exec.Command("npm", "install", w.Package+"@"+w.Version)
	cmd.Dir, cmd.Env = app, s.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install what is imported: %w: %s", err, out)
	}
	return nil
}

// lay writes files into a folder.
func (s *stage) lay(dir string, files map[string]string) error {
	for name, text := range files {
		if err := s.Write(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// play has a person at a terminal do what starts the worm, and waits for what
// the agent says.
func (s *stage) play(ctx context.Context, w *Worm, bin string, r *result) error {
	if err := s.Shell(); err != nil {
		return err
	}
	if err := s.Guard(ctx, bin); err != nil {
		return err
	}
	seen, stop := s.record(ctx)
	defer stop()
	command := map[string]string{
		"import": "cd ~/src/app && node index.js",
		"hand":   "cd ~/src/" + w.Package + " && " + interpreter[w.Script.Language] + " " + w.File,
	}[w.Start]
	if command == "" {
		dirs, _ := bins(s.clients, w.Client)
		command = "cd ~/src/app && PATH=" + strings.Join(append(dirs, "$PATH"), ":") + " " + clients[w.Client].add + " " + w.Package + "@" + w.Version
	}
	if err := s.Type(command); err != nil {
		return err
	}
	if err := s.listen(ctx, r); err != nil {
		return err
	}
	stop()
	r.patient = patient(*seen, s.Home)
	return nil
}

// record gathers what the agent sees until stop is called.
func (s *stage) record(ctx context.Context) (seen *[]wormbell.Event, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	seen, done := new([]wormbell.Event), make(chan struct{})
	go func() {
		defer close(done)
		// It ends with an error when it is told to end, and what is missing shows.
		s.Events(ctx, func(e wormbell.Event) { *seen = append(*seen, e) })
	}()
	return seen, func() { cancel(); <-done }
}

// listen gathers what rings until all has rung that should, or some time after
// the worm's end.
func (s *stage) listen(ctx context.Context, r *result) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ended := (time.Time{}); ; {
		alerts, err := s.Alerts(ctx)
		if err != nil {
			return err
		}
		s.take(alerts, r)
		over := s.made("done-") == s.scripts
		if over && ended.IsZero() {
			ended = time.Now()
		}
		if over && (r.caught(none) || time.Since(ended) > grace) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && r.caught(none) {
				return nil // it is still at it, and was caught
			}
			return fmt.Errorf("%d of %d scripts began, %d ended: %w", s.made("begun-"), s.scripts, s.made("done-"), ctx.Err())
		}
	}
}

// made counts what the scripts say.
func (s *stage) made(prefix string) int {
	list, _ := filepath.Glob(filepath.Join(s.control, prefix+"*")) // the pattern is fine
	return len(list)
}

// take notes what rang.
func (s *stage) take(alerts []wormbell.Alert, r *result) {
	for _, a := range alerts {
		for _, f := range a.Findings {
			r.connected = r.connected || slices.ContainsFunc(f.Evidence, func(e wormbell.Event) bool { return e.Kind == wormbell.ConnectionSeen })
			if !slices.Contains(r.rang, f.Detector) {
				r.rang = append(r.rang, f.Detector)
				slices.Sort(r.rang)
			}
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
