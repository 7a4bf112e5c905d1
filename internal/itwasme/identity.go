package itwasme

import (
	"path"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
)

// identity returns who a row for p is about: its program, and the script that
// it runs. There is none for what others can make do their bidding.
//
// It is never a signer: the built-in table already vouches for what has one. If
// it rang all the same, then for what runs it, which the row would not name.
func identity(p *wormbell.Process, look looker) (who string, d doubt) {
	if p == nil || p.Exe == "" || ancestry.Retitled(p) {
		return "", unknown
	}
	for a := range p.Chain {
		if a.Package != nil || a.Lifecycle != "" {
			return "", dependency
		}
	}
	if ancestry.NamedInstaller(p) && p.Signer == "" {
		return "", pretender
	}
	if ancestry.NamedInstaller(p) || p.Ancestor(ancestry.NamedInstaller) != nil {
		return "", installer
	}
	if ancestry.LoadsCode(p) {
		return "", loadsCode
	}
	if d := runs(p); d != "" {
		return "", d
	}
	files := []string{p.Exe}
	who = "exe:" + p.Exe
	if p.Script != "" {
		files = append(files, p.Script)
		who += " script:" + p.Script
	}
	for _, file := range files {
		if d := fit(file, look); d != "" {
			return "", d
		}
	}
	return who, ""
}

// runs says what speaks against p by what it runs: code without a file, or
// whatever it is told.
func runs(p *wormbell.Process) doubt {
	for _, dir := range []string{"/dev/", "/proc/"} { // <(…), standard input
		if strings.HasPrefix(p.Script, dir) {
			return interpreter
		}
	}
	name := strings.TrimSuffix(path.Base(p.Exe), " (deleted)")
	bare := strings.TrimRight(name, "0123456789.-_") // python3.12, perl5.36
	codes := ancestry.Shell(p) || ancestry.JavaScript(p) || ancestry.Interpreter(p) || slices.Contains(runners, name) || slices.Contains(runners, bare)
	switch {
	case codes && p.Script == "":
		return interpreter
	case p.Signer != "" || !codes && (slices.Contains(tools, name) || slices.Contains(tools, bare)):
		return tool
	}
	return ""
}

// runners run code that they are given, besides those that package ancestry
// knows, by the names of their programs.
var runners = []string{
	"node", "nodejs", "bun", "deno", "electron", "tsx", "ts-node", "qjs", "hermes", "sh", "bash", "dash", "zsh", "fish", "ksh", "rbash", "toybox",
	"python", "pypy", "ruby", "jruby", "perl", "php", "lua", "luajit", "tclsh", "wish", "expect", "Rscript", "R", "julia", "guile", "racket", "sbcl", "erl", "escript", "elixir",
	"java", "jshell", "kotlin", "scala", "groovy", "dotnet", "mono", "wine", "swift", "osascript", "go", "cargo", "make", "gmake", "ninja", "just", "awk", "gawk", "mawk", "nawk",
	"gdb", "lldb", "ld.so", "ld-linux.so", "ld-linux-x86-64.so", "ld-linux-aarch64.so", "ld-musl-x86_64.so", "ld-musl-aarch64.so", "qemu-x86_64", "qemu-aarch64", "wasmtime", "wasmer",
}

// tools read what they are told, run what they are told, or are hosts to the
// code of others: who starts them is who reads.
var tools = []string{
	"cat", "tac", "head", "tail", "less", "more", "bat", "cp", "mv", "dd", "install", "ln", "tee", "od", "xxd", "hexdump", "strings", "base64", "base32", "openssl", "gpg", "gpg2",
	"grep", "egrep", "fgrep", "rg", "ag", "ack", "sed", "cut", "sort", "uniq", "tr", "wc", "diff", "cmp", "comm", "paste", "jq", "yq", "file", "stat", "md", "sha256sum", "cksum",
	"tar", "bsdtar", "gtar", "zip", "unzip", "gzip", "bzip", "xz", "zstd", "z", "cpio", "rsync", "scp", "sftp", "ssh", "curl", "wget", "nc", "ncat", "netcat", "socat", "telnet", "ftp",
	"find", "fd", "xargs", "parallel", "env", "nice", "nohup", "setsid", "timeout", "time", "script", "sudo", "su", "doas", "watch", "entr", "strace", "ltrace", "unshare", "nsenter", "chroot", "bwrap", "firejail",
	"docker", "podman", "nerdctl", "flatpak", "snap", "systemd-run", "git", "vi", "vim", "nvim", "view", "ex", "ed", "emacs", "emacsclient", "nano", "pico", "hx", "kak", "micro",
	"code", "code-insiders", "codium", "cursor", "windsurf", "zed", "zed-editor", "idea", "webstorm", "goland", "pycharm", "tmux", "screen", "zellij", "busybox", "coreutils", "uutils",
	"chrome", "chromium", "firefox",
}

// fit says what speaks against naming a file in a row.
func fit(file string, look looker) doubt {
	switch {
	case strings.HasSuffix(file, " (deleted)"):
		return gone
	case !strings.HasPrefix(file, "/"):
		return badSystem // the agent takes no other form
	case !showable(file):
		return badName
	case path.Clean(file) != file || public(file):
		return badPlace
	}
	real, d := look(file)
	switch {
	case d != "":
		return d
	case public(real):
		return badPlace
	}
	return ""
}

// public reports whether p lies where anything may put or change files: a
// temporary folder, what a package manager fills, a cache, a folder of
// downloads, what one process alone sees.
func public(p string) bool {
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/", "/proc/", "/run/", "/private/tmp/", "/private/var/tmp/", "/var/folders/", "/private/var/folders/", "/var/cache/"} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	parts := strings.Split(path.Dir(p), "/")
	return slices.ContainsFunc(parts, func(part string) bool {
		switch strings.ToLower(part) {
		case "node_modules", ".npm", ".pnpm", ".pnpm-store", "_npx", "_cacache", ".yarn", ".cache", "cache", "caches", "tmp", "temp", ".tmp", "downloads", ".trash", "trash":
			return true
		}
		return false
	})
}
