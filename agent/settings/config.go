package settings

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"wormbell/internal/stores"
)

// Config is what can be set, by file and by flag. The zero value of every
// field stands for its default, which should be right for nearly everybody.
type Config struct {
	Homes  []string `toml:"homes" doc:"Home folders to guard, absolute. Default: the homes of root and of every person in the system's user list; for an agent that runs as a user, that user's."`
	Stores []string `toml:"stores" doc:"Which credential stores are guarded, by their ID (see 「wormbell credentials」), where that is not as by default: with a minus one that is not to be guarded, such as 「-history」; without one that is, though its readers are not known well enough. All are guarded by default."`
	Refuse []string `toml:"refuse_backends" doc:"Sensors that must not be used, as if the system had refused them: 「fanotify」, 「ebpf」, 「procconn」, 「fsnotify」. The agent falls back to weaker ones and says so in 「wormbell status」. Without 「ebpf」, process starts come from the proc connector, which tells no command lines: those of processes that live for a moment are missed. Without 「procconn」 nothing changes as long as eBPF works; without both, /proc is polled, and such processes are missed altogether. Without 「fanotify」 nobody knows who reads a credential or changes a file for certain, and protect does not work. 「fsnotify」 is what follows files then; without it they are polled."`

	State    string `toml:"state" doc:"Folder of the alert store. Default: /var/lib/wormbell for root, $XDG_STATE_HOME/wormbell for a user."`
	Socket   string `toml:"socket" doc:"Unix socket of the local API. Default: /run/wormbell/wormbell.sock for root, $XDG_RUNTIME_DIR/wormbell/wormbell.sock for a user."`
	LogLevel string `toml:"log_level" doc:"How much is logged to the standard error output: 「debug」, 「info」, 「warn」 or 「error」. Default: 「info」."`
	Protect  bool   `toml:"protect" doc:"Deny what comes from a dependency's install script, or is part of a sweep, the credentials that it opens, and stop it first (docs/protect.md). For root's agent on Linux; elsewhere 「wormbell status」 says that it cannot. Default: false."`

	Locked []string `toml:"locked" doc:"What nobody may change in another way than by the administrator's files: settings by their name, and 「pause」, 「trust」 and 「mute」, which users do. For root's agent only. See docs/fleet.md."`

	// Mode is another name of Protect, in files only: it is no setting of its own.
	// It comes last.
	Mode string `toml:"mode" doc:"Another name of the switch 「protect」: 「protect」 is on, 「observe」 is off."`
}

// backends are the values refuse_backends may hold.
var backends = []string{"fanotify", "ebpf", "procconn", "fsnotify"}

// Acts are what users do at run time that can be locked, besides settings:
// keeping notifications back, adding rows to the trust table, muting alerts.
// Closing one is none of them: it has rung, and the next one rings again.
var Acts = []string{"pause", "trust", "mute"}

// lockable are the values locked may hold.
func lockable() []string {
	names := keys()
	return append(slices.DeleteFunc(names, func(k string) bool { return k == lockedKey }), Acts...)
}

const lockedKey = "locked"

// Check returns what is wrong with c, nil if nothing is. It looks at values
// only: whether a folder is there is seen when it is needed.
func (c *Config) Check() error {
	for _, f := range []struct{ key, path string }{{"state", c.State}, {"socket", c.Socket}} {
		if f.path != "" && !filepath.IsAbs(f.path) {
			return fmt.Errorf("%s: %q is not an absolute path", f.key, shown(f.path))
		}
	}
	for _, h := range c.Homes {
		if !filepath.IsAbs(h) {
			return fmt.Errorf("homes: %q is not an absolute path", shown(h))
		}
	}
	ids := make([]string, 0, len(stores.All))
	for _, s := range stores.All {
		ids = append(ids, s.ID)
	}
	for _, s := range stores.All {
		ids = append(ids, "-"+s.ID)
	}
	if err := among("stores", c.Stores, ids); err != nil {
		return err
	}
	if err := among("refuse_backends", c.Refuse, backends); err != nil {
		return err
	}
	if c.LogLevel != "" {
		if err := among("log_level", []string{c.LogLevel}, []string{"debug", "info", "warn", "error"}); err != nil {
			return err
		}
	}
	if c.Mode != "" {
		if err := among("mode", []string{c.Mode}, []string{Observe, Protect}); err != nil {
			return err
		}
	}
	return among("locked", c.Locked, lockable())
}

// The values of Mode.
const (
	Observe = "observe"
	Protect = "protect"
)

func among(key string, got, allowed []string) error {
	for _, g := range got {
		if !slices.Contains(allowed, g) {
			g = shown(g)
			return fmt.Errorf("%s: no %q; did you mean %q?", key, g, nearest(g, allowed))
		}
	}
	return nil
}

// keys lists the settings' names in order of declaration.
func keys() (names []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Name != "Mode" {
			names = append(names, f.Tag.Get("toml"))
		}
	}
	return names
}

// nearest returns the candidate with the smallest edit distance to s.
func nearest(s string, candidates []string) (best string) {
	least := -1
	for _, c := range candidates {
		if d := distance(s, c); least < 0 || d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance between a and b, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// intro and outro stand around the table. In 「」 stands what is code there.
const intro = `<!-- Generated from agent/settings/config.go by make generate. Do not edit. -->

# Settings

The agent reads 「/etc/wormbell/config.toml」, or the file given with 「--config」, and then every 「*.toml」 of the
folder 「conf.d」 beside it, in the order of their names (by bytes; so 「10-fleet.toml」 comes before 「9-mine.toml」).
An agent that a user runs reads 「~/.config/wormbell/config.toml」 and 「conf.d」 beside that. Nothing of it need
exist: the defaults are meant to be right.

- Key by key, the last file that sets it wins; a list replaces the list of the files before it. 「locked」 alone adds
  up, and a later file cannot change what an earlier one has locked. Flags win over files.
- An unknown key is an error, so that a typing mistake never leaves you less guarded than you think.
- A file is of at most 1 MiB, a folder of at most 64 files; a symlink, a pipe or a device is no file. Root's agent
  believes only files of root's that nobody else may write, in folders of which the same is true up to 「/」.
- A file that cannot be used does not keep the agent from starting. What that file said when it was last good holds
  (the agent keeps a copy beside its alerts), else nothing of it does; the other files hold as ever. 「wormbell status」,
  「wormbell doctor」 and the log say which file it is and why. Only a file that was named with 「--config」 must be right:
  else the agent ends, with status 2.
- 「wormbell settings --check FILE」 says what is wrong with a file before it is there, 「wormbelld --check」 with all that
  are. Both end with status 2 then.
- 「systemctl restart wormbelld」 puts changed files into force. What a running agent uses, 「wormbell settings」 shows.

| key | type | meaning |
|---|---|---|
`

const outro = `
「「「toml
# An example; every line is optional.
stores = ["-history"]
log_level = "info"
」」」
`

// ticks makes code of what stands in 「」.
func ticks(s string) string { return strings.NewReplacer("「", "`", "」", "`").Replace(s) }

// Markdown is docs/config.md: every setting, from the field tags above.
func Markdown() string {
	var b strings.Builder
	b.WriteString(ticks(intro))
	for f := range reflect.TypeFor[Config]().Fields() {
		kind := map[reflect.Kind]string{reflect.Slice: "list of strings", reflect.String: "string", reflect.Bool: "boolean"}[f.Type.Kind()]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Tag.Get("toml"), kind, ticks(f.Tag.Get("doc")))
	}
	b.WriteString(ticks(outro))
	return b.String()
}
