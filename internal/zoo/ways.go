package main

import (
	"net/url"
	"path"
	"path/filepath"
)

// readers are ways to have a file read: the command for a file, with a folder
// for what it needs besides. None writes the file.
var readers = map[string]func(p, tmp string) []string{
	// Programs that everybody has. Not tar to /dev/null: it would read nothing.
	"cat":    func(p, _ string) []string { return []string{"cat", p} },
	"cp":     func(p, _ string) []string { return []string{"cp", p, "/dev/null"} },
	"gzip":   func(p, _ string) []string { return []string{"gzip", "-c", p} },
	"base64": func(p, _ string) []string { return []string{"base64", p} },
	"dd":     func(p, _ string) []string { return []string{"dd", "if=" + p, "of=/dev/null"} },
	"sed":    func(p, _ string) []string { return []string{"sed", "-n", "p", p} },
	"awk":    func(p, _ string) []string { return []string{"awk", "1", p} },
	"curl": func(p, _ string) []string {
		return []string{"curl", "-s", "file://" + (&url.URL{Path: p}).EscapedPath()}
	},
	"git": func(p, _ string) []string { return []string{"git", "diff", "--no-index", "/dev/null", p} },
	"find": func(p, _ string) []string {
		return []string{"find", path.Dir(p), "-maxdepth", "1", "-name", path.Base(p), "-exec", "cat", "{}", ";"}
	},
	"tar":        func(p, tmp string) []string { return shell(`tar cf "$2/x$$" "$1"; rm -f "$2/x$$"`, p, tmp) },
	"head":       func(p, _ string) []string { return []string{"head", "-c", "9999", p} },
	"diff":       func(p, _ string) []string { return []string{"diff", p, "/dev/null"} },
	"jq":         func(p, _ string) []string { return []string{"jq", "-R", ".", p} },
	"busybox":    func(p, _ string) []string { return []string{"busybox", "cat", p} },
	"openssl":    func(p, _ string) []string { return []string{"openssl", "base64", "-in", p} },
	"ssh-keygen": func(p, _ string) []string { return []string{"ssh-keygen", "-y", "-P", "", "-f", p} },
	"xargs":      func(p, _ string) []string { return []string{"xargs", "-a", p, "true"} },
	"make":       func(p, _ string) []string { return []string{"make", "-n", "-f", p} },
	"strace":     func(p, _ string) []string { return []string{"strace", "-f", "-o", "/dev/null", "cat", p} },
	"vim": func(p, _ string) []string {
		return []string{"vim", "-es", "-u", "NONE", "-i", "NONE", "-n", "-c", "q!", p}
	},
	"emacs": func(p, _ string) []string {
		return []string{"emacs", "-Q", "--batch", "--eval", "(insert-file-contents (pop command-line-args-left))", p}
	},
	"ed":         func(p, _ string) []string { return shell(`echo q | ed -s "$1"`, p) },
	"source":     func(p, _ string) []string { return shell(`. "$1"`, p) },
	"bash":       func(p, _ string) []string { return []string{"bash", "-c", `mapfile -t x <"$0"`, p} },
	"git config": func(p, _ string) []string { return []string{"git", "config", "--file", p, "--list"} },
	"git include": func(p, _ string) []string {
		return []string{"git", "-c", "include.path=" + p, "config", "--list"}
	},
	"curl config": func(p, _ string) []string { return []string{"curl", "-s", "-K", p, "file:///dev/null"} },
	"curl data": func(p, _ string) []string {
		return []string{"curl", "-s", "-m", "1", "--data-binary", "@" + p, "http://127.0.0.1:9/"}
	},
	"node env": func(p, _ string) []string { return []string{"node", "--env-file=" + p, "-e", "0"} },
	"rsync":    func(p, tmp string) []string { return shell(`rsync "$1" "$2/r$$"; rm -f "$2/r$$"`, p, tmp) },
	"install":  func(p, tmp string) []string { return shell(`install -m 600 "$1" "$2/i$$"; rm -f "$2/i$$"`, p, tmp) },
	"zip":      func(p, tmp string) []string { return shell(`zip -q "$2/z$$.zip" "$1"; rm -f "$2/z$$.zip"`, p, tmp) },
	"ld.so": func(p, _ string) []string {
		return shell(`exec "$(ls /lib64/ld-linux-* /lib/ld-linux-* 2>/dev/null | head -n 1)" "$(command -v cat)" "$1"`, p)
	},
	"grep":    func(p, _ string) []string { return []string{"grep", "-h", "", p} },
	"gpg":     func(p, _ string) []string { return []string{"gpg", "--no-options", "--print-md", "SHA256", p} },
	"wget":    func(p, _ string) []string { return []string{"wget", "-q", "-t", "1", "-T", "1", "-i", p} },
	"scp":     func(p, tmp string) []string { return shell(`scp -q "$1" "$2/y$$"; rm -f "$2/y$$"`, p, tmp) },
	"ssh -F":  func(p, _ string) []string { return []string{"ssh", "-F", p, "-G", "localhost"} },
	"ssh-add": func(p, _ string) []string { return []string{"ssh-agent", "ssh-add", "-q", p} },
	"git work tree": func(p, tmp string) []string {
		return shell(`g="$2/g$$"; git init -q --bare "$g" && git --git-dir="$g" --work-tree="${1%/*}" add -f -- "$1"; rm -rf "$g"`, p, tmp)
	},
	"restic": func(p, tmp string) []string {
		return shell(`command -v restic >/dev/null || exec cat "$1"; r="$2/k$$"; export RESTIC_PASSWORD=x; restic --no-cache -q -r "$r" init && restic --no-cache -q -r "$r" backup "$1"; rm -rf "$r"`, p, tmp)
	},
	// npm, made to read what is not its own.
	"npm config": func(p, _ string) []string { return []string{"npm", "--userconfig=" + p, "config", "ls", "-l"} },
	"npm pack": func(p, tmp string) []string {
		return shell(`d="$2/p$$"; mkdir "$d"; echo '{"name":"x","version":"1.0.0"}' >"$d/package.json"; ln "$1" "$d/x" && cd "$d" && npm pack --silent; rm -rf "$d"`, p, tmp)
	},
	// Other names of it.
	"link": func(p, tmp string) []string { return shell(`ln "$1" "$2/l$$" && cat "$2/l$$"; rm -f "$2/l$$"`, p, tmp) },
	"symlink": func(p, tmp string) []string {
		return shell(`ln -s "$1" "$2/s$$" && cat "$2/s$$"; rm -f "$2/s$$"`, p, tmp)
	},
	"folder": func(p, tmp string) []string {
		return shell(`ln -s "${1%/*}" "$2/d$$" && cat "$2/d$$/${1##*/}"; rm -f "$2/d$$"`, p, tmp)
	},
	"root":    func(p, _ string) []string { return []string{"cat", "/proc/self/root" + p} },
	"renamed": func(p, _ string) []string { return shell(`mv "$1" "$1.x$$" && cat "$1.x$$"; mv "$1.x$$" "$1"`, p) },
	"handed":  func(p, _ string) []string { return shell(`exec 3<"$1"; cat /proc/self/fd/3`, p) },
	"o_path": func(p, _ string) []string {
		return python(`f = os.open(sys.argv[1], os.O_PATH); open("/proc/self/fd/%d" % f).read()`, p)
	},
	"openat": func(p, _ string) []string {
		return python(`d, n = os.path.split(sys.argv[1]); os.read(os.open(n, os.O_RDONLY, dir_fd=os.open(d, os.O_RDONLY)), 9999)`, p)
	},
	"mount": func(p, tmp string) []string {
		return shell(`touch "$2/m$$"; unshare -rm sh -c 'mount --bind "$1" "$2" && cat "$2"' sh "$1" "$2/m$$"; rm -f "$2/m$$"`, p, tmp)
	},
	"write":     func(p, _ string) []string { return python(`os.read(os.open(sys.argv[1], os.O_RDWR), 9999)`, p) },
	"namespace": func(p, _ string) []string { return []string{"unshare", "-rmp", "--fork", "cat", p} },
	// Other calls.
	"mmap": func(p, _ string) []string {
		return python(`import mmap; f = open(sys.argv[1], "rb"); bytes(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))`, p)
	},
	"sendfile": func(p, _ string) []string {
		return python(`os.sendfile(os.open("/dev/null", os.O_WRONLY), os.open(sys.argv[1], os.O_RDONLY), 0, 9999)`, p)
	},
	"splice": func(p, _ string) []string {
		return python(`r, w = os.pipe(); os.splice(os.open(sys.argv[1], os.O_RDONLY), w, 9999)`, p)
	},
	"copy": func(p, tmp string) []string {
		return python(`t = sys.argv[2] + "/c%d" % os.getpid(); os.copy_file_range(os.open(sys.argv[1], os.O_RDONLY), os.open(t, os.O_WRONLY | os.O_CREAT), 9999); os.remove(t)`, p, tmp)
	},
	"uring": func(p, _ string) []string { return python(uring, p) },
	"thread": func(p, _ string) []string {
		return python(`import threading; t = threading.Thread(target=lambda: open(sys.argv[1]).read()); t.start(); t.join()`, p)
	},
	"fork": func(p, _ string) []string {
		return python(`os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); open(sys.argv[1]).read()`, p)
	},
	"worker": func(p, _ string) []string {
		return []string{"node", "-e", `new (require('worker_threads').Worker)("require('fs').readFileSync(require('worker_threads').workerData)", { eval: true, workerData: process.argv[1] })`, p}
	},
	"stdin": func(p, _ string) []string {
		return shell(`echo "require('fs').readFileSync(process.argv[2])" | node - "$1"`, p)
	},
	"title": func(p, _ string) []string {
		return []string{"node", "-e", `process.title = 'npm install'; require('fs').readFileSync(process.argv[1])`, p}
	},
	"called": func(p, _ string) []string { return []string{"bash", "-c", `exec -a "npm install" cat "$0"`, p} },
	"moved":  func(p, _ string) []string { return []string{"/usr/bin/python3", "-c", movedArguments, p} },
	"rcfile": func(p, tmp string) []string { // a shell that is given a program to read and never comes to it
		return shell(`printf 'mapfile -t x <"$READ"\nexit\n' >"$2/rc$$"; READ="$1" bash --rcfile "$2/rc$$" -i /usr/bin/ssh; rm -f "$2/rc$$"`, p, tmp)
	},
	"tmux": func(p, tmp string) []string { // its server leaves the tree
		return shell(`command -v tmux >/dev/null || exec cat "$1"; s="$2/t$$"; READ="$1" tmux -f /dev/null -S "$s" new-session -d 'cat "$READ"; tmux wait-for -S done' && tmux -S "$s" wait-for done; rm -f "$s"`, p, tmp)
	},
	// Copies of what is trusted, under other names.
	"other cat": func(p, tmp string) []string { return shell(`cp "$(command -v cat)" "$2/npm" && "$2/npm" "$1"`, p, tmp) },
	"other node": func(p, tmp string) []string {
		return shell(`d="$2/n$$"; mkdir "$d"; cp "$(readlink -f "$(command -v node)")" "$d/git" && "$d/git" -e 'require("fs").readFileSync(process.argv[1])' "$1"; rm -rf "$d"`, p, tmp)
	},
	"other npm": func(p, tmp string) []string {
		return shell(`mkdir -p "$2/b$$" && printf 'require("fs").readFileSync(process.argv[2])' >"$2/b$$/npm-cli.js" && node "$2/b$$/npm-cli.js" "$1"; rm -rf "$2/b$$"`, p, tmp)
	},
	"other claude": func(p, tmp string) []string {
		return shell(`d="$2/$$/.claude/local/node_modules/@anthropic-ai/claude-code"; mkdir -p "$d" && printf 'require("fs").readFileSync(process.argv[2])' >"$d/cli.js" && node "$d/cli.js" "$1"; rm -rf "$2/$$"`, p, tmp)
	},
}

