package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// agent is an agent in memory.
type agent struct {
	mu      sync.Mutex // guards what follows
	list    []wormbell.Alert
	calls   []string // what was asked of it that changes something
	refuse  error    // answer to calls that loosen the guard
	gone    bool     // nobody answers
	why     error    // why nobody answers; nil: errGone
	stuck   bool     // it takes what is asked and does not answer
	watch   []chan struct{}
	streams int // of events, that are open
	rows    []wormbell.TrustRow
	guarded []wormbell.Guarded
	used    []wormbell.Usage
	status  wormbell.Status
}

var errGone = fmt.Errorf("%w at /run/x.sock: nobody listens", client.ErrNoAgent)

// end has nobody answer any more, for that reason; begin has it answer again.
func (a *agent) end(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone, a.why = true, why
	for _, w := range a.watch {
		close(w)
	}
	a.watch = nil
}

// dial fails while its socket is closed to us.
func (a *agent) dial() (dashboard.Agent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(a.why, fs.ErrPermission) {
		return nil, a.why
	}
	return a, nil
}

func (a *agent) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone, a.why, a.stuck = false, nil, false
}

// up is nil if it answers; mu is held.
func (a *agent) up() error {
	if !a.gone {
		return nil
	}
	if a.why != nil {
		return a.why
	}
	return errGone
}

func (a *agent) did(call string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.up(); err != nil {
		return err
	}
	a.calls = append(a.calls, call)
	return nil
}

func (a *agent) made() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// add puts an alert in front and tells who watches.
func (a *agent) add(alert wormbell.Alert) {
	a.mu.Lock()
	a.list = append([]wormbell.Alert{alert}, a.list...)
	a.mu.Unlock()
	a.wake()
}

// wake tells who watches that something changed.
func (a *agent) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.watch {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (a *agent) Status(ctx context.Context) (wormbell.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stuck {
		a.mu.Unlock()
		<-ctx.Done()
		a.mu.Lock()
		return wormbell.Status{}, ctx.Err()
	}
	if err := a.up(); err != nil {
		return wormbell.Status{}, err
	}
	s := a.status
	a.status.CPU += 0.004
	return s, nil
}

func (a *agent) Alerts(_ context.Context, all bool) ([]wormbell.Alert, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.up(); err != nil {
		return nil, err
	}
	var out []wormbell.Alert
	for _, x := range a.list {
		if all || x.State == wormbell.Open {
			out = append(out, x)
		}
	}
	return out, nil
}

func (a *agent) Alert(_ context.Context, id string) (wormbell.Alert, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.up(); err != nil {
		return wormbell.Alert{}, err
	}
	for _, x := range a.list {
		if x.ID == id {
			return x, nil
		}
	}
	return wormbell.Alert{}, &client.Error{Status: 404, Text: "there is no such alert"}
}

func (a *agent) loosen(call, id string, state wormbell.State) error {
	if err := a.did(call + " " + id); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != nil {
		return a.refuse
	}
	for i := range a.list {
		if a.list[i].ID == id && state != "" {
			a.list[i].State = state
		}
	}
	return nil
}

func (a *agent) Close(_ context.Context, id, reason string) error {
	return a.loosen("close "+reason, id, wormbell.Closed)
}
func (a *agent) Mute(_ context.Context, id, _ string) error {
	return a.loosen("mute", id, wormbell.Muted)
}
func (a *agent) Reopen(_ context.Context, id, _ string) error {
	return a.loosen("reopen", id, wormbell.Open)
}
func (a *agent) Freeze(_ context.Context, id string) (string, error) {
	return "Stopped 3 processes.", a.did("freeze " + id)
}
func (a *agent) Resume(_ context.Context, id string) (string, error) {
	return "They go on.", a.loosen("resume", id, "")
}
func (a *agent) Kill(_ context.Context, id string) (string, error) {
	return "Ended 3 processes.", a.did("kill " + id)
}
func (a *agent) Act(_ context.Context, id string, x wormbell.Action) error {
	return a.did("act " + x.What + " " + x.Outcome + " " + id)
}
func (a *agent) Credentials(context.Context) ([]wormbell.Guarded, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.guarded, a.up()
}
func (a *agent) Usage(context.Context) ([]wormbell.Usage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used, a.up()
}
func (a *agent) Trust(context.Context) ([]wormbell.TrustRow, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rows, a.up()
}
func (a *agent) Pause(_ context.Context, d time.Duration) error {
	if err := a.loosen("pause "+d.String(), "", ""); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.PausedUntil = nil
	return nil
}
func (a *agent) AddTrust(_ context.Context, r wormbell.TrustRow) (wormbell.TrustRow, error) {
	return r, a.loosen("trust "+r.Who, "", "")
}
func (a *agent) RemoveTrust(_ context.Context, id string) error { return a.loosen("untrust", id, "") }
func (a *agent) Events(ctx context.Context, each func(wormbell.Event) error) error {
	a.mu.Lock()
	err := a.up()
	c := make(chan struct{}, 1)
	if err == nil {
		a.watch = append(a.watch, c)
		a.streams++
	}
	a.mu.Unlock()
	if err == nil {
		err = each(wormbell.Event{Time: day, Kind: wormbell.PackageAdd, Package: &wormbell.Package{Ecosystem: "npm", Name: evilName, Version: "1.0.0"}, Path: "~/app/node_modules/x"})
	}
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-c:
			if !ok {
				return errGone
			}
		}
	}
}

