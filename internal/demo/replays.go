package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

//go:embed scripts/*.js
var scripts embed.FS

// replay is one worm, acted out.
type replay struct {
	name   string
	story  string               // what it does, for a person
	expect func(tools) []string // the detectors that must ring
	seed   func(*stage) error   // before the agent looks
	run    func(context.Context, *stage) error
}

// replays lists every demonstration, sorted by name.
var replays = []replay{
	{
		name:  "indonesianfoods",
		story: `a script drops "private", renames the package and publishes it, again and again`,
		expect: func(t tools) []string {
			if !t.npm() {
				return []string{"private-flag-removed"}
			}
			return []string{"private-flag-removed", "publish-loop"}
		},
		seed: seedFarm,
		run:  runFarm,
	},
	{
		name:  "npmrc-read",
		story: "a dependency's install script opens ~/.npmrc",
		expect: func(tools) []string {
			return []string{"credential-read"}
		},
		seed: func(s *stage) error {
			return s.dependency("left-padding", "read.js", map[string]string{"read.js": script("read.js")})
		},
		run: func(ctx context.Context, s *stage) error {
			if err := s.install(ctx, "left-padding", "read.js"); err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(s.control, "read")); err != nil {
				return errors.New("npm did not run the install script")
			}
			return nil
		},
	},
	{
		name:  "shai-hulud",
		story: "a dependency's install script starts a detached child that takes credentials and publishes with them",
		expect: func(t tools) []string {
			if !t.npm() {
				return []string{"credential-read", "credential-sweep"}
			}
			return []string{"credential-read", "credential-sweep", "publish-by-install-script"}
		},
		seed: func(s *stage) error {
			if err := s.registry.Seed(map[string]any{"name": victim, "version": "1.4.2"}, map[string]string{"index.js": "module.exports = {}\n"}); err != nil {
				return err
			}
			return s.dependency("colour-strings", "postinstall.js", map[string]string{
				"postinstall.js": script("postinstall.js"), "collect.js": script("collect.js")})
		},
		run: func(ctx context.Context, s *stage) error {
			if err := s.install(ctx, "colour-strings", "postinstall.js"); err != nil {
				return err
			}
			return s.awaitDone(ctx)
		},
	},
}

// victim is the package that the owner of the scratch home maintains.
const victim = "colour-tools"

// depVersion is the version of the packages that carry a worm's replay.
const depVersion = "1.0.3"

func script(name string) string {
	b, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		return "" // embedded at build time; a test reads them all
	}
	return string(b)
}

// settings are what the scripts read from demo.json beside them.
type settings struct {
	Registry string  `json:"registry"`
	Home     string  `json:"home"`
	Control  string  `json:"control"`
	Victim   string  `json:"victim"`
	Publish  bool    `json:"publish"`
	Rounds   int     `json:"rounds"`
	MinWait  float64 `json:"minWait"` // milliseconds
	MaxWait  float64 `json:"maxWait"` // milliseconds
}

func (s *stage) settings() string {
	set := settings{
		Registry: s.registry.URL + "/", Home: s.home, Control: s.control, Victim: victim, Publish: s.tools.npm(),
		Rounds: rounds, MinWait: 7000, MaxWait: 10000, // the pace that was measured of the worm
	}
	if s.fast {
		set.MinWait, set.MaxWait = 900, 1100
	}
	b, err := json.Marshal(set)
	if err != nil {
		return "{}" // strings and numbers always encode; the scripts refuse to run without settings
	}
	return string(b)
}

// rounds is how often the farm publishes: once more than must ring.
const rounds = 4

// project is the folder of a project in the scratch home.
func (s *stage) project(name string) string { return filepath.Join(s.home, "projects", name) }

func seedFarm(s *stage) error {
	dir := s.project("menu-app")
	files := map[string]string{
		"package.json": "{\n  \"name\": \"menu-app\",\n  \"version\": \"0.1.0\",\n  \"private\": true\n}\n",
		"auto.js":      script("auto.js"),
		"demo.json":    s.settings(),
	}
	for name, text := range files {
		if err := s.write(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

func runFarm(ctx context.Context, s *stage) error {
	ctx, cancel := context.WithCancel(ctx)
	before := len(s.registry.Published())
	told := make(chan struct{})
	go func() { // tells of each publication as it comes, until the script has ended
		defer close(told)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n, last := before, false; ; {
			for _, p := range s.registry.Published()[n:] {
				n++
				s.say("  published %s@%s", s.text(p.Name), s.text(p.Version))
			}
			if last {
				return
			}
			select {
			case <-ctx.Done():
				last = true // look once more
			case <-tick.C:
			}
		}
	}()
	said, err := s.command(ctx, s.project("menu-app"), s.tools.nodePath, "auto.js")
	cancel()
	<-told
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if got := len(s.registry.Published()) - before; s.tools.npm() && got != rounds {
		return fmt.Errorf("npm published %d of %d packages: %s", got, rounds, said)
	}
	return nil
}

// dependency seeds the registry with a package whose postinstall runs main,
// and makes a project that may install it.
func (s *stage) dependency(name, main string, files map[string]string) error {
	files["demo.json"] = s.settings()
	files["index.js"] = "module.exports = {}\n"
	manifest := map[string]any{"name": name, "version": depVersion, "scripts": map[string]string{"postinstall": "node " + main}}
	if err := s.registry.Seed(manifest, files); err != nil {
		return err
	}
	// npm 12 runs the install scripts of those packages only that the project allows; npm 11 ignores the key.
	project := fmt.Sprintf("{\n  \"name\": \"app-of-%s\",\n  \"private\": true,\n  \"allowScripts\": {\"%s\": true}\n}\n", name, name)
	if err := s.write(filepath.Join(s.project("app-of-"+name), "package.json"), project); err != nil {
		return err
	}
	if s.tools.npm() {
		return nil
	}
	for file, text := range files { // no npm to unpack it
		if err := s.write(filepath.Join(s.project("app-of-"+name), "node_modules", name, file), text); err != nil {
			return err
		}
	}
	return nil
}

// install has npm install a seeded package; without npm, node runs its script.
func (s *stage) install(ctx context.Context, name, main string) error {
	dir := s.project("app-of-" + name)
	var said string
	var err error
	if s.tools.npm() {
		said, err = s.command(ctx, dir, s.tools.npmPath, "install", name+"@"+depVersion)
	} else {
		said, err = s.command(ctx, filepath.Join(dir, "node_modules", name), s.tools.nodePath, main)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", name, main)); err != nil {
		return fmt.Errorf("npm installed no %s: %s", name, said)
	}
	return nil
}
