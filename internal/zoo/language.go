package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// suffix is how the name of a script in a language ends.
var suffix = map[string]string{"node": ".js", "sh": ".sh", "python": ".py", "perl": ".pl", "bun": ".js", "deno": ".mjs"}

// interpreter is what runs a language's scripts, before their name. What bun and
// deno run is as node has it, and node runs it where they are not there.
func (s *stagePlaces) interpreter(language string) []string {
	switch language {
	case "sh", "perl":
		return []string{language}
	case "python":
		return []string{"/usr/bin/python3"}
	case "bun":
		if dirs, ok := bins(s.clients, "bun-1"); ok {
			return []string{filepath.Join(dirs[0], "bun")}
		}
	case "deno":
		if dirs, ok := bins(s.clients, "deno-2"); ok {
			return []string{filepath.Join(dirs[0], "deno"), "run", "-A", "-q"}
		}
		return []string{"node", "--no-warnings", "--experimental-default-type=module"}
	}
	return []string{"node"}
}

// stagePlaces are the real folders of ~, $TMP and $PKG, and the registry.
type stagePlaces struct {
	home, tmp, pkg string
	clients        string // folder of the package managers
	registry       string // URL, ends with /
	token          string // that the registry takes
	control        string // a folder in which each script says how far it is
	scripts        int    // that were written
	once           bool   // the first script does nothing when it is started again
}

// real turns a path of a worm into one of the machine.
func (s *stagePlaces) real(p string) string {
	root, rest, more := strings.Cut(p, "/")
	dir, ok := map[string]string{"~": s.home, "$TMP": s.tmp, "$PKG": s.pkg}[root]
	switch {
	case !ok:
		return p
	case !more:
		return dir
	}
	return path.Join(dir, rest)
}

// text turns ~/, $TMP/ and $TOKEN in an argument or a value into what they stand for.
func (s *stagePlaces) text(v string) string {
	if place(v) == nil {
		return s.real(v)
	}
	return strings.NewReplacer("$TOKEN", s.token, "$REGISTRY", s.registry, "$HOST", strings.TrimSuffix(strings.TrimPrefix(s.registry, "http:"), "/")).Replace(v)
}

// writer writes a script in one language.
type writer struct {
	b      strings.Builder
	places *stagePlaces
}

// source is a script's text. Before its first step and after its last it makes
// files that say so. A script that it plays is written by it, but for those of
// the package, which put has.
func source(s *Script, places *stagePlaces, put func(file, text string)) string {
	w := &writer{places: places}
	n := places.scripts
	places.scripts++
	steps := []Step{{Write: &Write{Path: path.Join(places.control, fmt.Sprint("begun-", n))}}}
	for _, step := range s.Steps {
		if p := step.Play; p != nil {
			text := source(&p.Script, places, put)
			if file, ok := strings.CutPrefix(p.File, "$PKG/"); ok {
				put(file, text)
			} else {
				steps = append(steps, Step{Write: &Write{Path: p.File, Text: text}})
			}
		}
		steps = append(steps, step)
	}
	steps = append(steps, Step{Write: &Write{Path: path.Join(places.control, fmt.Sprint("done-", n))}})
	switch s.Language {
	case "deno": // takes a file for a module, but below a package.json that does not say so
		w.line("var require = typeof require === 'function' ? require : process.getBuiltinModule('node:module').createRequire('file:///')")
		w.node(steps, "")
	case "node", "bun":
		begun := ""
		if n == 0 && places.once {
			begun = path.Join(places.control, "begun-0")
		}
		w.node(steps, begun)
	case "sh":
		w.sh(steps)
	case "python":
		w.python(steps)
	case "perl":
		w.perl(steps)
	}
	return w.b.String()
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// js is a value in JSON, which node, and for strings and lists of them python, understand too.
func js(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null" // strings, lists and maps of them always encode
	}
	return string(b)
}

// command is the argument list of what a step runs, and how: nil for one that
// the language does itself.
func (w *writer) command(s *Step) (args []string, dir string, env map[string]string, detached bool) {
	switch {
	case s.Read != nil && s.Read.How != "itself":
		return readers[s.Read.How](w.places.real(s.Read.Path), w.places.tmp), "", nil, false
	case s.Run != nil:
		for _, a := range s.Run.Args {
			args = append(args, w.places.text(a))
		}
		berry := args[0] == "yarn-4"
		if args[0] = w.places.program(args[0]); berry { // it publishes what is a project of its own, and installed
			args = shell(`touch yarn.lock && "$1" install; exec "$@"`, args...)
		}
		env = map[string]string{}
		for k, v := range s.Run.Env {
			env[w.places.text(k)] = w.places.text(v)
		}
		if s.Run.Dir != "" {
			dir = w.places.real(s.Run.Dir)
		}
		if s.Run.Tar != "" {
			args = shell(tarballs[s.Run.Tar], append([]string{w.places.tmp}, args...)...)
		}
		if s.Run.As != "" {
			args = append([]string{"bash", "-c", `exec -a "$0" "$@"`, s.Run.As}, args...)
		}
		return args, dir, env, false
	case s.Play != nil:
		args = append(w.places.interpreter(s.Play.Script.Language), w.places.real(s.Play.File))
		if s.Play.Shell {
			args = []string{"sh", "-c", quoted(args) + "; :"}
		}
		if s.Play.Via != "" {
			args = w.places.via(s.Play, args)
		}
		return args, "", nil, s.Play.Detached
	}
	return nil, "", nil, false
}