// ways are how a script is started: the command for one that is given.
var ways = map[string]func(args []string, tmp string) []string{
	"env":     func(a []string, _ string) []string { return append([]string{"env", "FOO=bar"}, a...) },
	"home":    func(a []string, tmp string) []string { return append([]string{"env", "HOME=" + tmp}, a...) },
	"nothing": func(a []string, _ string) []string { return shell(`exec env -i PATH="$PATH" HOME="$HOME" "$@"`, a...) },
	"nohup":   func(a []string, _ string) []string { return append([]string{"nohup"}, a...) },
	"timeout": func(a []string, _ string) []string { return append([]string{"timeout", "600"}, a...) },
	"nice":    func(a []string, _ string) []string { return append([]string{"nice", "setsid", "-w"}, a...) },
	"xargs":   func(a []string, _ string) []string { return shell(`printf '%s\0' "$@" | xargs -0 -n 99 env`, a...) },
	"called": func(a []string, _ string) []string {
		return append([]string{"bash", "-c", `exec -a npm "$0" "$@"`}, a...)
	},
	"twice": func(a []string, _ string) []string { return shell(`(setsid "$@" & ) & wait`, a...) },
	"exec": func(a []string, _ string) []string {
		return append([]string{"npm", "exec", "--offline", "-c"}, quoted(a))
	},
	"terminal": func(a []string, _ string) []string { return []string{"script", "-qec", quoted(a), "/dev/null"} },
	"tmux": func(a []string, tmp string) []string { // its server leaves the tree
		return shell(`command -v tmux >/dev/null || exec sh -c "$1"; tmux -f /dev/null -S "$0/t$$" new-session -d "$1; tmux wait-for -S done" && tmux -S "$0/t$$" wait-for done`, quoted(a)).named(tmp)
	},
	"later": func(a []string, _ string) []string {
		return shell(`(setsid sh -c 'sleep 4; exec "$@"' sh "$@" & ) & wait`, a...)
	},
	"script-shell": func(a []string, tmp string) []string {
		return shell(`d="$0/h$$"; mkdir "$d"; echo '{"scripts":{"x":"true"}}' >"$d/package.json"; printf '#!/bin/sh\nunset npm_config_script_shell; rm -f .npmrc\n%s\n' "$1" >"$d/shell"
chmod 755 "$d/shell"; echo "script-shell=$d/shell" >"$d/.npmrc"; cd "$d" && npm run x`, quoted(a)).named(tmp)
	},
	"memfd": func(a []string, _ string) []string {
		return python(`import shutil; f = os.memfd_create("x"); p = shutil.which(sys.argv[1]); os.write(f, b"") or shutil.copyfileobj(open(p, "rb"), os.fdopen(f, "wb", closefd=False)); os.execv("/proc/self/fd/%d" % f, sys.argv[1:])`, a...)
	},
	"copied": func(a []string, tmp string) []string {
		return shell(`x="$1"; shift; d="$0/i$$"; mkdir "$d"; cp "$(readlink -f "$(command -v "$x")")" "$d/tool"; exec "$d/tool" "$@"`, a...).named(tmp)
	},
}

