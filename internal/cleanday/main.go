// Command cleanday has a person's working day happen before the real agent, with
// real programs, and tells what rang: no notification, no alert above low, and
// one low entry at the most is what a day without a worm may give.
//
// The chores are shuffled by a seed, so that what one leaves behind is met by
// others. Everything is done in a scratch home with decoy credentials, at a real
// terminal, against a registry on loopback; packages come from the registry that
// this machine's npm uses. It must not know how the agent decides.
//
//	go run ./internal/cleanday [-days N] [-seed S] [-only NAME,...] [-offline]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"wormbell"
	"wormbell/internal/registry/accounts"
	"wormbell/internal/scratch"
)

type options struct {
	days    int
	seed    uint64
	only    string
	offline bool
	short   bool // without what is slow
	bin     string
	cache   string  // a folder that stays from day to day
	chores  []chore // to choose from

	progress io.Writer // what is told while the day lasts; nil for nothing
}

func main() {
	o := options{chores: slices.Concat(chores, storeChores), progress: os.Stderr}
	flag.IntVar(&o.days, "days", 1, "have `N` days, each with a home of its own")
	flag.Uint64Var(&o.seed, "seed", 1, "the first day's order; 0 is that of the list")
	flag.StringVar(&o.only, "only", "", "do these chores alone, by `NAME,...`")
	flag.BoolVar(&o.offline, "offline", false, "leave out what needs packages from elsewhere")
	flag.StringVar(&o.cache, "cache", "", "the `FOLDER` where packages are kept for the next day; wormbell-clean-day in the user's cache if it is empty")
	flag.StringVar(&o.bin, "bin", "bin", "the `FOLDER` of wormbelld")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := 0
	for i := range o.days {
		d, err := live(ctx, o, o.seed+uint64(i))
		d.tell(os.Stdout)
		switch {
		case err != nil:
			fmt.Fprintln(os.Stderr, "cleanday:", err)
			status = 2
		case !d.clean():
			status = max(status, 1)
		}
		if ctx.Err() != nil {
			break
		}
	}
	stop()
	os.Exit(status)
}

// day is what came of one.
type day struct {
	seed  uint64
	done  int
	left  []string // chores that were left out, and why
	loud  []string // above low, with the chore after which it was seen
	low   []string
	lost  int // events
	began time.Time

	progress io.Writer // nil: nobody watches
}

// clean reports whether nothing rang that should not.
func (d *day) clean() bool { return len(d.loud) == 0 && len(d.low) <= 1 }

func (d *day) tell(out io.Writer) {
	fmt.Fprintf(out, "day %d: %d chores in %v; above low: %d, low: %d, events lost: %d\n", d.seed, d.done, time.Since(d.began).Round(time.Second), len(d.loud), len(d.low), d.lost)
	for _, l := range slices.Concat(d.loud, d.low, d.left) {
		fmt.Fprintln(out, "  "+l)
	}
}

// chored is how long a chore may take.
const chored = 8 * time.Minute

