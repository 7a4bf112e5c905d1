package detect

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/cmdline"
	"wormbell/internal/publish"
)

// tool is a command by which worms come by credentials, or by more of their
// own code.
type tool struct {
	id    string   // what is told of it, and one finding a tree is made of
	names []string // of programs; a star at the end stands for anything; none: the flags tell it
	words []string // stand in a row among the arguments that are no flags
	flags []string // one of them is there too; with a value after "="
	// shape says that the words are so telling that a program which nobody
	// vouches for is it under any name, if its arguments begin with them.
	shape bool
	// strict says that a script of one's own project is told of as well, as are
	// reads of the stores that only their own programs may read.
	strict bool
	// by are the programs for whom the tool is made: what they start is quiet.
	by []string
}

// tools are in the order in which they are looked for. Sources: the campaigns
// of 2025 and 2026 and the manuals of the tools.
var tools = []tool{
	{id: "trufflehog", names: []string{"trufflehog*"}, words: []string{"filesystem"}, strict: true},
	{id: "trufflehog", names: []string{"trufflehog*"}, words: []string{"git"}, strict: true},
	{id: "trufflehog", names: []string{"trufflehog*"}, flags: []string{"--only-verified", "--results", "--no-verification", "--json"}, strict: true},
	{id: "trufflehog", words: []string{"filesystem"}, flags: []string{"--only-verified", "--results", "--no-verification", "--json"}, shape: true, strict: true},
	{id: "trufflehog", names: []string{"docker", "podman"}, words: []string{"*trufflesecurity/trufflehog*"}, strict: true},
	{id: "HackBrowserData", names: []string{"hack-browser-data*", "HackBrowserData*"}, strict: true},

	{id: "gh auth token", names: []string{"gh"}, words: []string{"auth", "token"}, shape: true, strict: true},
	{id: "gh auth token", names: []string{"gh"}, words: []string{"auth", "status"}, flags: []string{"--show-token", "-t"}, strict: true},
	{id: "gh auth token", names: []string{"gh"}, words: []string{"auth", "git-credential", "get"}, strict: true, by: gitPrograms},
	{id: "glab auth token", names: []string{"glab"}, words: []string{"auth", "status"}, flags: []string{"--show-token", "-t"}, strict: true},
	{id: "glab auth token", names: []string{"glab"}, words: []string{"config", "get", "token"}, strict: true},

	{id: "git credential", names: []string{"git"}, words: []string{"credential", "fill"}, shape: true, strict: true},
	{id: "git credential", names: []string{"git"}, words: []string{"credential-*", "get"}, strict: true, by: gitPrograms},
	{id: "git credential", names: []string{"git"}, words: []string{"credential-manager*", "github", "list"}, strict: true},
	{id: "git credential", names: []string{"git-credential-*"}, words: []string{"get"}, strict: true, by: gitPrograms},
	{id: "git credential", names: []string{"git-credential-manager*"}, words: []string{"github", "list"}, strict: true},

	{id: "npm token", names: []string{"npm", "pnpm", "pn"}, words: []string{"token"}, strict: true},
	{id: "npm config get _authToken", names: []string{"npm", "pnpm", "pn", "yarn"}, words: []string{"config", "get", "*_authToken"}, strict: true},
	{id: "npm config get _authToken", names: []string{"npm", "pnpm", "pn", "yarn"}, words: []string{"get", "*_authToken"}, strict: true},
	{id: "npm config get _authToken", names: []string{"npm", "pnpm", "pn", "yarn"}, words: []string{"config", "get", "*_password"}, strict: true},
	{id: "npm config get _authToken", names: []string{"npm", "pnpm", "pn", "yarn"}, words: []string{"config", "get", "*_auth"}, strict: true},
	{id: "npm config get _authToken", names: []string{"yarn"}, words: []string{"config", "get", "npmAuth*"}, strict: true},
	// A package manager may read its token at any depth, and sends it where it is told.
	{id: "npm with a proxy or certificates of its own", names: []string{"npm", "npx", "pnpm", "pn", "pnpx", "yarn", "bun", "bunx"},
		flags: []string{"--proxy", "--https-proxy", "--http-proxy", "--cafile", "--ca", "--no-strict-ssl", "--strict-ssl=false"}},
	{id: "npm owner", names: []string{"npm", "pnpm", "pn"}, words: []string{"owner", "add"}},
	{id: "npm owner", names: []string{"npm", "pnpm", "pn"}, words: []string{"author", "add"}},
	{id: "npm owner", names: []string{"yarn"}, words: []string{"owner", "add"}},
	{id: "npm access", names: []string{"npm", "pnpm", "pn"}, words: []string{"access", "grant"}},
	{id: "npm access", names: []string{"npm", "pnpm", "pn"}, words: []string{"access", "set"}},
	{id: "npm team", names: []string{"npm", "pnpm", "pn", "yarn"}, words: []string{"team", "add"}},
	{id: "npm org", names: []string{"npm", "pnpm", "pn"}, words: []string{"org", "set"}},
	{id: "npm trust", names: []string{"npm", "pnpm", "pn"}, words: []string{"trust"}},
	{id: "npm dist-tag", names: []string{"npm", "pnpm", "pn"}, words: []string{"dist-tag*", "add"}},
	{id: "npm unpublish", names: []string{"npm", "pnpm", "pn"}, words: []string{"unpublish"}},
	{id: "npm profile", names: []string{"npm", "pnpm", "pn"}, words: []string{"profile", "set"}},

	{id: "secret-tool", names: []string{"secret-tool"}, words: []string{"lookup"}, strict: true},
	{id: "secret-tool", names: []string{"secret-tool"}, words: []string{"search"}, strict: true},
	{id: "kwallet-query", names: []string{"kwallet-query"}, strict: true},
	{id: "security (the macOS keychain)", names: []string{"security"}, words: []string{"find-generic-password"}, flags: []string{"-w", "-g"}, strict: true},
	{id: "security (the macOS keychain)", names: []string{"security"}, words: []string{"find-internet-password"}, flags: []string{"-w", "-g"}, strict: true},
	{id: "security (the macOS keychain)", names: []string{"security"}, words: []string{"dump-keychain"}, strict: true},
	{id: "keyring get", names: []string{"keyring"}, words: []string{"get"}, strict: true},
	{id: "wormbell exec", names: []string{"wormbell"}, words: []string{"exec"}, strict: true},
	{id: "wormbell vault", names: []string{"wormbell"}, words: []string{"vault"}, strict: true, by: []string{"pnpm", "pn", "pnpm.cjs", "pnpm.mjs"}},

	{id: "aws credentials", names: []string{"aws"}, words: []string{"configure", "export-credentials"}, shape: true},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"configure", "get", "aws_*"}},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"sts", "get-session-token"}},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"sts", "assume-role*"}},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"sso", "get-role-credentials"}},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"ecr", "get-login-password"}},
	{id: "aws credentials", names: []string{"aws"}, words: []string{"codeartifact", "get-authorization-token"}},
	{id: "aws secrets", names: []string{"aws"}, words: []string{"secretsmanager", "get-secret-value"}},
	{id: "aws secrets", names: []string{"aws"}, words: []string{"secretsmanager", "batch-get-secret-value"}},
	{id: "aws secrets", names: []string{"aws"}, words: []string{"ssm", "get-parameter*"}, flags: []string{"--with-decryption"}},
	{id: "gcloud token", names: []string{"gcloud*"}, words: []string{"auth", "print-access-token"}, shape: true},
	{id: "gcloud token", names: []string{"gcloud*"}, words: []string{"auth", "print-identity-token"}, shape: true},
	{id: "gcloud token", names: []string{"gcloud*"}, words: []string{"application-default", "print-access-token"}},
	{id: "gcloud token", names: []string{"gcloud*"}, words: []string{"config", "config-helper"}},
	{id: "gcloud secrets", names: []string{"gcloud*"}, words: []string{"secrets", "versions", "access"}},
	{id: "az token", names: []string{"az", "azure.cli", "az.cmd"}, words: []string{"account", "get-access-token"}, shape: true},
	{id: "az token", names: []string{"azd"}, words: []string{"auth", "token"}},
	{id: "az secrets", names: []string{"az", "azure.cli", "az.cmd"}, words: []string{"keyvault", "secret"}},
	{id: "docker-credential", names: []string{"docker-credential-*"}, words: []string{"get"}, by: dockerPrograms},
	{id: "docker-credential", names: []string{"docker-credential-*"}, words: []string{"list"}, by: dockerPrograms},
	{id: "kubectl config view", names: []string{"kubectl"}, words: []string{"config", "view"}, flags: []string{"--raw"}},
	{id: "kubectl token", names: []string{"kubectl"}, words: []string{"create", "token"}},
	{id: "vault token", names: []string{"vault", "bao"}, words: []string{"print", "token"}},
	{id: "vault secrets", names: []string{"vault", "bao"}, words: []string{"kv", "get"}},
	{id: "op read", names: []string{"op"}, words: []string{"read"}},
	{id: "op item get", names: []string{"op"}, words: []string{"item", "get"}},
	{id: "bw get", names: []string{"bw"}, words: []string{"get"}},
	{id: "bw export", names: []string{"bw"}, words: []string{"export"}},
	{id: "pass show", names: []string{"pass", "gopass"}, words: []string{"show"}},

	{id: aiUnguarded, flags: []string{"--dangerously-skip-permissions", "--allow-dangerously-skip-permissions", "--dangerously-bypass-approvals-and-sandbox", "--dangerously-allow-all",
		"--trust-all-tools", "--allow-all-tools", "--yolo", "--permission-mode=bypassPermissions", "--approval-mode=yolo", "--yes-always"}},
	{id: aiUnguarded, names: []string{"gemini*", "qwen*"}, flags: []string{"-y"}},
	{id: aiUnguarded, names: []string{"q", "kiro-cli"}, words: []string{"chat"}, flags: []string{"-a"}},
	{id: aiUnguarded, names: []string{"cursor-agent"}, flags: []string{"-f", "--force"}},
	{id: aiUnguarded, names: []string{"copilot"}, flags: []string{"--allow-all", "--allow-all-paths"}},
}

