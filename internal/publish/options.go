package publish

import (
	"regexp"
	"slices"
	"strings"
)

// options is what one client's parser must know of its flags to tell a flag's
// value from an argument.
type options struct {
	bools  string            // take no value, unless true or false follows
	values string            // take the next argument
	mixed  map[string]string // take no value, unless one of these words follows
	short  map[string][]string
	abbrev bool // unambiguous prefixes of a flag will do, and "-" is as good as "--"
}

// npmOptions are npm 11.19's, from `npm config list --long`, and its shorthands.
var npmOptions = options{
	abbrev: true,
	bools: `all allow-same-version audit bin-links bypass-2fa commit-hooks dangerously-allow-all-scripts description dev diff-ignore-all-space
		diff-name-only diff-no-prefix diff-text dry-run engine-strict force foreground-scripts format-package-lock fund git-tag-version
		global global-style if-present ignore-scripts include-attestations include-staged include-workspace-root init-private install-links json
		legacy-bundling legacy-peer-deps link long offline omit-lockfile-registry-resolved package-lock package-lock-only packages-all parseable
		allow-scripts-pending allow-scripts-pin prefer-dedupe prefer-offline prefer-online progress provenance read-only rebuild-bundle save
		save-bundle save-dev save-exact save-optional save-peer save-prod shrinkwrap sign-git-commit sign-git-tag strict-allow-scripts strict-peer-deps
		strict-ssl timing unicode update-notifier usage version versions workspaces-update`,
	values: `_auth access allow-directory allow-file allow-git allow-remote allow-scripts also audit-level auth-type before ca cache cache-max cache-min
		cafile call cert cidr cpu depth diff diff-dst-prefix diff-src-prefix diff-unified editor expect-result-count expires fetch-retries
		fetch-retry-factor fetch-retry-maxtimeout fetch-retry-mintimeout fetch-timeout git globalconfig heading https-proxy include init-author-email
		init-author-name init-author-url init-license init-module init-type init-version init.author.email init.author.name init.author.url init.license
		init.module init.version install-strategy key libc local-address location lockfile-version loglevel logs-dir logs-max maxsockets message
		min-release-age min-release-age-exclude name node-gyp node-options noproxy omit only orgs orgs-permission os otp pack-destination package packages
		packages-and-scopes-permission password prefix preid provenance-file proxy registry replace-registry-host save-prefix sbom-format sbom-type scope
		scopes script-shell searchexclude searchlimit searchopts searchstaleness shell tag tag-version-prefix token-description umask user-agent
		userconfig viewer which workspace`,
	mixed: map[string]string{"color": "always", "browser": "*", "optional": "null", "production": "null", "workspaces": "null", "yes": "null", "expect-results": "null"},
	short: map[string][]string{
		"enjoy-by": {"--before"}, "d": {"--loglevel", "info"}, "dd": {"--loglevel", "verbose"}, "ddd": {"--loglevel", "silly"},
		"quiet": {"--loglevel", "warn"}, "q": {"--loglevel", "warn"}, "s": {"--loglevel", "silent"}, "silent": {"--loglevel", "silent"},
		"verbose": {"--loglevel", "verbose"}, "desc": {"--description"}, "help": {"--usage"}, "local": {"--no-global"}, "n": {"--no-yes"},
		"no": {"--no-yes"}, "porcelain": {"--parseable"}, "readonly": {"--read-only"}, "reg": {"--registry"}, "iwr": {"--include-workspace-root"},
		"ws": {"--workspaces"}, "a": {"--all"}, "c": {"--call"}, "f": {"--force"}, "g": {"--global"}, "L": {"--location"}, "l": {"--long"},
		"m": {"--message"}, "p": {"--parseable"}, "C": {"--prefix"}, "S": {"--save"}, "B": {"--save-bundle"}, "D": {"--save-dev"},
		"E": {"--save-exact"}, "O": {"--save-optional"}, "P": {"--save-prod"}, "?": {"--usage"}, "H": {"--usage"}, "h": {"--usage"},
		"v": {"--version"}, "w": {"--workspace"}, "y": {"--yes"},
	},
}

