// Command cleanday has a person's working day happen before the real agent, with
// real programs, and tells what rang: no notification, no alert above low, and
// one low entry at the most is what a day without a worm may give.
//
// The chores are shuffled by a seed, so that what one leaves behind is met by
// others. Everything is done in a scratch home with decoy credentials, at a real
// terminal, against a registry on loopback; packages come from the registry that
// this machine's npm uses. It must not know how the agent decides.
//
//	go run ./internal/cleanday [-days N] [-together N] [-seed S] [-only NAME,...] [-offline] [-times] [-json FILE]
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
	"sync"
	"syscall"
	"time"

	"wormbell/internal/registry/accounts"
	"wormbell/internal/scratch"
)

type options struct {
	days    int
	at      int // days that are had at a time
	times   bool
	seed    uint64
	only    string
	offline bool
	short   bool // without what is slow
	bin     string
	json    string  // a file; "" for none
	cache   string  // a folder that stays from day to day
	chores  []chore // to choose from

	progress io.Writer // what is told while the day lasts; nil for nothing
}

func main() {
	o := options{chores: slices.Concat(chores, storeChores), progress: os.Stderr}
	flag.IntVar(&o.days, "days", 1, "have `N` days, each with a home of its own")
	flag.Uint64Var(&o.seed, "seed", 1, "the first day's order; 0 is that of the list")
	flag.IntVar(&o.at, "together", 1, "have `N` days at a time")
	flag.BoolVar(&o.times, "times", false, "tell what took longest")
	flag.StringVar(&o.only, "only", "", "do these chores alone, by `NAME,...`")
	flag.BoolVar(&o.offline, "offline", false, "leave out what needs packages from elsewhere")
	flag.StringVar(&o.cache, "cache", "", "the `FOLDER` where packages are kept for the next day; wormbell-clean-day in the user's cache if it is empty")
	flag.StringVar(&o.bin, "bin", "bin", "the `FOLDER` of wormbelld")
	flag.StringVar(&o.json, "json", "", "write what came of the days to `FILE`, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := all(ctx, o, os.Stdout)
	stop()
	os.Exit(status)
}

// all has the days, some at a time, tells of each when it is over, and returns
// the status to end with: 1 if a day was not clean, 2 if one proves nothing.
func all(ctx context.Context, o options, out io.Writer) (status int) {
	var mu sync.Mutex // guards status and out
	var running sync.WaitGroup
	free := make(chan struct{}, max(o.at, 1))
	var outcomes []outcome
	for i := range o.days {
		free <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() { // one day
			defer func() { <-free }()
			d, err := live(ctx, o, o.seed+uint64(i))
			mu.Lock()
			defer mu.Unlock()
			d.tell(out, o.times)
			outcomes = append(outcomes, d.outcome(err))
			switch {
			case err != nil:
				fmt.Fprintf(out, "  day %d proves nothing: %v\n", d.seed, err)
				status = 2
			case !d.clean():
				status = max(status, 1)
			}
		})
	}
	running.Wait()
	if err := write(o.json, outcomes); err != nil {
		fmt.Fprintln(out, err)
		status = 2
	}
	return status
}

// chored is how long a chore may take.
const chored = 8 * time.Minute

// live has one day.
func live(ctx context.Context, o options, seed uint64) (d day, err error) {
	d = day{seed: seed, began: time.Now(), progress: o.progress}
	defer func() { d.lasts = time.Since(d.began) }()
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
	d.lost = losses(s)
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
		// What is given up at the first error, and what ends its servers when it ends, has a shell of its own.
		form := "cd %s\n%s"
		if strings.HasPrefix(line, "set -e") || strings.Contains(line, "EXIT\n") {
			form = "cd %s\n(%s)"
		}
		out, status, err = m.Do(ctx, fmt.Sprintf(form, dir, line))
	}
	if err == nil && status != 0 {
		err = fmt.Errorf("status %d", status)
	}
	took := time.Since(began)
	d.took = append(d.took, spent{c.name, took})
	if d.progress != nil {
		fmt.Fprintf(d.progress, "  day %d, %s: %v, %v\n", d.seed, c.name, took.Round(100*time.Millisecond), cmp.Or(err, errors.New("done")))
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
		d.note(a, c.name)
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