const aiUnguarded = "an AI agent with its guard off"

var (
	gitPrograms    = []string{"git", "git-remote-http", "git-remote-https", "git-remote-ftp", "git-remote-ftps", "git-http-fetch", "git-http-push", "git-imap-send", "git-send-email", "git-lfs", "git-credential-cache--daemon"}
	dockerPrograms = []string{"docker", "docker-compose", "docker-buildx", "buildctl", "podman", "buildah", "skopeo", "crane", "containerd", "dockerd"}
)

// call is a program with its arguments, as a command line has them.
type call struct {
	names   []string // what the program may be called
	args    []string // after the program, and after its script
	given   []string // the same before npm's flags were taken out; nil if none were
	bare    []string // those of them that are no flags; values of flags are among them
	first   bool     // args begin with the command: no other flag's value is among them
	unknown bool     // the program is there, and nobody vouches for it
	parent  *wormbell.Process
}

// is returns whether c is a call of t.
func (t *tool) is(c *call) bool {
	bare := c.bare
	named := len(t.names) == 0 && !t.shape
	for _, name := range c.names {
		for _, n := range t.names {
			named = named || wordIs(name, n)
		}
	}
	if c.first || !named {
		bare = bare[:min(len(bare), len(t.words))]
	}
	switch {
	case named && !inARow(bare, t.words):
		return false
	case !named && !(t.shape && c.unknown && inARow(bare, t.words)):
		return false
	}
	return (len(t.flags) == 0 || slices.ContainsFunc(t.flags, c.flag)) && !c.startedBy(t.by)
}