// pnpmOptions are those of pnpm 10's to 12's publish and their global ones;
// unknown flags take no value there, as in npm.
var pnpmOptions = options{
	bools: `recursive dry-run force json ignore-scripts git-checks provenance workspace-root help version silent color embed-readme report-summary stream aggregate-output sort reverse
		batch skip-manifest-obfuscation yes ignore-workspace use-stderr fail-if-no-match include-workspace-root parallel progress bail`,
	values: `dir filter filter-prod registry tag access otp publish-branch loglevel reporter workspace-concurrency changed-files-ignore-pattern test-pattern
		store-dir virtual-store-dir userconfig config-dir prefix npmrc-auth-file env-file state-dir workspace-packages https-proxy http-proxy no-proxy proxy noproxy
		publish-wait-timeout release-notes publication-name cache-dir lockfile-dir modules-dir global-dir cafile user-agent`,
	short: map[string][]string{"r": {"--recursive"}, "C": {"--dir"}, "F": {"--filter"}, "w": {"--workspace-root"}, "h": {"--help"}, "v": {"--version"},
		"s": {"--reporter", "silent"}, "prefix": {"--dir"}},
}

// yarnOptions are those of yarn 1.22's and 4's publish that take a value.
var yarnOptions = options{
	bools: "dry-run help json non-interactive verbose silent tolerate-republish staged provenance all recursive parallel interlaced topological verbose no-private",
	values: `cwd access tag new-version otp message registry cache-folder modules-folder preferred-cache-folder global-folder link-folder use-yarnrc mutex
		network-concurrency network-timeout from include exclude jobs since proxy https-proxy`,
	mixed: map[string]string{"emoji": "*", "prod": "*", "production": "*", "scripts-prepend-node-path": "*"},
	short: map[string][]string{"h": {"--help"}, "n": {"--dry-run"}, "A": {"--all"}, "R": {"--recursive"}, "p": {"--parallel"}, "i": {"--interlaced"}, "t": {"--topological"}, "v": {"--verbose"}, "j": {"--jobs"}},
}

// bunOptions are those of bun 1.4's publish.
var bunOptions = options{
	bools: "dry-run help ignore-scripts save silent quiet verbose force yarn production frozen-lockfile gzip global trust exact offline prefer-offline tolerate-republish",
	values: `cwd config access tag otp auth-type registry cafile ca cache-dir backend network-concurrency gzip-level omit env-file concurrent-scripts linker
		minimum-release-age minimum-release-age-excludes cpu os libc`,
	short: map[string][]string{"h": {"--help"}, "c": {"--config"}, "f": {"--force"}, "y": {"--yarn"}, "p": {"--production"}, "g": {"--global"}},
}

var (
	dashes        = regexp.MustCompile(`^-{2,}$`)      // ends the flags
	singleDash    = regexp.MustCompile(`^-[^-]`)       // not taken by a flag of mixed type
	looksLikeFlag = regexp.MustCompile(`^-{1,2}[^-]+`) // not taken by a flag of string type
)

// values are the values that were given to each flag, in order.
type values map[string][]string

func (v values) last(flag string) (string, bool) {
	all := v[flag]
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1], true
}

func (v values) truthy(flag string) bool {
	s, ok := v.last(flag)
	return ok && s != "false" && s != "null"
}

// registry is the value of --registry, "" if it is no URL.
func (v values) registry() string {
	s, _ := v.last("registry")
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return ""
	}
	return s
}

