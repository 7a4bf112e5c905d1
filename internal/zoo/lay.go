package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"wormbell/internal/scratch"
)

// set lays out what lies there before the worm runs.
func (s *stage) set(w *Worm) error {
	app := filepath.Join(s.Home, "src", "app")
	s.stagePlaces = stagePlaces{clients: s.clients, home: s.Home, tmp: s.Temp, control: filepath.Join(s.Dir, "control"), registry: s.Registry.URL + "/", token: scratch.Token,
		pkg: filepath.Join(app, "node_modules", w.Package)}
	switch w.Start {
	case "hand":
		s.pkg = filepath.Join(s.Home, "src", w.Package)
	case "own":
		s.pkg = app
	case "workspace":
		s.pkg = filepath.Join(app, "parts", "one")
	case "prepare": // it is built in a folder that npm makes up; what is to outlast it lies elsewhere
		s.pkg = filepath.Join(s.Temp, w.Package)
	}
	// What NODE_OPTIONS loads is loaded by every node that the worm starts, too. It
	// would start itself without end, as no author lets it.
	s.once = w.Start == "import"
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
	if err := s.lay(s.Home, map[string]string{".yarnrc": fmt.Sprintf("registry %q\ndisable-self-update-check true\n", s.Registry.URL),
		".yarnrc.yml": fmt.Sprintf("npmRegistryServer: %q\nunsafeHttpWhitelist: [127.0.0.1]\nnpmAuthToken: %q\nenableTelemetry: false\nnpmMinimalAgeGate: 0\n", s.Registry.URL, s.token)}); err != nil {
		return err
	}
	if w.Start == "hand" {
		return s.lay(s.pkg, files)
	}
	if _, ok := bins(s.clients, w.Client); !ok {
		w.Client = "npm"
	}
	m := map[string]any{"name": w.Package, "version": w.Version}
	command := strings.Join(append(s.interpreter(w.Script.Language), w.File), " ")
	project := map[string]string{"index.js": fmt.Sprintf("require(%q)\n", w.Package)}
	field := clients[w.Client].field
	s.spec = w.Package + "@" + w.Version
	switch w.Start {
	case "own":
		field = `,"scripts":` + js(map[string]string{"postinstall": command})
		for name, text := range files {
			project[name] = text
		}
	case "workspace":
		field = `,"workspaces":["parts/*"]`
		for name, text := range files {
			project["parts/one/"+name] = text
		}
		project["parts/one/package.json"] = js(map[string]any{"name": w.Package, "version": w.Version, "scripts": map[string]string{"postinstall": command}})
	case "prepare":
		m["scripts"] = map[string]string{"prepare": command}
		files["package.json"] = js(m)
		if err := s.lay(s.pkg, files); err != nil {
			return err
		}
		var err error
		if s.spec, err = s.clone(files); err != nil {
			return err
		}
	case "gyp":
		for name, text := range gypFiles[w.Form] {
			files[name] = strings.ReplaceAll(text, "COMMAND", command)
		}
		// What node-gyp looks for, so that it does not fetch it from elsewhere.
		if err := s.lay(filepath.Join(s.Dir, "node", "include", "node"), map[string]string{
			"common.gypi": "{}\n", "config.gypi": "{'variables':{}}\n", "node_version.h": "#define NODE_MAJOR_VERSION 20\n"}); err != nil {
			return err
		}
	case "import":
		if err := json.Unmarshal([]byte("{"+fill(w, s.form(w).manifest)+"}"), &m); err != nil {
			return fmt.Errorf("form %q: %w", w.Form, err)
		}
	default:
		m["scripts"] = map[string]string{w.Start: command}
	}
	for name, text := range clients[w.Client].files {
		project[name] = text
	}
	project["package.json"] = `{"name":"app","version":"1.0.0","private":true` + field + "}\n"
	for name, text := range project {
		if err := s.Write(filepath.Join(app, name), strings.ReplaceAll(text, "PKG", w.Package)); err != nil {
			return err
		}
	}
	if w.Start == "import" {
		return s.imports(w, app, m, files)
	}
	return s.Registry.Seed(m, files)
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

// command is what the person types to start the worm.
func (s *stage) command(w *Worm) string {
	switch w.Start {
	case "hand":
		return "cd ~/src/" + w.Package + " && " + strings.Join(append(s.interpreter(w.Script.Language), w.File), " ")
	case "import":
		f := s.form(w)
		return "cd ~/src/app && export " + s.path(f.client) + " && " + fill(w, f.command)
	case "own", "workspace":
		return "cd ~/src/app && npm install"
	}
	return "cd ~/src/app && " + s.path(w.Client) + " " + strings.Replace(clients[w.Client].add, "SPEC", s.spec, 1)
}

// path sets PATH so that a client and its node come first.
func (s *stage) path(client string) string {
	dirs, _ := bins(s.clients, client)
	return "PATH=" + strings.Join(append(dirs, "$PATH"), ":")
}