// mode is a file's mode, as a language that writes octal numbers with a prefix has it.
func (w *Write) mode(prefix string) string {
	if w.Mode == "" {
		return prefix + "644"
	}
	return prefix + w.Mode
}

// node writes for node, and for what runs the same. Where begun names a file, the
// script does nothing if that is there.
func (w *writer) node(steps []Step, begun string) {
	w.line("'use strict'\nconst fs = require('fs'), path = require('path'), http = require('http'), cp = require('child_process')")
	w.line("const read = p => { try { fs.readFileSync(p) } catch {} }")
	w.line("const write = (p, t, m) => { fs.mkdirSync(path.dirname(p), { recursive: true }); fs.writeFileSync(p, t, { mode: m }) }")
	w.line("const run = (a, d, e) => cp.spawnSync(a[0], a.slice(1), { cwd: d || undefined, env: { ...process.env, ...e }, stdio: 'ignore', timeout: 600000 })")
	w.line("const leave = a => cp.spawn(a[0], a.slice(1), { detached: true, stdio: 'ignore' }).unref()")
	w.line("const sleep = ms => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)")
	w.line("const put = (u, t, b) => new Promise(go => { const r = http.request(u, { method: 'PUT', timeout: 5000, headers: { authorization: 'Bearer ' + t, 'content-type': 'application/json' } }, s => { s.resume(); s.on('end', go) }); r.on('error', go); r.end(b) })")
	w.line("const main = async () => {")
	for i := range steps {
		s := &steps[i]
		args, dir, env, detached := w.command(s)
		switch {
		case detached:
			w.line("leave(%s)", js(args))
		case args != nil:
			w.line("run(%s, %s, %s)", js(args), js(dir), js(env))
		case s.Read != nil:
			w.line("read(%s)", js(w.places.real(s.Read.Path)))
		case s.Write != nil:
			w.line("write(%s, %s, %s)", js(w.places.real(s.Write.Path)), js(w.places.text(s.Write.Text)), s.Write.mode("0o"))
		case s.Put != nil:
			w.line("await put(%s, %s, %s)", js(w.places.registry+s.Put.Name), js(w.places.token), js(body(s.Put)))
		case s.Sleep > 0:
			w.line("sleep(%d)", s.Sleep)
		}
	}
	w.line("}")
	if begun != "" { // deno ends at once where NODE_OPTIONS names a package
		w.line("delete process.env.NODE_OPTIONS")
	}
	w.line("fs.existsSync(%s) || main()", js(begun))
}

func (w *writer) sh(steps []Step) {
	for i := range steps {
		s := &steps[i]
		args, dir, env, detached := w.command(s)
		switch {
		case detached:
			w.line("setsid %s >/dev/null 2>&1 </dev/null &", quoted(args))
		case args != nil:
			in := ""
			if dir != "" {
				in = "cd " + quote(dir) + " && "
			}
			w.line("(%s%s%s) >/dev/null 2>&1 </dev/null", in, assignments(env), quoted(args))
		case s.Read != nil:
			w.line("{ while read -r _; do :; done <%s; } 2>/dev/null", quote(w.places.real(s.Read.Path)))
		case s.Write != nil:
			p := w.places.real(s.Write.Path)
			w.line("mkdir -p %s; printf %%s %s >%s; chmod %s %[3]s", quote(path.Dir(p)), quote(w.places.text(s.Write.Text)), quote(p), s.Write.mode(""))
		case s.Put != nil:
			w.line("curl -s -m 5 -X PUT -H 'content-type: application/json' -H %s --data-binary %s %s >/dev/null 2>&1",
				quote("authorization: Bearer "+w.places.token), quote(body(s.Put)), quote(w.places.registry+s.Put.Name))
		case s.Sleep > 0:
			w.line("sleep %.3f", float64(s.Sleep)/1000)
		}
	}
}

