package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// form is how a dependency that lies there already comes to run when a person
// works on their project. PKG stands for its name, FILE for the worm's script.
type form struct {
	manifest string            // fields of its package.json
	files    map[string]string // of the package, beside the script
	app      map[string]string // of the project
	scripts  string            // of the project's package.json
	command  string            // that the person types in the project
	inside   bool              // it runs within a package manager
	client   string            // that must be there, and comes first in PATH; without it the form is main
}

// entry is an executable of the package that runs the script.
const entry = "#!/usr/bin/env node\nrequire('./FILE')\n"

// forms are those of a worm that starts by an import. A tool of the person's,
// where there is one, is a package of its own that loads what the project tells it.
var forms = map[string]form{
	"main":    {manifest: `"main":"FILE"`, command: "node index.js"},
	"exports": {manifest: `"exports":{".":{"node":{"require":"./FILE"}}}`, command: "node index.js"},
	"subpath": {manifest: `"exports":{"./feature":"./FILE"}`, app: map[string]string{"server.js": "require('PKG/feature')\n"}, command: "node server.js"},
	"imports": {manifest: `"main":"entry.js","imports":{"#core":{"node":"./FILE"}}`, files: map[string]string{"entry.js": "require('#core')\n"}, command: "node index.js"},
	"await": {manifest: `"exports":"./entry.mjs"`, files: map[string]string{"entry.mjs": "import { createRequire } from 'node:module'\nawait Promise.resolve()\ncreateRequire(import.meta.url)('./FILE')\n"},
		app: map[string]string{"server.mjs": "import 'PKG'\n"}, command: "node server.mjs"},
	"worker thread": {manifest: `"main":"entry.js"`, files: map[string]string{"entry.js": "new (require('worker_threads').Worker)(require.resolve('./FILE'))\n"}, command: "node index.js"},
	"require":       {manifest: `"main":"FILE"`, command: "node --require PKG server.js"},
	"preloaded":     {manifest: `"main":"FILE"`, command: "node --import PKG server.js"},
	"loader":        {manifest: `"main":"FILE"`, command: "node --no-warnings --experimental-loader PKG server.js"},
	"variable":      {manifest: `"main":"FILE"`, command: "NODE_OPTIONS='--require PKG' node server.js"},
	"env file":      {manifest: `"main":"FILE"`, app: map[string]string{".env": "NODE_OPTIONS=--require=PKG\n"}, command: "node --env-file=.env server.js"},
	"node-options":  {manifest: `"main":"FILE"`, app: map[string]string{".npmrc": "node-options=--require=PKG\n"}, scripts: `"start":"node server.js"`, command: "npm start"},
	"script-shell": {manifest: `"bin":{"PKG-shell":"shell"}`, files: map[string]string{"shell": "#!/bin/sh\nnode node_modules/PKG/FILE\nexec sh \"$@\"\n"},
		app: map[string]string{".npmrc": "script-shell=node_modules/.bin/PKG-shell\n"}, scripts: `"start":"node server.js"`, command: "npm start"},
	"command":     {manifest: `"bin":{"tsc":"cli.js"}`, files: map[string]string{"cli.js": entry}, scripts: `"build":"tsc --noEmit"`, command: "npm run build"},
	"npx":         {manifest: `"bin":{"tsc":"cli.js"}`, files: map[string]string{"cli.js": entry}, command: "npx tsc"},
	"pre-script":  {manifest: `"bin":{"tsc":"cli.js"}`, files: map[string]string{"cli.js": entry}, scripts: `"pretest":"tsc","test":"true"`, command: "npm test"},
	"plugin":      {manifest: `"main":"FILE"`, app: map[string]string{"tool.config.js": "module.exports = { plugins: [require('PKG')] }\n"}, command: "npx the-tool"},
	"plugin name": {manifest: `"main":"FILE"`, app: map[string]string{"tool.config.js": "module.exports = { load: 'PKG' }\n"}, scripts: `"lint":"the-tool"`, command: "npm run lint"},
	"test":        {manifest: `"main":"FILE"`, app: map[string]string{"some.test.js": "require('PKG')\n"}, command: "node --test some.test.js"},
	"make":        {manifest: `"main":"FILE"`, app: map[string]string{"Makefile": "all:\n\tnode index.js\n"}, command: "make"},
	"git hook": {manifest: `"main":"FILE"`, app: map[string]string{".hooks/pre-commit": "#!/bin/sh\nexec node index.js\n"},
		command: "git init -q . && git -c core.hooksPath=.hooks -c user.name=dev -c user.email=dev@example.com commit -q --allow-empty -m x"},
	"bun":       {manifest: `"main":"FILE"`, command: "bun index.js", client: "bun-1"},
	"bunfig":    {manifest: `"main":"FILE"`, app: map[string]string{"bunfig.toml": "preload = [\"PKG\"]\n"}, command: "bun run server.js", client: "bun-1"},
	"deno":      {manifest: `"main":"FILE"`, app: map[string]string{"server.cjs": "require('PKG')\n"}, command: "deno run -A --node-modules-dir=manual server.cjs", client: "deno-2"},
	"yarn path": {manifest: `"main":"FILE"`, app: map[string]string{".yarnrc.yml": "yarnPath: node_modules/PKG/FILE\n", "yarn.lock": ""}, command: "yarn --version", client: "yarn-4"},
	"yarn plugin": {manifest: `"main":"FILE"`, files: map[string]string{"plugin.cjs": "const load = require\nmodule.exports = { name: 'plugin-x', factory: () => { load(process.cwd() + '/node_modules/PKG/FILE'); return {} } }\n"},
		app: map[string]string{".yarnrc.yml": "plugins:\n  - ./node_modules/PKG/plugin.cjs\n", "yarn.lock": ""}, command: "yarn config get nodeLinker", client: "yarn-4", inside: true},
	"pnpmfile": {manifest: `"main":"FILE"`, app: map[string]string{".pnpmfile.cjs": "require('PKG')\nmodule.exports = {}\n"}, command: "pnpm install --offline", client: "pnpm-10", inside: true},
}