// plain sets c's bare arguments.
func (c *call) plain() {
	for _, a := range c.args {
		if !strings.HasPrefix(a, "-") {
			c.bare = append(c.bare, a)
		}
	}
}

// flag reports whether c has a flag, also with its value in a word of its own.
func (c *call) flag(f string) bool {
	name, value, valued := strings.Cut(f, "=")
	args := c.args
	if c.given != nil {
		args = c.given
	}
	for i, a := range args {
		if a == "--" && c.given != nil {
			return false // what follows is for what npm runs
		}
		n, v, joined := strings.Cut(a, "=")
		if n != name || a == "--" {
			continue
		}
		if !valued || joined && v == value || i+1 < len(args) && args[i+1] == value {
			return true
		}
	}
	return false
}

// startedBy reports whether one of the programs started c, itself or through a
// shell: git asks its helpers with `sh -c`. They need to be vouched for.
func (c *call) startedBy(programs []string) bool {
	a := c.parent
	for a != nil && ancestry.Plumbing(a) {
		a = a.Parent
	}
	return a != nil && a.Signer != "" && slices.Contains(programs, a.Name())
}

// inARow reports whether the words stand in a row in args.
func inARow(args, words []string) bool {
	if len(words) == 0 {
		return true
	}
	for i := 0; i+len(words) <= len(args); i++ {
		ok := true
		for j, w := range words {
			ok = ok && wordIs(args[i+j], w)
		}
		if ok {
			return true
		}
	}
	return false
}