// scriptWay is how a script is started that must be known as such: there is no
// shell between.
type scriptWay struct {
	languages []string // of the script
	client    string   // that must be there
	start     func(script string, s *stagePlaces) []string
}

var scriptWays = map[string]scriptWay{
	"bun --compile": {[]string{"node", "bun"}, "bun-1", func(script string, s *stagePlaces) []string {
		return shell(`d="$2/c$$"; mkdir "$d"; cp "$1" "$d/x.js"; "$3" build --compile "$d/x.js" --outfile "$d/tool" >/dev/null; exec "$d/tool"`, script, s.tmp, s.program("bun-1"))
	}},
	"single executable": {[]string{"node"}, "postject", func(script string, s *stagePlaces) []string {
		return shell(`d="$2/e$$"; mkdir "$d"; cp "$1" "$d/x.js"; (cd "$d" && echo '{"main":"x.js","output":"x.blob","disableExperimentalSEAWarning":true}' >x.json && node --experimental-sea-config x.json &&
cp "$(readlink -f "$(command -v node)")" tool && "$3" tool NODE_SEA_BLOB x.blob --sentinel-fuse NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2) >/dev/null 2>&1; exec "$d/tool"`,
			script, s.tmp, filepath.Join(s.clients, "postject", "bin", "postject"))
	}},
	"electron": {[]string{"node"}, "", func(script string, s *stagePlaces) []string {
		return shell(`d="$2/v$$"; mkdir "$d"; cp "$(readlink -f "$(command -v node)")" "$d/electron"; ELECTRON_RUN_AS_NODE=1 exec "$d/electron" "$1"`, script, s.tmp)
	}},
	"data": {[]string{"node"}, "", func(script string, _ *stagePlaces) []string {
		return []string{"node", "--import", "data:text/javascript,await import('file://" + script + "')", "-e", "0"}
	}},
	"eval": {[]string{"node"}, "", func(script string, _ *stagePlaces) []string {
		return []string{"node", "-e", "require(process.argv[1])", script}
	}},
	"folder": {[]string{"node"}, "", func(script string, s *stagePlaces) []string {
		return shell(`d="$2/o$$"; mkdir "$d"; echo '{"main":"npm-cli.js"}' >"$d/package.json"; cp "$1" "$d/npm-cli.js"; cd "$d" && exec node .`, script, s.tmp)
	}},
	"typescript": {[]string{"node"}, "", func(script string, s *stagePlaces) []string {
		return shell(`node --experimental-strip-types -e 0 >/dev/null 2>&1 || exec node "$1"; d="$2/q$$"; mkdir "$d"; cp "$1" "$d/x.cts"; exec node --experimental-strip-types "$d/x.cts"`, script, s.tmp)
	}},
	"pipe": {[]string{"node"}, "", func(script string, _ *stagePlaces) []string { return shell(`cat "$1" | node`, script) }},
	"in npm": {[]string{"node"}, "", func(script string, _ *stagePlaces) []string {
		return []string{"env", "NODE_OPTIONS=--import data:text/javascript,delete%20process.env.NODE_OPTIONS;await%20import('file://" + script + "')", "npm", "--version"}
	}},
	"venv": {[]string{"python"}, "", func(script string, s *stagePlaces) []string {
		return shell(`/usr/bin/python3 -m venv --without-pip "$2/v$$" >/dev/null; exec "$2/v$$/bin/python" "$1"`, script, s.tmp)
	}},
	"venv copy": {[]string{"python"}, "", func(script string, s *stagePlaces) []string {
		return shell(`/usr/bin/python3 -m venv --copies --without-pip "$2/v$$" >/dev/null; exec "$2/v$$/bin/python" "$1"`, script, s.tmp)
	}},
}