func (a *agent) Changes(ctx context.Context, changed func() error) error {
	c := make(chan struct{}, 1)
	a.mu.Lock()
	err := a.up()
	if err == nil {
		a.watch = append(a.watch, c)
	}
	a.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		if err := changed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-c:
			if !ok {
				return errGone
			}
		}
	}
}

// The day of the alerts, and a name that would do harm wherever it is not escaped.
var day = time.Date(2026, 11, 20, 9, 14, 3, 0, time.UTC)

const evilName = "<script>alert(1)</script>\u202e\x1b[31m\"'><img src=x onerror=alert(2)>"

// chain makes a thief below a package's script below npm below a shell.
func chain(pkg wormbell.Package) (thief, publisher *wormbell.Process) {
	bash := &wormbell.Process{PID: 4100, Start: day, Exe: "/usr/bin/bash", Args: []string{"-bash"}, TTY: "/dev/pts/3", Leader: true, Signer: "deb:bash", Cwd: "/home/dev/app"}
	npm := &wormbell.Process{PID: 4181, Start: day, Exe: "/usr/bin/node", Script: "/usr/share/nodejs/npm/bin/npm-cli.js", Args: []string{"node", "/usr/bin/npm-cli.js", "install", "left-pad"}, TTY: "/dev/pts/3", Signer: "deb:npm", Cwd: "/home/dev/app", Parent: bash}
	sh := &wormbell.Process{PID: 4222, Start: day, Exe: "/usr/bin/dash", Args: []string{"sh", "-c", "node bundle.js"}, TTY: "/dev/pts/3", Signer: "deb:dash", Package: &pkg, Lifecycle: "postinstall", Cwd: "/home/dev/app/node_modules/evil", Parent: npm}
	node := &wormbell.Process{PID: 4223, Start: day, Exe: "/usr/bin/node", Script: "/home/dev/app/node_modules/evil/bundle.js", Args: []string{"node", "bundle.js", "--quiet"}, TTY: "/dev/pts/3", Package: &pkg, Lifecycle: "postinstall", Cwd: sh.Cwd, Secrets: []string{"GITHUB_TOKEN", "NPM_TOKEN"}, Parent: sh}
	hog := &wormbell.Process{PID: 4240, Start: day.Add(time.Second), Exe: "/tmp/.x/trufflehog", Args: []string{"/tmp/.x/trufflehog", "filesystem", "/home/dev", "--json", "--no-verification", "--concurrency", "16"}, Package: &pkg, Lifecycle: "postinstall", Parent: node}
	publish := &wormbell.Process{PID: 4251, Start: day.Add(2 * time.Second), Exe: "/usr/bin/node", Script: "/usr/share/nodejs/npm/bin/npm-cli.js", Args: []string{"node", "/usr/bin/npm-cli.js", "publish", "--access", "public"}, Signer: "deb:npm", Package: &pkg, Lifecycle: "postinstall", Cwd: "/tmp/.x/left-pad", Parent: node}
	_ = hog
	return hog, publish
}