// wordIs reports whether arg is a word of a tool's. A star at either end of it
// stands for anything: path.Match would stop at the slashes of
// //registry.example.com/:_authToken.
func wordIs(arg, word string) bool {
	rest, before := strings.CutPrefix(word, "*")
	rest, after := strings.CutSuffix(rest, "*")
	switch {
	case before && after:
		return strings.Contains(arg, rest)
	case before:
		return strings.HasSuffix(arg, rest)
	case after:
		return strings.HasPrefix(arg, rest)
	}
	return arg == word
}

// callOf takes a process for a call: by its program, by the name that it was
// called by and by the script that it interprets.
func callOf(p *wormbell.Process) call {
	c := call{unknown: p.Exe != "" && p.Signer == "", parent: p.Parent}
	if client, args, ok := ancestry.Client(p); ok {
		c.names, c.args = []string{client}, args
		c.parse()
		return c
	}
	argv := cmdline.Unwrap(p.Args)
	c.names = append(c.names, programOf(p.Exe))
	if len(argv) > 0 {
		c.names, c.args = append(c.names, programOf(argv[0])), argv[1:]
	}
	if p.Script != "" {
		c.names = append(c.names, programOf(p.Script))
		if i := slices.IndexFunc(c.args, func(a string) bool { return path.Base(a) == path.Base(p.Script) }); i >= 0 {
			c.names = append(c.names, programOf(c.args[i]))
			c.args = c.args[i+1:]
		}
	} else if i := slices.IndexFunc(c.args, func(a string) bool { // python -sm azure.cli
		return strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "m")
	}); i >= 0 && i+1 < len(c.args) && ancestry.Interpreter(p) {
		c.names, c.args = append(c.names, c.args[i+1]), c.args[i+2:]
	}
	return c
}

// callsIn returns the calls that a shell's line makes.
func callsIn(line string, parent *wormbell.Process) (calls []call) {
	for _, part := range cmdline.Parts(line) {
		words := cmdline.Unwrap(cmdline.Split(part, false))
		for len(words) > 1 && (words[0] == "eval" || words[0] == "builtin") {
			words = words[1:]
		}
		if len(words) > 0 {
			c := call{names: []string{programOf(words[0])}, args: words[1:], parent: parent}
			c.parse()
			calls = append(calls, c)
		}
	}
	return calls
}

