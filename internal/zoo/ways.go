package main

import (
	"net/url"
	"path"
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
	"tar": func(p, tmp string) []string { return shell(`tar cf "$2/x$$" "$1"; rm -f "$2/x$$"`, p, tmp) },
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
	// Copies of what is trusted, under other names.
	"other cat": func(p, tmp string) []string { return shell(`cp "$(command -v cat)" "$2/npm" && "$2/npm" "$1"`, p, tmp) },
	"other node": func(p, tmp string) []string {
		return shell(`d="$2/n$$"; mkdir "$d"; cp "$(readlink -f "$(command -v node)")" "$d/git" && "$d/git" -e 'require("fs").readFileSync(process.argv[1])' "$1"; rm -rf "$d"`, p, tmp)
	},
	"other npm": func(p, tmp string) []string {
		return shell(`mkdir -p "$2/b$$" && printf 'require("fs").readFileSync(process.argv[2])' >"$2/b$$/npm-cli.js" && node "$2/b$$/npm-cli.js" "$1"; rm -rf "$2/b$$"`, p, tmp)
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
	"later": func(a []string, _ string) []string {
		return shell(`(setsid sh -c 'sleep 4; exec "$@"' sh "$@" & ) & wait`, a...)
	},
	"copied": func(a []string, tmp string) []string {
		return shell(`x="$1"; shift; d="$0/i$$"; mkdir "$d"; cp "$(readlink -f "$(command -v "$x")")" "$d/tool"; exec "$d/tool" "$@"`, a...).named(tmp)
	},
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