// sweep is a worm's alert.
func sweep(id string, pkg wormbell.Package, at time.Time) wormbell.Alert {
	hog, publish := chain(pkg)
	node := hog.Parent
	read := func(p *wormbell.Process, path string, n time.Duration) wormbell.Event {
		return wormbell.Event{Time: at.Add(n * 40 * time.Millisecond), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: p, Path: path}
	}
	return wormbell.Alert{ID: id, Title: "A package's install script published a package", Advice: "Respond now: its token can publish in your name.", Severity: wormbell.Critical,
		State: wormbell.Open, First: at, Last: at.Add(4 * time.Second), Count: 6,
		Findings: []wormbell.Finding{
			{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High, Summary: "postinstall of " + pkg.String() + " read ~/.npmrc", Evidence: []wormbell.Event{read(node, "~/.npmrc", 0)}},
			{Detector: "credential-sweep", Subject: "tree", Severity: wormbell.Critical, Summary: "one tree read credentials of three kinds", Evidence: []wormbell.Event{read(node, "~/.npmrc", 0), read(hog, "~/.aws/credentials", 1), read(hog, "~/.config/gh/hosts.yml", 2)}},
			{Detector: "publish-by-install-script", Subject: "left-pad", Severity: wormbell.Critical, Summary: "published left-pad@1.3.1 from a postinstall", Evidence: []wormbell.Event{
				{Time: at.Add(3 * time.Second), Kind: wormbell.ManifestChange, Source: "fanotify", Process: node, Path: "~/app/packages/left-pad/package.json", Was: &wormbell.Manifest{Name: "left-pad", Version: "1.3.0", Private: true}, Is: &wormbell.Manifest{Name: "left-pad", Version: "1.3.1"}},
				{Time: at.Add(4 * time.Second), Kind: wormbell.ProcessStart, Source: "procconn", Process: publish, Package: &wormbell.Package{Ecosystem: "npm", Name: "left-pad", Version: "1.3.1"}}}},
		},
		Actions: []wormbell.Action{{Time: at.Add(20 * time.Second), By: "1000", What: "freeze", Outcome: "Stopped 3 processes: bundle.js (pid 4223), trufflehog (pid 4240), npm-cli.js (pid 4251)."}}}
}

// lone is an alert of a program of the person's own.
func lone(id string, at time.Time) wormbell.Alert {
	shell, _ := chain(wormbell.Package{})
	bash := shell.Parent.Parent.Parent.Parent
	p := &wormbell.Process{PID: 5001, Start: at, Exe: "/usr/bin/python3", Script: "/home/dev/bin/backup.py", Args: []string{"python3", "/home/dev/bin/backup.py"}, TTY: "/dev/pts/3", Foreground: true, Parent: bash}
	return wormbell.Alert{ID: id, Title: "An unexpected program read a credential", Severity: wormbell.High, State: wormbell.Open, First: at, Last: at, Count: 1,
		Findings: []wormbell.Finding{{Detector: "credential-read", Subject: "~/.config/gh/hosts.yml", Severity: wormbell.High, Summary: "backup.py read ~/.config/gh/hosts.yml",
			Evidence: []wormbell.Event{{Time: at, Kind: wormbell.FileRead, Source: "fanotify", Process: p, Path: "~/.config/gh/hosts.yml"}}}}}
}

