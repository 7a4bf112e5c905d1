package tree

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// mount is a line of /proc/self/mountinfo, see proc_pid_mountinfo(5).
type mount struct {
	point  string
	fstype string
}

// parseMounts reads a mount table. Lines that make no sense are left out.
func parseMounts(b []byte) []mount {
	var all []mount
	for line := range bytes.Lines(b) {
		before, after, ok := bytes.Cut(line, []byte(" - "))
		fields, rest := bytes.Fields(before), bytes.Fields(after)
		if !ok || len(fields) < 6 || len(rest) < 1 || len(fields[4]) == 0 || fields[4][0] != '/' {
			continue
		}
		all = append(all, mount{point: Unescape(fields[4]), fstype: string(rest[0])})
	}
	return all
}

// Unescape undoes the octal escapes of blanks and backslashes in such a table.
func Unescape[T string | []byte](b T) string {
	octal := func(c byte) bool { return c >= '0' && c <= '7' }
	var s strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && octal(b[i+1]) && octal(b[i+2]) && octal(b[i+3]) {
			s.WriteByte((b[i+1]-'0')<<6 | (b[i+2]-'0')<<3 | (b[i+3] - '0'))
			i += 3
			continue
		}
		s.WriteByte(b[i])
	}
	return s.String()
}

// rootsOf lists the homes and the mounts below them, without a backend unless
// they are not to be looked at.
func rootsOf(homes []string, table []mount) []root {
	var roots []root
	for i, h := range homes {
		r := root{path: h, home: i}
		for _, m := range table { // the longest, and of equal ones the last: it covers the others
			if Within(h, m.point) && len(m.point) >= len(r.point) {
				r.point, r.fstype = m.point, m.fstype
			}
		}
		roots = append(roots, r)
	}
	byPath := map[string]int{}
	for _, m := range table {
		home, longest := -1, -1
		for i, h := range homes {
			if m.point != h && Within(m.point, h) && len(h) > longest {
				home, longest = i, len(h)
			}
		}
		if home < 0 || slices.Contains(homes, m.point) || Skipped(m.point[longest:]) {
			continue
		}
		r := root{path: m.point, home: home, point: m.point, fstype: m.fstype}
		switch {
		case pseudo(m.fstype):
			continue
		case remote(m.fstype):
			r.backend, r.why = unseen, m.fstype+" may hang"
		}
		if i, ok := byPath[r.path]; ok {
			roots[i] = r
			continue
		}
		byPath[r.path] = len(roots)
		roots = append(roots, r)
	}
	return roots
}

// remote reports whether a file system is served by another machine or by a
// program: the kernel does not see all that happens there, and any call may
// take for ever.
func remote(fstype string) bool {
	return strings.HasPrefix(fstype, "fuse") || slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph",
		"afs", "lustre", "glusterfs", "ncpfs", "coda", "autofs", "orangefs", "gfs2", "ocfs2", "davfs"}, fstype)
}

// pseudo reports whether a file system holds no files of a person.
func pseudo(fstype string) bool {
	return strings.HasPrefix(fstype, "cgroup") || slices.Contains([]string{"proc", "sysfs", "devpts", "devtmpfs", "mqueue",
		"nsfs", "securityfs", "debugfs", "tracefs", "bpf", "configfs", "pstore", "efivarfs", "fusectl", "binfmt_misc", "rpc_pipefs", "squashfs"}, fstype)
}

// Skipped reports whether rel, a folder's path below its home, is in one of
// the places that hold copies, caches and tools but no project of a person:
// they are not searched.
func Skipped(rel string) bool {
	rel = strings.Trim(filepath.ToSlash(rel), "/")
	if rel == "" {
		return false
	}
	for i, name := range strings.Split(rel, "/") {
		if slices.Contains(skippedAnywhere, name) || i == 0 && slices.Contains(skippedInHome, name) {
			return true
		}
	}
	for _, p := range skippedPaths {
		if rel == p || strings.HasPrefix(rel, p+"/") {
			return true
		}
	}
	return false
}

var (
	skippedAnywhere = []string{".git", ".hg", ".svn", ".cache", ".pnpm-store", "__pycache__", ".venv", ".terraform", ".Trash", ".gradle"}
	skippedInHome   = []string{".npm", ".cargo", ".rustup", ".nvm", ".fnm", ".volta", ".asdf", ".pyenv", ".rbenv", ".m2", ".ivy2", ".android", ".mozilla",
		".thunderbird", ".wine", ".steam", ".var", ".vscode", ".vscode-server", ".vscode-insiders", ".vscode-oss", ".cursor", ".cursor-server", ".windsurf", ".yarn",
		".bun", ".deno", ".dotnet", ".nuget", ".gem", ".opam", ".stack", ".cabal", ".julia", ".conda", ".docker", ".minikube", ".kube"}
	skippedPaths = []string{".local/share/pnpm", ".local/share/Trash", ".local/share/containers", ".local/share/Steam", ".local/share/flatpak", ".local/share/fnm",
		".local/share/nvim", ".local/state", ".local/lib", ".config/google-chrome", ".config/chromium", ".config/Code", ".config/Cursor", ".config/BraveSoftware",
		".config/discord", ".config/Slack", "go/pkg", "snap", "Library/Caches", "Library/pnpm", "Library/Application Support", "AppData/Local/Temp", "AppData/Local/npm-cache", "AppData/Local/pnpm"}
)

// Far returns a function that tells on which mount of a table a path lies, if that
// is of a file system that may never answer: its mount point, else "". An
// automounter is none: below it each name is another file system.
func Far(table []byte) func(path string) string {
	all := parseMounts(table)
	return func(path string) string {
		var at mount
		for _, m := range all {
			if Within(path, m.point) && len(m.point) >= len(at.point) {
				at = m
			}
		}
		if at.fstype == "autofs" || !remote(at.fstype) {
			return ""
		}
		return at.point
	}
}
