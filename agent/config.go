package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"wormbell/internal/stores"
)

// Config is what can be set, by file and by flag. The zero value of every
// field stands for its default, which should be right for nearly everybody.
type Config struct {
	Homes  []string `toml:"homes" doc:"Home folders to guard, absolute. Default: the homes of root and of every person in the system's user list; for an agent that runs as a user, that user's."`
	Stores []string `toml:"stores" doc:"Credential stores to guard besides the default ones, by their ID (see 'wormbell credentials'). The others are off because programs that read them all day are not known well enough yet."`
	Refuse []string `toml:"refuse_backends" doc:"Sensors that must not be used, as if the system had refused them: 'fanotify', 'procconn'. The agent falls back to weaker ones and says so in 'wormbell status'."`

	State    string `toml:"state" doc:"Folder of the alert store. Default: /var/lib/wormbell for root, $XDG_STATE_HOME/wormbell for a user."`
	Socket   string `toml:"socket" doc:"Unix socket of the local API. Default: /run/wormbell/wormbell.sock for root, $XDG_RUNTIME_DIR/wormbell/wormbell.sock for a user."`
	LogLevel string `toml:"log_level" doc:"How much is logged to the standard error output: 'debug', 'info', 'warn' or 'error'. Default: 'info'."`
	Protect  bool   `toml:"protect" doc:"Deny reads that would raise an alert instead of only telling. This version does not deny yet and says so in 'wormbell status'. Default: false."`
}

// DefaultFile is where the settings are looked for when no --config is given.
// It need not exist.
func DefaultFile() string {
	if os.Geteuid() == 0 {
		return "/etc/wormbell/config.toml"
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "wormbell", "config.toml")
}

// maxConfig is far above any sensible settings file, in bytes.
const maxConfig = 1 << 20

// Load reads the settings in file. A file that does not exist is an error only
// if must is set. Unknown keys and values that cannot be are errors that name
// the key and the nearest one that exists.
func Load(file string, must bool) (Config, error) {
	var c Config
	f, err := os.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return c, nil
	case err != nil:
		return c, fmt.Errorf("read settings: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxConfig {
		return c, fmt.Errorf("read settings %q: not a regular file of at most 1 MiB", file)
	}
	meta, err := toml.NewDecoder(f).Decode(&c)
	if err != nil {
		return c, fmt.Errorf("read settings %q: %w", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0].String()
		return c, fmt.Errorf("settings %q: no key %q; did you mean %q?", file, key, nearest(key, keys()))
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("settings %q: %w", file, err)
	}
	return c, nil
}

// backends are the values refuse_backends may hold.
var backends = []string{"fanotify", "procconn", "fsnotify"}

func (c *Config) check() error {
	for _, h := range c.Homes {
		if !filepath.IsAbs(h) {
			return fmt.Errorf("homes: %q is not an absolute path", h)
		}
	}
	ids := make([]string, 0, len(stores.All))
	for _, s := range stores.All {
		ids = append(ids, s.ID)
	}
	if err := among("stores", c.Stores, ids); err != nil {
		return err
	}
	if err := among("refuse_backends", c.Refuse, backends); err != nil {
		return err
	}
	if c.LogLevel != "" {
		return among("log_level", []string{c.LogLevel}, []string{"debug", "info", "warn", "error"})
	}
	return nil
}

func among(key string, got, allowed []string) error {
	for _, g := range got {
		if !slices.Contains(allowed, g) {
			return fmt.Errorf("%s: no %q; did you mean %q?", key, g, nearest(g, allowed))
		}
	}
	return nil
}

// keys lists the settings' names in order of declaration.
func keys() (names []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		names = append(names, f.Tag.Get("toml"))
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

// ConfigMarkdown is docs/config.md: every setting, from the field tags above.
func ConfigMarkdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from agent/config.go by go generate. Do not edit. -->\n\n# Settings\n\n" +
		"The agent reads `/etc/wormbell/config.toml` (as a user: `~/.config/wormbell/config.toml`), or the file given with\n" +
		"`--config`. It need not exist: the defaults are meant to be right. Flags win over the file. An unknown key is an\n" +
		"error, so that a typing mistake never leaves you less guarded than you think.\n\n| key | type | meaning |\n|---|---|---|\n")
	for f := range reflect.TypeFor[Config]().Fields() {
		kind := map[reflect.Kind]string{reflect.Slice: "list of strings", reflect.String: "string", reflect.Bool: "boolean"}[f.Type.Kind()]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Tag.Get("toml"), kind, strings.ReplaceAll(f.Tag.Get("doc"), "'", "`"))
	}
	b.WriteString("\n```toml\n# An example; every line is optional.\nstores = [\"ssh\"]\nlog_level = \"info\"\n```\n")
	return b.String()
}