// sample is an agent with something of everything.
func sample() *agent {
	closed := lone("closed01", day.Add(-26*time.Hour))
	closed.State, closed.Severity = wormbell.Closed, wormbell.Medium
	read := day.Add(-time.Minute)
	until := day.Add(30 * 24 * time.Hour)
	return &agent{
		list: []wormbell.Alert{sweep("worm2345", wormbell.Package{Ecosystem: "npm", Name: "evil", Version: "1.0.0"}, day), lone("backup23", day.Add(-3*time.Hour)), closed},
		rows: []wormbell.TrustRow{
			{ID: "abcd2345", Store: "gh", Who: "exe:/usr/bin/python3 script:/home/dev/bin/backup.py", Under: "person", Path: "~/.config/gh/hosts.yml", Reason: "it was me: backup.py read GitHub token (alert backup23)", By: "1000", Until: &until},
			{ID: "npm-reads-npmrc", Store: "npm", Who: "signer:*", Under: "not-a-dependency-script", Reason: "package managers read their own settings", By: "built-in"},
			{ID: "first-1", Store: "npm", Who: "signer:first-use:~/.nvm/versions/node/v22.11.0", Under: "not-a-dependency-script", Reason: "Node from nvm", By: "first-use"}},
		guarded: []wormbell.Guarded{
			{Store: "npm", Kind: "npm tokens", Path: "~/.npmrc", State: wormbell.GuardOn, LastRead: &read, LastBy: "bundle.js (pid 4223), postinstall of evil@1.0.0", Readers: []wormbell.Reader{
				{Time: read, By: "bundle.js (pid 4223), postinstall of evil@1.0.0", Alert: "worm2345"}, {Time: read.Add(-3 * time.Hour), By: "npm-cli.js (pid 3177)"}, {Time: read.Add(-30 * time.Hour)}}},
			{Store: "gh", Kind: "GitHub token", Path: "~/.config/gh/hosts.yml", State: wormbell.GuardOn},
			{Store: "aws", Kind: "AWS keys", Path: "~/.aws/credentials", State: wormbell.GuardNot, Why: "on a network file system"},
			{Store: "cargo", Kind: "crates registry token", Path: "~/.cargo/credentials.toml", State: wormbell.GuardAbsent},
			{Store: "ssh", Kind: "SSH keys", Path: "~/.ssh/id_*", State: wormbell.GuardOff}},
		used: load(),
		status: wormbell.Status{Version: "v0.3.0", PID: 801, User: "0", Privileged: true, Started: day.Add(-52 * time.Hour), Uptime: (52 * time.Hour).Seconds(), CPU: 41.2, RSS: 23 << 20,
			Homes: []string{"/home/dev"}, Alerts: 2, Events: 1203441, Lost: 12,
			Sensors: []wormbell.Sensor{{Name: "credentials", Backend: "fanotify", Who: true, Events: 4211}, {Name: "manifests", Backend: "fanotify", Who: true, Events: 8121},
				{Name: "nodemodules", Backend: "fsnotify", Lost: 12, Events: 90111, Restarts: 1, Why: "overlayfs refuses filesystem marks: only package roots are watched"}, {Name: "processes", Backend: "procconn", Who: true, Events: 1100998}},
			Detectors: []wormbell.DetectorStatus{{ID: "credential-read", Title: "A credential was read by an unexpected program", Sees: "sees"}, {ID: "private-flag-removed", Title: `"private": true was removed`, Sees: "cannot see who"}, {ID: "of-a-newer-agent", Title: "A decoy was read", Sees: "blind"}},
		},
	}
}

// load is what an agent took in a day; it did not run in part of it.
func load() (out []wormbell.Usage) {
	for i := range 144 {
		if i > 60 && i < 75 {
			continue
		}
		u := wormbell.Usage{Time: day.Add(-time.Duration(143-i) * 10 * time.Minute), Seconds: 600, CPU: 1.2 + float64(i%7)*0.4, RSS: int64(21+i%9/3) << 20}
		if i == 100 {
			u.CPU, u.Lost = 21, 12
		}
		out = append(out, u)
	}
	return out
}