func (w *writer) python(steps []Step) {
	w.line("import os, subprocess, time, urllib.request")
	w.line("def read(p):\n    try:\n        open(p, 'rb').read()\n    except OSError:\n        pass")
	w.line("def write(p, t, m):\n    os.makedirs(os.path.dirname(p), exist_ok=True)\n    open(p, 'w').write(t)\n    os.chmod(p, m)")
	w.line("N = subprocess.DEVNULL")
	w.line("def run(a, d, e):\n    subprocess.run(a, cwd=d or None, env={**os.environ, **e}, stdin=N, stdout=N, stderr=N, timeout=600)")
	w.line("def leave(a):\n    subprocess.Popen(a, stdin=N, stdout=N, stderr=N, start_new_session=True)")
	w.line("def put(u, t, b):\n    r = urllib.request.Request(u, data=b.encode(), method='PUT', headers={'authorization': 'Bearer ' + t, 'content-type': 'application/json'})\n    try:\n        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(r, timeout=5).read()\n    except OSError:\n        pass")
	for i := range steps {
		s := &steps[i]
		args, dir, env, detached := w.command(s)
		if env == nil {
			env = map[string]string{}
		}
		switch {
		case detached:
			w.line("leave(%s)", js(args))
		case args != nil:
			w.line("run(%s, %s, %s)", js(args), js(dir), js(env))
		case s.Read != nil:
			w.line("read(%s)", js(w.places.real(s.Read.Path)))
		case s.Write != nil:
			w.line("write(%s, %s, %s)", js(w.places.real(s.Write.Path)), js(w.places.text(s.Write.Text)), s.Write.mode("0o"))
		case s.Put != nil:
			w.line("put(%s, %s, %s)", js(w.places.registry+s.Put.Name), js(w.places.token), js(body(s.Put)))
		case s.Sleep > 0:
			w.line("time.sleep(%.3f)", float64(s.Sleep)/1000)
		}
	}
}

func (w *writer) perl(steps []Step) {
	w.line("use strict; use warnings; no warnings 'exec'; use File::Path 'make_path'; use File::Basename; use POSIX ();")
	w.line("open(STDIN, '<', '/dev/null'); open(STDOUT, '>', '/dev/null'); open(STDERR, '>', '/dev/null');")
	w.line("sub read_file { open(my $f, '<', $_[0]) or return; local $/; my $x = <$f>; close($f) }")
	w.line("sub write_file { my ($p, $t, $m) = @_; make_path(dirname($p)); open(my $f, '>', $p) or return; print $f $t; close($f); chmod($m, $p) }")
	w.line("sub run { my ($d, $e, @a) = @_; my $pid = fork(); if (!$pid) { chdir($d) if $d ne ''; $ENV{$_} = $e->{$_} for keys %%$e; exec { $a[0] } @a; POSIX::_exit(127) } waitpid($pid, 0) }")
	w.line("sub leave { my @a = @_; my $pid = fork(); if (!$pid) { POSIX::setsid(); exec { $a[0] } @a; POSIX::_exit(127) } }")
	for i := range steps {
		s := &steps[i]
		args, dir, env, detached := w.command(s)
		switch {
		case detached:
			w.line("leave(%s);", perlList(args))
		case args != nil:
			w.line("run(%s, {%s}, %s);", perlQuote(dir), perlMap(env), perlList(args))
		case s.Read != nil:
			w.line("read_file(%s);", perlQuote(w.places.real(s.Read.Path)))
		case s.Write != nil:
			w.line("write_file(%s, %s, %s);", perlQuote(w.places.real(s.Write.Path)), perlQuote(w.places.text(s.Write.Text)), s.Write.mode("0"))
		case s.Put != nil:
			w.line("run('', {}, 'curl', '-s', '-m', '5', '-X', 'PUT', '-H', 'content-type: application/json', '-H', %s, '--data-binary', %s, %s);",
				perlQuote("authorization: Bearer "+w.places.token), perlQuote(body(s.Put)), perlQuote(w.places.registry+s.Put.Name))
		case s.Sleep > 0:
			w.line("select(undef, undef, undef, %.3f);", float64(s.Sleep)/1000)
		}
	}
}

// body is what npm's client sends to publish a package with nothing in it.
func body(p *Put) string {
	file := p.Name + "-" + p.Version + ".tgz"
	return js(map[string]any{
		"_id": p.Name, "name": p.Name, "dist-tags": map[string]string{"latest": p.Version},
		"versions":     map[string]any{p.Version: map[string]any{"name": p.Name, "version": p.Version, "dist": map[string]string{}}},
		"_attachments": map[string]any{file: map[string]any{"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString([]byte("inert")), "length": 5}},
	})
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoted(args []string) string {
	var q []string
	for _, a := range args {
		q = append(q, quote(a))
	}
	return strings.Join(q, " ")
}

// assignments puts variables before a command by env(1): a shell takes names
// with letters and underscores only.
func assignments(env map[string]string) string {
	if len(env) == 0 {
		return ""
	}
	var q []string
	for _, k := range keys(env) {
		q = append(q, quote(k+"="+env[k]))
	}
	return "env " + strings.Join(q, " ") + " "
}

func perlQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func perlList(args []string) string {
	var q []string
	for _, a := range args {
		q = append(q, perlQuote(a))
	}
	return strings.Join(q, ", ")
}

func perlMap(env map[string]string) string {
	var q []string
	for _, k := range keys(env) {
		q = append(q, perlQuote(k)+" => "+perlQuote(env[k]))
	}
	return strings.Join(q, ", ")
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