// parse reads the arguments as npm and pnpm do, of which the table names
// commands of one word: else `npm run token` were one.
func (c *call) parse() {
	name := c.names[0]
	if name == "pn" {
		name = "pnpm"
	}
	if name == "npm" || name == "pnpm" {
		command, words, _ := publish.Command(name, c.args)
		if command == "c" {
			command = "config"
		}
		if command != "" {
			c.given, c.args, c.first = c.args, append([]string{command}, words...), true
		}
	}
}

// programOf is the name of a program without folder, ".exe" and the endings of
// scripts that stand for programs.
func programOf(name string) string {
	name = cmdline.Base(name)
	for _, ending := range []string{".js", ".mjs", ".cjs", ".py", ".cmd", ".ps1", ".sh"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name
}

// codeOf returns what a shell was given on its command line to run; "" for
// nothing.
func codeOf(p *wormbell.Process) string {
	if !ancestry.Shell(p) {
		return ""
	}
	args := cmdline.Unwrap(p.Args)
	for i := 1; i+1 < len(args); i++ {
		switch a := strings.ToLower(args[i]); {
		case a == "-command" || a == "/c" || a == "/k": // PowerShell and cmd take the rest
			return strings.Join(args[i+1:], " ")
		case a == "--command" || strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "c"):
			return args[i+1]
		case !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "+"):
			return ""
		}
	}
	return ""
}

// Programs that fetch what a server gives, and how else a shell runs that than
// through a pipe.
var (
	fetchers  = []string{"curl", "wget", "fetch", "aria2c", "irm", "iwr", "Invoke-RestMethod", "Invoke-WebRequest"}
	runsFetch = regexp.MustCompile(`(?i)(?:\beval|\bsource|\biex|\binvoke-expression|\b(?:ba|z|da|k|fi)?sh(?:\s+-\w+)*|(?:^|[\s;&|])\.)\s+["']?(?:\$?\(|<\(|` + "`" + `)\s*["']?(?:curl|wget|irm|iwr|invoke-restmethod|invoke-webrequest)\b`)
)

// fetchesAndRuns reports whether a shell's line runs what a server gives:
// `curl … | sh`, `sh -c "$(curl …)"`, `irm … | iex`.
func fetchesAndRuns(line string) bool {
	if runsFetch.MatchString(line) {
		return true
	}
	fetched := false
	for _, c := range cmdline.Pipes(line) {
		words := cmdline.Unwrap(cmdline.Split(c.Text, false))
		if len(words) == 0 {
			continue
		}
		if !c.Pipe {
			fetched = false
		}
		if fetched && runsInput(words) {
			return true
		}
		fetched = fetched || isFetcher(words[0])
	}
	return false
}

func isFetcher(program string) bool {
	name := programOf(program)
	return slices.ContainsFunc(fetchers, func(f string) bool { return strings.EqualFold(f, name) })
}

// runsInput reports whether a command runs what it reads: a shell or an
// interpreter without a script, or with - for one.
func runsInput(words []string) bool {
	probe := &wormbell.Process{Exe: cmdline.Base(words[0])}
	if strings.EqualFold(probe.Exe, "iex") || strings.EqualFold(probe.Exe, "invoke-expression") {
		return true
	}
	if !ancestry.Shell(probe) && !ancestry.JavaScript(probe) && !ancestry.Interpreter(probe) {
		return false
	}
	for _, a := range words[1:] {
		switch {
		case a == "-" || a == "-s" || strings.HasPrefix(a, "-") && strings.HasSuffix(a, "s") && ancestry.Shell(probe):
			return true // what follows are arguments
		case !strings.HasPrefix(a, "-"):
			return strings.HasPrefix(a, "/dev/stdin") || strings.HasPrefix(a, "/proc/self/fd/0")
		case strings.HasSuffix(a, "c") && !strings.HasPrefix(a, "--") || a == "-e" || a == "-p" || a == "-pe" || a == "--eval" || a == "--print" || a == "-m":
			return false
		}
	}
	return true
}