// sharedMemory starts a script from a file in memory, whatever its language.
func sharedMemory(script string, interpreter []string) []string {
	return shell(`f="$(mktemp /dev/shm/wormbell-zoo-XXXXXX)"; cp "$1" "$f"; shift; "$@" "$f"; rm -f "$f"`, append([]string{script}, interpreter...)...)
}

// via returns the command that starts a script in a way.
func (s *stagePlaces) via(p *Play, args []string) []string {
	way, ok := scriptWays[p.Via]
	switch {
	case p.Via == "shared memory":
		return sharedMemory(s.real(p.File), args[:len(args)-1])
	case !ok:
		return ways[p.Via](args, s.tmp)
	}
	if way.client != "" {
		if _, ok := bins(s.clients, way.client); !ok {
			return args
		}
	}
	return way.start(s.real(p.File), s)
}

// waysOf are the ways in which a script can be started.
func waysOf(p *Play) []string {
	list := keys(ways)
	if p.Shell {
		return list
	}
	list = append(list, "shared memory")
	for _, name := range keys(scriptWays) {
		if contains(scriptWays[name].languages, p.Script.Language) {
			list = append(list, name)
		}
	}
	return list
}

// tarballs are places for the tarball of a publish: a shell's text, which gets a
// folder and then the command that publishes.
var tarballs = map[string]string{
	"folder":        `d="$1/t$$"; shift; mkdir "$d"; npm pack --silent --pack-destination "$d" >/dev/null; exec "$@" "$d"/*.tgz`,
	"shared memory": `d="$(mktemp -d /dev/shm/wormbell-zoo-XXXXXX)"; shift; npm pack --silent --pack-destination "$d" >/dev/null; "$@" "$d"/*.tgz; rm -rf "$d"`,
	"memfd": `d="$1/t$$"; shift; mkdir "$d"; npm pack --silent --pack-destination "$d" >/dev/null; exec /usr/bin/python3 -c 'import os, subprocess, sys
f = os.memfd_create("x"); t = sys.argv[1]; os.write(f, open(t, "rb").read()); os.remove(t); os.symlink("/proc/%d/fd/%d" % (os.getpid(), f), t); subprocess.run(sys.argv[2:] + [t])' "$d"/*.tgz "$@"`,
}

