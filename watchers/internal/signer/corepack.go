package signer

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"wormbell/watchers/internal/procs"
)

// This file judges what corepack runs: its shims for pnpm, yarn and npm load, in
// their own process, what corepack fetched into a folder of the person's. That
// root owns the shim says nothing about it.

// Corepack reports whether a script is corepack's own or one of its shims, which
// are not told from the package managers by their names.
func (s *Signer) Corepack(script string) bool {
	found, err := s.files.Lookup(script)
	return err == nil && shimOf(found.Path) != ""
}

// shimOf returns the package manager whose shim of corepack's a resolved path
// is, "*" if it may run any; "" if it is none.
func shimOf(name string) string {
	dir, file := path.Split(name)
	if !strings.HasSuffix(dir, "/corepack/dist/") {
		return ""
	}
	switch file {
	case "pnpm.js", "pnpx.js":
		return "pnpm"
	case "yarn.js", "yarnpkg.js":
		return "yarn"
	case "npm.js", "npx.js":
		return "npm"
	}
	return "*"
}

// kept reports whether everything that a shim of corepack's can find to run is
// vouched for; true for what is no shim. Which version it takes depends on files
// of the project, so all have to be. What it fetches yet is a tool that comes.
func (s *Signer) kept(q Query) bool {
	if q.Run.Kind != procs.Node {
		return true
	}
	found, err := s.files.Lookup(q.Run.Script)
	if err != nil {
		return false
	}
	client := shimOf(found.Path)
	if client == "" {
		return true
	}
	home := corepackHome(q)
	if home == "" || s.moved(q) {
		return false
	}
	began, clients := time.Now(), []string{client}
	if client == "*" {
		clients = []string{"npm", "pnpm", "yarn"}
	}
	for _, client := range clients {
		dir := path.Join(home, "v1", client)
		versions, err := s.files.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || len(versions) > versionsMax {
			return false
		}
		for _, version := range versions {
			if time.Since(began) > keptFor || !s.keeps(path.Join(dir, version)) {
				return false
			}
		}
	}
	return true
}

// keptFor is how long the versions may take to be looked at, all together.
const keptFor = 250 * time.Millisecond

// versionsMax bounds the versions of one package manager that are looked at.
const versionsMax = 100

// moved reports whether a file beside the project, from which corepack takes
// variables, says where it keeps things.
func (s *Signer) moved(q Query) bool {
	name := q.Env.CorepackFile
	switch name {
	case "0":
		return false // it is told to take none
	case "":
		name = ".corepack.env"
	}
	dir := q.Cwd
	if path.IsAbs(name) {
		dir = "/"
	} else if !path.IsAbs(dir) {
		return true
	}
	for {
		b, err := s.files.Read(path.Join(dir, name), envFileMax)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || bytes.Contains(b, []byte("COREPACK_HOME")) ||
			bytes.Contains(b, []byte("XDG_CACHE_HOME")) || bytes.Contains(b, []byte("LOCALAPPDATA")) {
			return true
		}
		if dir == "/" {
			return false
		}
		dir = path.Dir(dir)
	}
}

// envFileMax bounds a file of variables that is read.
const envFileMax = 64 << 10

// keeps reports whether a folder of corepack's holds a tool that is vouched for.
func (s *Signer) keeps(dir string) bool {
	found, err := s.files.Lookup(dir)
	if err != nil {
		return false
	}
	if !found.Dir {
		return true // it runs folders only
	}
	if found.Root && !s.inHome(dir) && !s.inHome(found.Path) {
		return true
	}
	t := s.toolOf(found.Path)
	return t != nil && t.Dir == found.Path && t.Fell == "" && t.allow("x.js") && s.intact(t, "x.js")
}

// corepackHome is where corepack looks, as it says itself; "" if that cannot be told.
func corepackHome(q Query) string {
	home := q.Env.CorepackHome
	if home == "" {
		cache := q.Env.CacheHome
		if cache == "" {
			cache = q.Env.AppData
		}
		if cache == "" {
			for line := range strings.SplitSeq(q.Env.Around, "\n") {
				if value, ok := strings.CutPrefix(line, "HOME="); ok && value != "" {
					cache = path.Join(value, ".cache")
				}
			}
		}
		if cache == "" {
			return ""
		}
		home = path.Join(cache, "node/corepack")
	}
	if !path.IsAbs(home) {
		if q.Cwd == "" {
			return ""
		}
		home = path.Join(q.Cwd, home)
	}
	return home
}
