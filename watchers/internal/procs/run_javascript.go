package procs

import (
	"path"
	"slices"
	"strings"
)

// Options reads NODE_OPTIONS or BUN_OPTIONS: what they load, and whether they
// let somebody else's code in.
func Options(value, cwd string) (loads []string, void bool) {
	if value == "" {
		return nil, false
	}
	var r Run
	p := parser{Run: &r, cwd: cwd, rest: splitOptions(value)}
	for len(p.rest) > 0 {
		if a := p.next(); strings.HasPrefix(a, "-") {
			p.nodeFlag(a)
		}
	}
	return r.Loads, r.Void
}

// splitOptions splits at spaces as node does: double quotes group, a backslash
// inside them escapes.
func splitOptions(s string) []string {
	var words []string
	var word []byte
	quoted, begun := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quoted && i+1 < len(s):
			i++
			word = append(word, s[i])
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun || len(word) > 0 {
				words = append(words, string(word))
			}
			word, begun = word[:0], false
		default:
			word = append(word, c)
		}
	}
	if begun || len(word) > 0 {
		words = append(words, string(word))
	}
	return words
}

// nodeValues are the options of node that take the next argument if it is not
// joined with '='. V8's own never do. From `node --help` of Node 18 to 24.
var nodeValues = []string{
	"--allow-fs-read", "--allow-fs-write", "--build-snapshot-config", "--conditions", "--cpu-prof-dir", "--cpu-prof-interval", "--cpu-prof-name",
	"--debug-port", "--diagnostic-dir", "--disable-proto", "--disable-warning", "--dns-result-order", "--env-file", "--env-file-if-exists",
	"--experimental-config-file", "--experimental-default-type", "--experimental-loader", "--experimental-policy", "--experimental-sea-config",
	"--experimental-specifier-resolution", "--heap-prof-dir", "--heap-prof-interval", "--heap-prof-name", "--heapsnapshot-near-heap-limit", "--heapsnapshot-signal",
	"--icu-data-dir", "--import", "--input-type", "--inspect-port", "--inspect-publish-uid", "--loader", "--localstorage-file", "--max-http-header-size",
	"--network-family-autoselection-attempt-timeout", "--openssl-config", "--policy-integrity", "--redirect-warnings", "--report-dir", "--report-directory",
	"--report-filename", "--report-signal", "--require", "--secure-heap", "--secure-heap-min", "--security-revert", "--snapshot-blob", "--stack-trace-limit",
	"--test-concurrency", "--test-coverage-branches", "--test-coverage-exclude", "--test-coverage-functions", "--test-coverage-include", "--test-coverage-lines",
	"--test-global-setup", "--test-isolation", "--test-name-pattern", "--test-reporter", "--test-reporter-destination", "--test-shard", "--test-skip-pattern", "--test-timeout",
	"--title", "--tls-cipher-list", "--tls-keylog", "--trace-event-categories", "--trace-event-file-pattern", "--trace-require-module", "--unhandled-rejections",
	"--use-largepages", "--v8-pool-size", "--watch-path", "-C", "-r",
}

// nodeFlag reads one option of node, or of bun where it has the same; it
// reports whether the option is followed by code or means that there is no script.
func (p *parser) nodeFlag(a string) (noScript bool) {
	name, value, joined := strings.Cut(a, "=")
	if strings.HasPrefix(name, "--") {
		name = "--" + strings.ReplaceAll(name[2:], "_", "-") // node takes both
	}
	if !joined && slices.Contains(nodeValues, name) {
		value = p.next()
	}
	switch name {
	case "-e", "--eval", "-p", "--print", "-pe", "-i", "--interactive", "--test", "--run", "--prof-process", "--build-sea", "--experimental-sea-config":
		return true
	case "-r", "--require", "--import", "--loader", "--experimental-loader", "--preload", "--test-global-setup":
		p.load(value)
	case "--env-file", "--env-file-if-exists", "--openssl-config", "--experimental-config-file":
		// A file and never a module. It can set NODE_OPTIONS or load a library.
		if value != "" && !path.IsAbs(value) {
			value = "./" + value
		}
		p.load(value)
	case "--inspect", "--inspect-brk", "--inspect-wait", "--debug", "--debug-brk", "--snapshot-blob", "--build-snapshot", "--build-snapshot-config",
		"--experimental-default-config-file", "--experimental-policy", "--inspect-brk-node":
		p.Void = true
	}
	return false
}