// parse splits args into words and flags in the way of npm's parser, nopt: a
// boolean takes true or false from the next argument, other known flags take
// the next argument, unknown ones take none, `--no-x` is the opposite of x, one
// dash or two, flags may stand anywhere before `--`.
func (o options) parse(args []string) (words []string, flags values) {
	flags = values{}
	bools, vals := strings.Fields(o.bools), strings.Fields(o.values)
	known := slices.Concat(bools, vals)
	for flag := range o.mixed {
		known = append(known, flag)
	}
	args = slices.Clone(args)
	for expansions := 0; len(args) > 0; {
		arg := args[0]
		args = args[1:]
		if dashes.MatchString(arg) {
			words = append(words, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		flag, value, hadValue := strings.Cut(arg, "=")
		if hadValue {
			args = slices.Insert(args, 0, value)
		}
		name := strings.TrimLeft(flag, "-")
		if long := o.expand(name, known); long != nil && expansions < 100 {
			expansions++
			args = slices.Concat(long, args)
			continue
		}
		negated, isBool := false, false
		for len(name) >= 3 && strings.EqualFold(name[:3], "no-") && !slices.Contains(vals, name) {
			negated, isBool = !negated, true
			name = name[3:]
		}
		if o.abbrev && !slices.Contains(known, name) {
			if full := unambiguous(name, known); full != "" {
				name = full
			}
		}
		next, hasNext := "", len(args) > 0
		if hasNext {
			next = args[0]
		}
		switch word, mixed := o.mixed[name]; {
		case isBool || slices.Contains(bools, name) || mixed || !slices.Contains(vals, name) && !hadValue:
			value := "true"
			if negated {
				value = "false"
			}
			switch {
			case next == "true" || next == "false":
				value, args = next, args[1:]
				if negated {
					value = map[string]string{"true": "false", "false": "true"}[next]
				}
			case mixed && hasNext && (word == next || word == "*" && !singleDash.MatchString(next)):
				value, args = next, args[1:] // also "--x" after --browser
			}
			flags[name] = append(flags[name], value) // in `--dry-run=yes` the yes becomes a word, as with nopt
		case hasNext && !dashes.MatchString(next) && !(o.abbrev && stringLike(name) && looksLikeFlag.MatchString(next)):
			flags[name] = append(flags[name], next)
			args = args[1:]
		default:
			flags[name] = append(flags[name], "")
		}
	}
	return words, flags
}

// stringLike reports whether nopt refuses a flag as the value of name: it does
// for strings only, a number, path or URL takes whatever follows.
func stringLike(name string) bool {
	switch name {
	case "call", "editor", "git", "heading", "init-author-email", "init-author-name", "init-license", "init-type", "init.author.email", "init.author.name", "init.license",
		"message", "pack-destination", "preid", "save-prefix", "scope", "searchexclude", "searchopts", "shell", "tag", "tag-version-prefix", "user-agent", "viewer", "diff-dst-prefix", "diff-src-prefix":
		return true
	}
	return false
}

// expand returns what the shorthand name stands for, nil if it is none.
func (o options) expand(name string, known []string) []string {
	if slices.Contains(known, name) {
		return nil
	}
	if long, ok := o.short[name]; ok {
		return long
	}
	if !o.abbrev && len(name) > 3 {
		return nil // only short clusters elsewhere: -rw
	}
	var all []string
	for _, c := range name {
		long, ok := o.short[string(c)]
		if !ok {
			all = nil
			break
		}
		all = append(all, long...)
	}
	if all != nil || !o.abbrev {
		return all
	}
	if unambiguous(name, known) != "" {
		return nil
	}
	shorts := make([]string, 0, len(o.short))
	for s := range o.short {
		shorts = append(shorts, s)
	}
	if full := unambiguous(name, shorts); full != "" {
		return o.short[full]
	}
	return nil
}

// unambiguous returns the one word that starts with prefix, or prefix itself
// if it is a word; "" if there is none or several.
func unambiguous(prefix string, words []string) (found string) {
	if prefix == "" {
		return ""
	}
	if slices.Contains(words, prefix) {
		return prefix
	}
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			if found != "" {
				return ""
			}
			found = w
		}
	}
	return found
}

// npmCommands are npm 11.19's commands and the aliases that share a prefix
// with publish or stage.
var npmCommands = strings.Fields(`access adduser approve-scripts audit bugs cache ci completion config dedupe deny-scripts deprecate diff dist-tag docs
	doctor edit exec explain explore find-dupes fund get help help-search init install install-ci-test install-scripts install-test link ll login logout
	ls org outdated owner pack ping pkg prefix profile prune publish query rebuild repo restart root run sbom search set shrinkwrap stage star stars
	start stop team test token trust undeprecate uninstall unpublish unstar update version view whoami
	author home issues info show find add unlink remove rm r un rb list ln create i it cit u up c s se tst t ddp v run-script clean-install
	clean-install-test x why la verison ic innit in ins inst insta instal isnt isnta isntal isntall install-clean isntall-clean hlep dist-tags upgrade
	udpate rum sit urn ogr add-user`)

// npmCommand resolves word to one of npm's commands as npm does: exact, else
// the one command or alias that starts with it; camelCase is read as
// hyphenated. "" if there is none or several.
func npmCommand(word string) string {
	var b strings.Builder
	for _, c := range word {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('-')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return unambiguous(b.String(), npmCommands)
}
