package ancestry

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"wormbell"
)

// Client says which package manager p calls itself ("npm", "pnpm", "yarn" or
// "bun", or one of their runners npx, pnpx and bunx) and the arguments it was
// given. ok is false for everything else, also for corepack without a client
// and for a bun that runs the user's code: see [NamedInstaller]. Anything can
// call itself so: use it for suspicion only.
//
// Several forms reach us: argv as of exec (`node /usr/bin/npm publish`), the
// title that npm writes over its own argv (`npm publish`, with no flags left)
// and native programs (pnpm, bun).
func Client(p *wormbell.Process) (name string, args []string, ok bool) {
	if p == nil {
		return "", nil, false
	}
	argv := p.Args
	for len(argv) > 0 && argv[len(argv)-1] == "" { // what a shorter title leaves of an argv
		argv = argv[:len(argv)-1]
	}
	exe := programName(p.Exe)
	if !JavaScript(p) {
		switch exe {
		case "pnpm", "pnpx", "bunx", "yarn", "npm", "npx": // pnpm is a native program since 12
			return exe, rest(argv, 1), true
		case "pn", "pnx": // its own short names
			return clientOfScript(exe), rest(argv, 1), true
		}
		if exe == "" && len(argv) > 0 { // only the command line was seen
			if name := clientOfScript(argv[0]); name != "" {
				return name, rest(argv, 1), true
			}
		}
		return "", nil, false
	}
	if name, args, ok := titled(p, argv); ok {
		return name, args, true
	}
	i := scriptIndex(p, argv)
	script := p.Script
	if script == "" && i < len(argv) {
		script = argv[i]
	}
	if exe == "deno" {
		return denoClient(argv)
	}
	switch name := clientOfScript(script); {
	case name == "corepack": // runs the client inside its own process
		for j := i + 1; j < len(argv); j++ {
			if strings.HasPrefix(argv[j], "-") {
				continue
			}
			client, _, _ := strings.Cut(argv[j], "@")
			if name := clientOfScript(client); name != "" && name != "corepack" {
				return name, rest(argv, j+1), true
			}
			break
		}
		return "", nil, false
	case name != "":
		return name, rest(argv, i+1), true
	}
	if (exe == "bun" || exe == "bunx") && p.Script == "" {
		return "bun", rest(argv, 1), true
	}
	return "", nil, false
}

// titled reads a command line that npm or pnpm has replaced by its title: one
// word that holds all the others.
func titled(p *wormbell.Process, argv []string) (string, []string, bool) {
	if len(argv) != 1 {
		return "", nil, false
	}
	words := strings.Fields(argv[0])
	if len(words) == 0 || strings.Contains(words[0], "/") {
		return "", nil, false
	}
	switch words[0] {
	case "npm", "npx", "pnpm", "yarn":
		return words[0], words[1:], true
	}
	return "", nil, false
}

func denoClient(argv []string) (string, []string, bool) {
	for i, a := range argv {
		if name, ok := strings.CutPrefix(a, "npm:"); ok {
			if name, _, _ = strings.Cut(name, "@"); clientOfScript(name) != "" {
				return clientOfScript(name), rest(argv, i+1), true
			}
			break
		}
	}
	return "", nil, false
}

// nodeValueFlags are the options of node and bun that take the next argument,
// so that it is not mistaken for the script. From `node --help` of Node 20.
var nodeValueFlags = []string{
	"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--title", "--input-type", "--env-file", "--icu-data-dir",
	"--openssl-config", "--redirect-warnings", "--trace-event-categories", "--diagnostic-dir", "--cpu-prof-dir", "--heap-prof-dir", "--inspect-port",
	"--stack-trace-limit", "--max-http-header-size", "--unhandled-rejections", "--dns-result-order", "--experimental-default-type", "--preload", "--cwd", "--config",
}

// scriptIndex returns the index in argv of the script that a JavaScript
// runtime was told to run, len(argv) if there is none.
func scriptIndex(p *wormbell.Process, argv []string) int {
	i := 1
	for ; i < len(argv); i++ {
		a := argv[i]
		if a == "--" {
			return min(i+1, len(argv))
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			break
		}
		if slices.Contains([]string{"-e", "--eval", "-p", "--print", "-pe"}, a) {
			return len(argv) // what follows is code and its arguments
		}
		if slices.Contains(nodeValueFlags, a) {
			i++
		}
	}
	if i < len(argv) && strings.HasPrefix(programName(p.Exe), "bun") && argv[i] == "run" && p.Script != "" {
		i++
	}
	return min(i, len(argv))
}

var berryRelease = regexp.MustCompile(`^yarn-[0-9][^/]*\.c?js$`)

// clientOfScript returns the package manager whose entry file script is, by
// its name; "corepack" for corepack, "" for none.
func clientOfScript(script string) string {
	script = strings.ReplaceAll(script, `\`, "/")
	name := path.Base(script)
	switch name {
	case "npm", "npm-cli.js", "npm-cli", "npm.js":
		return "npm"
	case "npx", "npx-cli.js", "npx-cli", "npx.js":
		return "npx"
	case "pnpm", "pnpm.cjs", "pnpm.mjs", "pnpm.js", "pn":
		return "pnpm"
	case "pnpx", "pnpx.cjs", "pnpx.mjs", "pnpx.js", "pnx":
		return "pnpx"
	case "yarn", "yarn.js", "yarn.cjs", "yarnpkg", "yarnpkg.js":
		return "yarn"
	case "corepack", "corepack.js", "corepack.cjs":
		return "corepack"
	case "index.js", "cli.js": // `node …/npm/index.js publish` works as well
		for suffix, client := range map[string]string{
			"/npm/index.js": "npm", "/npm/lib/cli.js": "npm", "/yarn/lib/cli.js": "yarn"} {
			if strings.HasSuffix(script, suffix) {
				return client
			}
		}
	}
	if berryRelease.MatchString(name) { // .yarn/releases/yarn-4.18.1.cjs
		return "yarn"
	}
	return ""
}

func rest(argv []string, i int) []string { return argv[min(i, len(argv)):] }

// programName is the name of an executable file without its folder and .exe.
func programName(exe string) string {
	if exe == "" {
		return ""
	}
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(exe, `\`, "/")), ".exe")
}