type command []string

// named gives a shell's command another $0.
func (c command) named(zero string) []string {
	c[3] = zero
	return c
}

func shell(text string, args ...string) command {
	return append(command{"sh", "-c", text, "sh"}, args...)
}

func python(text string, args ...string) []string {
	return append([]string{"/usr/bin/python3", "-c", "import os, sys; " + text}, args...)
}

// movedArguments says by prctl(2), which needs no right for it, that its arguments
// are others, and then reads the file. What PR_SET_MM_MAP wants to know besides
// is in /proc/self/stat.
const movedArguments = `import ctypes, struct, sys
c = ctypes.CDLL(None, use_errno=True)
c.sbrk.restype = ctypes.c_void_p
said = ctypes.create_string_buffer(b"npm\0install\0")
at = ctypes.addressof(said)
f = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
n = lambda i: int(f[i - 3])
m = struct.pack("<12QII", n(26), n(27), n(45), n(46), n(47), c.sbrk(0), n(28), at, at + len(said) - 1, n(50), n(51), 0, 0, 0xffffffff)
c.prctl(35, 14, m, ctypes.c_ulong(len(m)), 0)
open(sys.argv[1]).read()`

// uring opens and reads by io_uring(7): the kernel's own thread may do it.
const uring = `import ctypes, mmap, struct
c = ctypes.CDLL(None, use_errno=True)
p = bytearray(120)
buf = (ctypes.c_char * 120).from_buffer(p)
r = c.syscall(425, 8, buf)
if r < 0: sys.exit()
u = struct.unpack("<30I", p)
so, co = u[10:20], u[20:30]
sq = mmap.mmap(r, so[6] + 8 * 4, offset=0)
es = mmap.mmap(r, 8 * 64, offset=0x10000000)
name = ctypes.create_string_buffer(sys.argv[1].encode())
e = struct.pack("<BBHiQQIIQHHiQQ", 18, 16, 0, -100, 0, ctypes.addressof(name), 0, 0, 1, 0, 0, 0, 0, 0)
es[0:64] = e
sq[so[6]:so[6] + 4] = struct.pack("<I", 0)
t = struct.unpack("<I", sq[so[1]:so[1] + 4])[0]
sq[so[1]:so[1] + 4] = struct.pack("<I", t + 1)
c.syscall(426, r, 1, 1, 1, None, 0)`
