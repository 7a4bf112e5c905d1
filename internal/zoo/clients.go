package main

import (
	"os"
	"path/filepath"
	"strings"
)

// client is a package manager other than the npm that is found first. PKG
// stands for the package's name.
type client struct {
	add   string            // adds SPEC and lets its scripts run
	files map[string]string // of the project, for that
	field string            // the same, in package.json
	node  string            // whose node it needs
}

// clients are those that install worms and publish for them. They are looked
// for in a folder; one that is not there is replaced by npm.
var clients = map[string]client{
	"npm":     {add: "npm install SPEC"},
	"npm-7":   {}, // tells what it is asked for of a token: to publish with, and to ask
	"npm-12":  {add: "npm install SPEC", field: `,"allowScripts":{"PKG":true}`, node: "node-22"},
	"pnpm-10": {add: "pnpm add SPEC", files: map[string]string{"pnpm-workspace.yaml": "onlyBuiltDependencies:\n  - PKG\n"}, node: "node-22"},
	"pnpm-12": {add: "pnpm add SPEC", files: map[string]string{"pnpm-workspace.yaml": "allowBuilds:\n  PKG: true\n"}, node: "node-22"},
	"yarn-1":  {add: "yarn add --non-interactive SPEC"},
	"yarn-4":  {add: "yarn add SPEC", files: map[string]string{"yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: true\n"}, node: "node-22"},
	"bun-1":   {add: "bun add SPEC", field: `,"trustedDependencies":["PKG"]`},
	"deno-2":  {add: "deno install --min-dep-age 0 --allow-scripts npm:SPEC", files: map[string]string{"deno.json": "{\"nodeModulesDir\":\"auto\"}\n"}},
}

// bins returns the folders in which a client and the node that it needs are
// found; false if one is not there.
func bins(folder, name string) (dirs []string, ok bool) {
	for _, n := range []string{name, clients[name].node} {
		if n == "" || n == "npm" {
			continue
		}
		dir := filepath.Join(folder, n, "bin")
		if _, err := os.Stat(dir); err != nil {
			return nil, false
		}
		dirs = append(dirs, dir)
	}
	return dirs, true
}

// program is the program that a run of a client's name means.
func (s *stagePlaces) program(name string) string {
	if _, is := clients[name]; !is || name == "npm" {
		return name
	}
	if dirs, ok := bins(s.clients, name); ok {
		bin, _, _ := strings.Cut(name, "-")
		return filepath.Join(dirs[0], bin)
	}
	return "npm"
}