func (p *parser) node() {
	for len(p.rest) > 0 {
		a := p.next()
		switch {
		case a == "--":
			p.script(p.next())
			return
		case a == "-":
			p.Code = true
			return
		case strings.HasPrefix(a, "-"):
			if p.nodeFlag(a) {
				p.Code = true
				return
			}
		case a == "inspect" || a == "debug":
			p.Void, p.Code = true, true
			return
		default:
			p.script(a)
			return
		}
	}
}

// bunManages are the commands of bun that manage packages or bun itself, and
// run nobody's code within it. `bun x` starts a package's program as a process of its own.
var bunManages = []string{"install", "i", "ci", "add", "a", "remove", "rm", "update", "upgrade", "publish", "pm", "link", "unlink", "create", "c",
	"x", "outdated", "audit", "patch", "patch-commit", "why", "info", "init", "whoami", "help"}

var bunValues = []string{"--cwd", "-c", "--config", "-d", "--define", "-l", "--loader", "--port", "-F", "--filter", "--tsconfig-override", "--main-fields", "--extension-order",
	"--jsx-factory", "--jsx-fragment", "--jsx-import-source", "--jsx-runtime", "--elide-lines", "--fetch-preconnect", "--shell", "--install", "--drop", "--ignore-dce-annotations-for", "--preload"}

func (p *parser) bun(bunx bool) {
	if bunx {
		return
	}
	run := false
	for len(p.rest) > 0 {
		a := p.next()
		switch {
		case a == "-" || a == "--":
			p.Code = true
			return
		case strings.HasPrefix(a, "-"):
			if a == "--version" || a == "-v" || a == "--revision" || a == "--help" || a == "-h" {
				return
			}
			name, _, joined := strings.Cut(a, "=")
			if !joined && slices.Contains(bunValues, name) && name != "--preload" {
				p.next()
				continue
			}
			if name == "--preload" && !joined {
				a += "=" + p.next()
			}
			if p.nodeFlag(a) {
				p.Code = true
				return
			}
		case !run && a == "run":
			run = true
		case !run && slices.Contains(bunManages, a):
			return
		case strings.ContainsRune(a, '/') || slices.Contains([]string{".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"}, path.Ext(a)):
			p.script(a)
			return
		default:
			p.Code = true // a script of package.json, or a file whose name lacks its ending
			return
		}
	}
	p.Code = true
}

func (p *parser) deno() {
	command := ""
	for len(p.rest) > 0 {
		a := p.next()
		switch {
		case a == "-":
			p.Code = true
			return
		case a == "-c" || a == "--config" || a == "--import-map" || a == "-L" || a == "--log-level" || a == "--cert" || a == "--location" || a == "--env-file":
			p.next()
		case strings.HasPrefix(a, "--preload") || strings.HasPrefix(a, "--import=") || strings.HasPrefix(a, "--inspect"):
			p.Void = true
		case strings.HasPrefix(a, "-"):
		case command == "" && slices.Contains([]string{"add", "remove", "install", "i", "uninstall", "cache", "upgrade", "outdated", "update", "check", "fmt", "lint", "info", "doc", "publish", "clean", "types", "completions", "init", "help"}, a):
			return
		case command == "" && (a == "run" || a == "serve"):
			command = a
		case command == "" && slices.Contains([]string{"eval", "repl", "test", "bench", "task", "x", "jupyter", "compile", "coverage", "lsp", "bundle"}, a):
			p.Code = true
			return
		default:
			p.script(a)
			return
		}
	}
	p.Code = true
}