// script is a response that does what a test wants.
type script struct {
	mu    sync.Mutex // guards what follows
	began bool
	got   string // the secret that was typed
	said  bool
	hold  chan struct{} // it waits for this before it ends
}

func (s *script) prepare(ctx context.Context, id string, how dashboard.How, person respond.Person) (*dashboard.Prepared, error) {
	return &dashboard.Prepared{
		Steps: []string{"Freeze every process that alert " + id + " is about.", "Look once more for what was left behind. So far:", "  no monitor or young autostart was found among 214 entries and processes",
			"npm:registry.example.com: make a new token with the same grants, and see that it works", fmt.Sprintf("contain now: %v, force: %v", how.ContainNow, how.Force), "End the frozen processes, and close the alert if nothing is left to do."},
		Problems: []string{"~/.config/pnpm/rc: permission denied"},
		Do: func(ctx context.Context) (incident.Result, error) {
			s.mu.Lock()
			s.began = true
			s.mu.Unlock()
			person.Say("Stopped 3 processes.")
			person.Say("A hostile \u202e<b>line</b>")
			if err := person.Browse(ctx, "http://registry.example.com/login"); err == nil {
				return incident.Result{}, errors.New("a page without encryption was shown")
			}
			if err := person.Browse(ctx, "javascript:alert(1)"); err == nil {
				return incident.Result{}, errors.New("a script was shown")
			}
			if err := person.Browse(ctx, "https://registry.example.com/login/abc"); err != nil {
				return incident.Result{}, err
			}
			value, err := person.Secret(ctx, "Password of alice at registry.example.com")
			if err != nil {
				return incident.Result{}, err
			}
			yes, err := person.Confirm(ctx, "This was not there when the plan was made: ~/.config/autostart/x.desktop. Disable it?")
			if err != nil {
				return incident.Result{}, err
			}
			s.mu.Lock()
			s.got, s.said = value.Reveal(), yes
			s.mu.Unlock()
			if s.hold != nil {
				select {
				case <-s.hold:
				case <-ctx.Done():
					return incident.Result{}, ctx.Err()
				}
			}
			return incident.Result{Complete: false, Rotations: []respond.Outcome{{Token: "npm:registry.example.com", Done: true, Sentence: "the new npm token works, and the old one is refused"}},
				Left: []string{"The variable NPM_TOKEN was in the environment of the thief: revoke what it holds."}}, nil
		},
	}, nil
}

// serve runs a dashboard over a until the test ends.
func serve(t testing.TB, a *agent, change func(*dashboard.Config)) *dashboard.Server {
	t.Helper()
	c := dashboard.Config{Dial: a.dial, Words: words.In(language.English), Zone: time.UTC, Host: "laptop",
		Now: time.Now, Prepare: (&script{}).prepare,
		Suggest: func(x wormbell.Alert, last time.Duration, now time.Time) ([]dashboard.Suggestion, string) {
			if x.ID != "backup23" {
				return nil, "A package's script did it, and for those there are no rows."
			}
			until := now.Add(last)
			return []dashboard.Suggestion{{Row: wormbell.TrustRow{Store: "gh", Who: "exe:/usr/bin/python3 script:/home/dev/bin/backup.py", Under: "person", Path: "~/.config/gh/hosts.yml", Reason: "it was me", Until: &until},
				Sentence: "“~/bin/backup.py”, run by “/usr/bin/python3”, may read the GitHub token in “~/.config/gh/hosts.yml”, when a person started it."}}, ""
		}}
	if change != nil {
		change(&c)
	}
	s, err := dashboard.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// watched reports whether somebody watches for changes.
func (a *agent) watched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.watch) > 0
}

// poll waits until something is so.
func poll(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}
