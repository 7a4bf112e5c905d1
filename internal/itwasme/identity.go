package itwasme

import (
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

// identity returns who a row for the read e is about: the program that did it, and the script that it runs. There is none for what
// others can make do their bidding.
//
// It is never a signer: the built-in table already vouches for what has one. If
// it rang all the same, then for what runs it, which the row would not name.
func identity(e wormbell.Event, look looker) (who string, d doubt) {
	p := e.Process
	if p == nil || p.Exe == "" || p.Unjudged || ancestry.Retitled(p) {
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
	if ancestry.LoadsCode(p) || p.Foreign {
		return "", loadsCode
	}
	if d := runs(p); d != "" {
		return "", d
	}
	if told(p, e.Path) {
		return "", bidden
	}
	files := []string{p.Exe}
	who = "exe:" + p.Exe
	if p.Script != "" {
		files = append(files, p.Script)
		who += " script:" + p.Script
	}
	for _, file := range files {
		if d := fit(file, e.Time, look); d != "" {
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
	bare := strings.TrimRight(name, "0123456789.-_")                                             // python3.12, perl5.36
	if i := strings.LastIndexByte(bare, '-'); i >= 0 && slices.Contains(compilers, bare[i+1:]) { // x86_64-linux-gnu-gcc-14
		bare = bare[i+1:]
	}
	loader := strings.HasPrefix(name, "ld") && strings.Contains(name, ".so") // ld-linux-armhf.so.3, ld-2.31.so
	codes := loader || ancestry.Shell(p) || ancestry.JavaScript(p) || ancestry.Interpreter(p) || slices.Contains(runners, name) || slices.Contains(runners, bare)
	switch {
	case codes && p.Script == "":
		return interpreter
	case p.Signer != "" || !codes && slices.ContainsFunc([]string{name, bare}, func(n string) bool { return slices.Contains(tools, n) || slices.Contains(compilers, n) }):
		return tool
	}
	return ""
}

// told reports whether p's command line names the file that it read, or a
// folder that holds it: it reads what it is told to, `sqlite3 x ".read
// /home/me/.npmrc"`, `7z a out ~/.npmrc`, `mytool --dir ~/.aws`. No list of such
// tools is complete.
func told(p *wormbell.Process, read string) bool {
	_, rel, _ := strings.Cut(strings.TrimPrefix(read, "~"), "/")
	base := path.Base(rel)
	for _, a := range p.Args[min(1, len(p.Args)):] {
		if inFolder(a, p.Cwd, rel) || names(a, rel) || strings.HasPrefix(base, ".") && names(a, base) {
			return true
		}
		// "credentials" is a word as well; so the other names count with a folder,
		// and alone in the one where the program was started.
		if dir, file := path.Split(rel); dir != "" && (names(a, path.Base(dir)+"/"+file) || a == file && strings.HasSuffix(p.Cwd+"/", "/"+dir)) {
			return true
		}
	}
	return false
}

// names reports whether what is in the argument as a name of its own, and not
// as part of a longer one.
func names(argument, what string) bool {
	part := func(c byte) bool {
		return c == '-' || c == '_' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
	}
	for i := 0; what != ""; i++ {
		n := strings.Index(argument[i:], what)
		if n < 0 {
			return false
		}
		i += n
		end := i + len(what)
		if (i == 0 || !part(argument[i-1])) && (end == len(argument) || !part(argument[end])) {
			return true
		}
	}
	return false
}

// compilers also run plug-ins, and include and print what they are told.
var compilers = []string{"gcc", "g++", "cc", "c++", "cpp", "clang", "clang++", "tcc", "as", "ld", "gfortran", "gdc", "gccgo", "gnat"}

// runners run code that they are given, besides those that package ancestry
// knows, by the names of their programs.
var runners = []string{
	"node", "nodejs", "bun", "deno", "electron", "tsx", "ts-node", "qjs", "hermes", "sh", "bash", "dash", "zsh", "fish", "ksh", "rbash", "toybox",
	"python", "pypy", "ruby", "jruby", "perl", "php", "lua", "luajit", "tclsh", "wish", "expect", "Rscript", "R", "julia", "guile", "racket", "sbcl", "erl", "escript", "elixir",
	"java", "jshell", "kotlin", "scala", "groovy", "dotnet", "mono", "wine", "swift", "osascript", "go", "cargo", "make", "gmake", "ninja", "just", "awk", "gawk", "mawk", "nawk",
	"gdb", "lldb", "qemu-x86_64", "qemu-aarch64", "qemu-x86_64-static", "qemu-aarch64-static", "box64", "wasmtime", "wasmer", "wasmedge", "iwasm",
	"llrt", "quickjs", "txiki", "tjs", "d8", "js", "jsc", "jjs", "njs", "duk", "mujs", "v8", "workerd", "nw", "esbuild", "swc", "tsc", "vite", "vite-node", "vitest", "jest", "babel-node", "rollup", "webpack",
	"npx", "pnpx", "bunx", "uv", "uvx", "pipx", "pipenv", "poetry", "pdm", "hatch", "rye", "conda", "mamba", "micromamba", "pixi", "ipython", "bundle", "rake", "rbenv", "pyenv", "nodenv", "volta", "fnm", "asdf", "mise", "rtx", "direnv", "devbox", "nix", "nix-shell", "nix-build", "nix-instantiate", "guix",
	"turbo", "nx", "lerna", "bazel", "buck", "buck2", "gradle", "mvn", "ant", "sbt", "cmake", "meson", "scons", "bmake", "earthly", "dagger",
	"ocaml", "ghci", "runghc", "runhaskell", "cabal", "irb", "pry", "iex", "gst", "scheme", "clojure", "clj", "janet", "fennel", "octave", "gnuplot", "maxima", "gforth", "nim", "crystal", "zig", "dart", "rustc", "m4", "bc", "dc",
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
	"chrome", "chromium", "firefox", "lynx", "w3m", "elinks", "http", "https", "xh", "httpie", "aria2c", "lftp", "ncftp", "mutt", "sendmail", "msmtp",
	"sqlite", "sqlite3", "duckdb", "psql", "mysql", "mariadb", "redis-cli", "mongosh", "mongo", "clickhouse", "clickhouse-client", "mlr", "xsv", "qsv", "csvkit", "dasel", "gron", "fx", "visidata", "vd",
	"7z", "7za", "7zr", "7zz", "7zzs", "rar", "unrar", "ar", "lz", "lz4", "lzip", "lzop", "brotli", "pigz", "pbzip", "zpaq", "age", "rage", "sops", "minisign", "keepassxc-cli", "borg", "restic", "rclone", "kopia", "duplicity", "unison",
	"pandoc", "asciidoctor", "groff", "troff", "tex", "latex", "pdflatex", "xelatex", "lualatex", "typst", "gs", "convert", "magick", "ffmpeg", "ffprobe", "highlight", "pygmentize", "glow", "mdcat", "qrencode", "enscript", "a2ps", "lp", "lpr",
	"nl", "fold", "fmt", "pr", "split", "csplit", "shuf", "join", "expand", "column", "rev", "pv", "iconv", "recode", "dos2unix", "envsubst", "sponge", "lnav", "delta", "difft", "vimdiff", "sdiff", "diff3", "patch", "ugrep", "ripgrep", "fzf", "sk", "locate", "ctags", "bvi", "hexyl", "hexedit", "sha1sum", "sha512sum", "b2sum", "b3sum", "md5sum", "sum", "crc",
	"aws", "gcloud", "gsutil", "az", "gh", "glab", "kubectl", "helm", "oc", "terraform", "tofu", "pulumi", "vault", "op", "bw", "ansible", "ansible-playbook", "salt", "puppet", "packer", "vagrant", "skopeo", "buildah", "crane", "oras", "cosign", "mc", "s3cmd", "s5cmd", "hg", "svn", "jj", "fossil", "dropbox", "croc", "magic-wormhole", "wormhole",
	"systemctl", "at", "crontab", "flock", "stdbuf", "ionice", "chrt", "taskset", "numactl", "proot", "fakeroot", "fakechroot", "distrobox", "lxc", "incus", "runc", "crun", "unbuffer", "rlwrap", "tsp", "watchexec", "nodemon", "pm", "supervisord", "runit", "foreman", "overmind", "hyperfine", "perf", "valgrind", "rr", "heaptrack", "bpftrace", "dtrace",
}

// fit says what speaks against naming a file in a row, which ran at the time given.
func fit(file string, ran time.Time, look looker) doubt {
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
	s, d := look(file)
	switch {
	case d != "":
		return d
	case public(s.real):
		return badPlace
	case s.changed.After(ran):
		return altered
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