// theTool is a tool of the person's that loads what the project tells it.
const theTool = "#!/usr/bin/env node\nconst c = require(process.cwd() + '/tool.config.js')\nif (c.load) require(require.resolve(c.load, { paths: [process.cwd()] }))\n"

// form is that of a worm, or main if what it needs is not there.
func (s *stage) form(w *Worm) form {
	f := forms[w.Form]
	if f.client != "" {
		if _, ok := bins(s.clients, f.client); !ok {
			w.Form, f = "main", forms["main"]
		}
	}
	return f
}

// fill puts a worm's own into a form's text.
func fill(w *Worm, text string) string {
	return strings.NewReplacer("PKG", w.Package, "FILE", w.File).Replace(text)
}

// imports installs the dependency that the person's project loads.
func (s *stage) imports(w *Worm, app string, manifest map[string]any, files map[string]string) error {
	f := s.form(w)
	for name, text := range f.files {
		files[name] = fill(w, text)
	}
	own := map[string]string{"server.js": "setTimeout(() => {}, 1)\n"}
	for name, text := range f.app {
		own[name] = fill(w, text)
	}
	own["package.json"] = fmt.Sprintf(`{"name":"app","version":"1.0.0","private":true,"scripts":{%s}}`+"\n", f.scripts)
	if err := s.lay(app, own); err != nil {
		return err
	}
	if err := s.Registry.Seed(manifest, files); err != nil {
		return err
	}
	if err := s.Registry.Seed(map[string]any{"name": "the-tool", "version": "1.0.0", "bin": map[string]string{"the-tool": "cli.js"}}, map[string]string{"cli.js": theTool}); err != nil {
		return err
	}
	return s.prepare(app, "npm", "install", "--ignore-scripts", w.Package+"@"+w.Version, "the-tool@1.0.0")
}

// prepare runs what is done before the agent looks.
func (s *stage) prepare(dir string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, s.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// clone makes a repository of git of the files, as a dependency from git is, and
// returns what a package manager is told to install.
func (s *stage) clone(files map[string]string) (spec string, err error) {
	dir := filepath.Join(s.Dir, "forge", "package")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := s.lay(dir, files); err != nil {
		return "", err
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=dev", "-c", "user.email=dev@example.com", "commit", "-q", "-m", "x"}} {
		if err := s.prepare(dir, append([]string{"git"}, args...)...); err != nil {
			return "", err
		}
	}
	return "git+file://" + dir, nil
}

// gypFiles are those of a package that node-gyp builds, by the form. COMMAND
// stands for what starts the worm.
var gypFiles = map[string]map[string]string{
	"sources":   {"binding.gyp": "{'targets':[{'target_name':'x','type':'none','sources':['<!(COMMAND >/dev/null 2>&1; echo x.c)']}]}\n"},
	"list":      {"binding.gyp": "{'targets':[{'target_name':'x','type':'none','sources':['<!@(COMMAND >/dev/null 2>&1; echo x.c y.c)']}]}\n"},
	"variable":  {"binding.gyp": "{'variables':{'x%':'<!(COMMAND >/dev/null 2>&1; echo 1)'},'targets':[{'target_name':'x','type':'none'}]}\n"},
	"condition": {"binding.gyp": "{'targets':[{'target_name':'x','type':'none','conditions':[['\"<!(COMMAND >/dev/null 2>&1; echo 1)\"==\"1\"',{}]]}]}\n"},
	"included":  {"binding.gyp": "{'includes':['common.gypi'],'targets':[{'target_name':'x','type':'none'}]}\n", "common.gypi": "{'variables':{'x%':'<!(COMMAND >/dev/null 2>&1; echo 1)'}}\n"},
	"module": {"binding.gyp": "{'targets':[{'target_name':'x','type':'none','sources':['<!pymod_do_main(find)']}]}\n",
		"find.py": "import os\ndef DoMain(args):\n    os.system('COMMAND >/dev/null 2>&1')\n    return 'x.c'\n"},
	"action": {"binding.gyp": "{'targets':[{'target_name':'x','type':'none','actions':[{'action_name':'a','inputs':[],'outputs':['y'],'action':['sh','-c','COMMAND']}]}]}\n"},
}