// live has one day.
func live(ctx context.Context, o options, seed uint64) (d day, err error) {
	d = day{seed: seed, began: time.Now(), progress: o.progress}
	if os.Geteuid() != 0 {
		return d, errors.New("needs root: without it nobody sees who reads")
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return d, err
	}
	if o.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return d, fmt.Errorf("find a place for packages: %w", err)
		}
		o.cache = filepath.Join(dir, "wormbell-clean-day")
	}
	if o.cache, err = filepath.Abs(o.cache); err != nil {
		return d, err
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return d, fmt.Errorf("make a place for packages: %w", err)
	}
	login, err := accounts.New(accounts.Config{})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, login.Close()) }()
	env := []string{"EDITOR=true", "PAGER=cat", "DO_NOT_TRACK=1", "CHECKPOINT_DISABLE=1", "NX_DAEMON=false", "RESTIC_CACHE_DIR=$DIR/restic-cache"}
	for _, name := range []string{"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"} { // where this machine's own authority is
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	m, err := scratch.New("day", env...)
	defer func() { err = errors.Join(err, m.Close()) }()
	defer func() { err = errors.Join(err, end(m.Home)) }()
	if err != nil {
		return d, err
	}
	npm := ""
	if !o.offline {
		out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
		if err != nil {
			return d, fmt.Errorf("ask npm for its registry: %w", err)
		}
		npm = strings.TrimSpace(string(out))
	}
	list := d.choose(o, seed)
	host := strings.TrimPrefix(m.Registry.URL, "http:")
	real := strings.NewReplacer("$UPSTREAM", npm, "$REGISTRY", m.Registry.URL+"/", "$HOST", host, "$TOKEN", scratch.Token, "$TMP", m.Temp, "$LOGIN", login.URL+"/", "$CACHE", o.cache)
	lay := func(below string, files map[string]string) error {
		for p, text := range files {
			file := filepath.Join(below, p)
			if rest, ok := strings.CutPrefix(p, "~/"); ok {
				file = filepath.Join(m.Home, rest)
			}
			if err := m.Write(file, real.Replace(text)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := lay(m.Home, home); err != nil {
		return d, err
	}
	// What npm has fetched stays from day to day; what npx installed does not, it is part of the home.
	fetched := filepath.Join(o.cache, "npm", "_cacache")
	if err := errors.Join(os.MkdirAll(fetched, 0o755), os.Mkdir(filepath.Join(m.Home, ".npm"), 0o755), os.Symlink(fetched, filepath.Join(m.Home, ".npm", "_cacache"))); err != nil {
		return d, fmt.Errorf("give npm its cache: %w", err)
	}
	for _, c := range list {
		dir := filepath.Join(m.Home, "work", c.name)
		if err := errors.Join(os.MkdirAll(dir, 0o755), lay(dir, c.files)); err != nil {
			return d, err
		}
	}
	if err := m.Shell(); err != nil {
		return d, err
	}
	for _, c := range list {
		if c.before == "" {
			continue
		}
		if out, status, err := m.Do(ctx, "("+real.Replace(c.before)+")"); err != nil || status != 0 {
			return d, fmt.Errorf("before %s: status %d\n%s", c.name, status, errors.Join(errors.New(out), err))
		}
	}
	if err := m.Guard(ctx, o.bin); err != nil {
		return d, err
	}
	var failed []error // the day goes on: one run shows all that is wrong
	for _, c := range list {
		if err := d.do(ctx, m, c, real.Replace(c.types)); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	s, err := m.Status(ctx)
	d.lost = s.Lost
	return d, errors.Join(append(failed, err)...)
}

// choose shuffles the chores and leaves out what cannot be done here.
func (d *day) choose(o options, seed uint64) (list []chore) {
	for _, c := range o.chores {
		missing := slices.IndexFunc(c.needs, func(p string) bool { _, err := exec.LookPath(p); return err != nil })
		switch {
		case o.only != "" && !slices.Contains(strings.Split(o.only, ","), c.name):
		case missing >= 0:
			d.left = append(d.left, fmt.Sprintf("left out: %s needs %s", c.name, c.needs[missing]))
		case c.net && o.offline:
			d.left = append(d.left, fmt.Sprintf("left out: %s needs packages from elsewhere", c.name))
		case c.slow && o.short:
			d.left = append(d.left, fmt.Sprintf("left out: %s is slow", c.name))
		default:
			list = append(list, c)
		}
	}
	if r := rand.New(rand.NewPCG(seed, 0)); seed != 0 {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return list
}

// do does one chore and notes what rang by then.
func (d *day) do(ctx context.Context, m *scratch.Machine, c chore, line string) error {
	ctx, cancel := context.WithTimeout(ctx, chored)
	defer cancel()
	dir, began := filepath.Join(m.Home, "work", c.name), time.Now()
	var out string
	var status int
	var err error
	if c.alone {
		// As cron does it: a session without a terminal, below the first process.
		out, status, err = m.Alone(ctx, dir, line)
	} else {
		// What is given up at the first error has a shell of its own.
		form := "cd %s\n%s"
		if strings.HasPrefix(line, "set -e") {
			form = "cd %s\n(%s)"
		}
		out, status, err = m.Do(ctx, fmt.Sprintf(form, dir, line))
	}
	if err == nil && status != 0 {
		err = fmt.Errorf("status %d", status)
	}
	if d.progress != nil {
		fmt.Fprintf(d.progress, "  %s: %v, %v\n", c.name, time.Since(began).Round(100*time.Millisecond), cmp.Or(err, errors.New("done")))
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, last(out))
	}
	d.done++
	alerts, err := m.Alerts(ctx)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		for _, f := range a.Findings {
			line := fmt.Sprintf("%s: %s: %s (%s)", a.Severity, f.Detector, f.Summary, a.ID)
			list := &d.low
			if a.Severity > wormbell.Low {
				list = &d.loud
			}
			if !slices.ContainsFunc(*list, func(s string) bool { return strings.HasPrefix(s, line) }) {
				*list = append(*list, line+", after "+c.name)
			}
		}
	}
	return nil
}

// last is the end of what a chore wrote.
func last(out string) string {
	const most = 4000 // bytes
	if len(out) > most {
		return "…" + out[len(out)-most:]
	}
	return out
}
