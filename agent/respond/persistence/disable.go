package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/internal/autostart"
)

// The kinds of steps, as the manifest names them.
const (
	stepMove       = "move"             // a file or a link, into the folder
	stepLine       = "line"             // a line of a file, with the block that it opens, made a remark
	stepJSON       = "json"             // a member of a JSON file
	stepUnit       = "reload"           // the user's service manager forgets its units
	stepCron       = "crontab"          // a line of it
	stepAt         = "at"               // a job
	stepLaunchStop = "launchctl stop"   // SIGSTOP by label
	stepLaunchOut  = "launchctl remove" // from what launchd has loaded
	stepTask       = "task"             // a scheduled task is disabled and ended
	stepRunKey     = "run key"          // a value of the registry
)

// step is one thing to do, and what its restoring takes.
type step struct {
	Kind  string
	From  string   // path, or key
	Old   string   // text that stands there
	At    int      // where in the file it stood when it was looked at
	Names []string // units, jobs, labels, tasks; name and type of a value
}

// Errors of Disable and Restore.
var (
	// ErrByHand is wrapped if only a person can do it; the error says what.
	ErrByHand = errors.New("it must be done by hand")
	// ErrLeft is wrapped if some of it still stands or runs; Done.Left says what.
	ErrLeft = errors.New("not all of it could be disabled")
	// ErrStale is wrapped for a trap that no Look of this process made.
	ErrStale = errors.New("look again: this trap is from an earlier look")
)

// Done says what Disable or Restore did.
type Done struct {
	Folder string   `json:"folder"` // name of the folder in quarantine/, for Restore
	Steps  []string `json:"steps"`  // what was done
	Left   []string `json:"left"`   // what was not, and why
}

func (d *Done) did(format string, args ...any) {
	d.Steps = append(d.Steps, clean(fmt.Sprintf(format, args...)))
}

func (d *Done) leave(format string, args ...any) {
	d.Left = append(d.Left, clean(fmt.Sprintf(format, args...)))
}

// Disable takes the trap out of service, in the order that gives it no
// chance to act: its processes are stopped, which they do not notice; what
// starts it is taken away; the service manager is told to forget it, without
// ending it, since its last commands might be the trap; and only then the
// processes are killed, by a signal that nothing can catch. Nothing is run that
// was found. What was taken is in Done.Folder.
//
// If what starts it cannot be taken away, its processes stay stopped and are
// not killed, for a new one would take their place. Its caller must have asked.
// An error that wraps ErrLeft comes with what was done.
func (f Trap) Disable(ctx context.Context, c Config) (Done, error) {
	c, err := c.complete()
	if err != nil {
		return Done{}, err
	}
	if f.entry == nil {
		return Done{}, fmt.Errorf("disable %s %s: %w", f.What, f.Path, ErrStale)
	}
	if len(f.entry.steps) == 0 && len(f.entry.live) == 0 {
		return Done{}, fmt.Errorf("disable %s %s: %w: %s", f.What, f.Path, ErrByHand, f.entry.byHand)
	}
	if c.State == "" {
		return Done{}, errors.New("disable: no folder was given to keep copies in")
	}
	d := &disabling{scan: newScan(c), trap: f}
	if f.entry.memories != nil {
		d.memories = f.entry.memories // what hangs since the look hangs once
	}
	if err := d.open(); err != nil {
		return Done{}, fmt.Errorf("disable %s %s: %w", f.What, f.Path, err)
	}
	stopped := d.stop(ctx, f.entry.live)
	sure := true
	for _, st := range d.plan() {
		if err := d.step(ctx, st); err != nil {
			d.leave("%s %s: %v", st.Kind, d.files.tilde(st.From), err)
			sure = false
		}
	}
	d.end(ctx, stopped, sure)
	if len(d.Left) > 0 {
		return d.Done, fmt.Errorf("disable %s %s: %w: %s", f.What, f.Path, ErrLeft, strings.Join(d.Left, "; "))
	}
	return d.Done, nil
}

// disabling is one run of Disable.
type disabling struct {
	*scan
	Done
	trap     Trap
	manifest manifest
	folder   string
}

// plan is what to do: what starts it, then its programs.
func (d *disabling) plan() []step {
	e := d.trap.entry
	var programs []step
	if d.trap.Weight == Blocks {
		own, named := d.closure(e)
		for _, g := range own {
			if d.movable(g) && g.shows != (evidence{}) || d.movable(g) && len(own) == 1 {
				programs = append(programs, step{Kind: stepMove, From: g.path})
			}
		}
		for _, g := range named {
			// What it only names may be somebody else's.
			if d.movable(g) && g.shows.harms() && g.place >= inHidden && filepath.Dir(g.real) != d.Home && (d.Since.IsZero() || !g.changed.Before(d.Since)) {
				programs = append(programs, step{Kind: stepMove, From: g.path})
			}
		}
	}
	// Programs go before the manager is told, so that it starts nothing more.
	var out []step
	for _, st := range e.steps {
		if st.Kind == stepUnit || st.Kind == stepLaunchOut {
			out = append(out, programs...)
			programs = nil
		}
		out = append(out, st)
	}
	out = append(out, programs...)
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(st step) bool {
		again := st.Kind == stepMove && seen[st.From]
		seen[st.From] = seen[st.From] || st.Kind == stepMove
		return again
	})
}

// movable reports whether a program may be taken away: the user's own, and not
// what a shell reads, where other things stand as well.
func (d *disabling) movable(g *program) bool {
	if g.gone || g.place < inHome || strings.HasSuffix(g.real, ".json") {
		return false
	}
	return !slices.ContainsFunc(autostart.ShellFiles, func(name string) bool { return g.real == d.files.inHome(name) })
}

// step does one step.
func (d *disabling) step(ctx context.Context, st step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch st.Kind {
	case stepMove:
		return d.move(st)
	case stepLine, stepJSON:
		return d.edit(st)
	case stepCron:
		return d.cron(ctx, st)
	case stepUnit:
		return d.reload(ctx, st)
	case stepAt:
		return d.at(ctx, st)
	}
	return d.system(ctx, st)
}

// edit makes a line a remark, or cuts a member out.
func (d *disabling) edit(st step) error {
	var it item
	err := edit.Apply(st.From, func(data []byte) ([]edit.Change, error) {
		at := nearest(string(data), st.Old, st.At)
		if at < 0 {
			return nil, fmt.Errorf("%w: what was found does not stand there any more", edit.ErrChanged)
		}
		var c edit.Change
		var err error
		if st.Kind == stepJSON {
			c, it, err = cutMember(string(data), at, st.Old)
		} else {
			c, it, err = cutLine(string(data), at, st, d.Now())
		}
		if err != nil {
			return nil, err
		}
		it.Kind, it.From = st.Kind, st.From
		return []edit.Change{c}, d.note(it) // first on record, then done
	})
	if err != nil {
		return err
	}
	d.did("took %s out of %s", d.trap.Entry, d.files.tilde(st.From))
	return nil
}

// cutLine is the change that makes a remark of the line at.
func cutLine(text string, at int, st step, now time.Time) (edit.Change, item, error) {
	block, ok := blockAt(text, at, st.Old, strings.HasSuffix(st.From, ".fish"))
	if !ok {
		return edit.Change{}, item{}, fmt.Errorf("%w: the line is part of a larger command", ErrByHand)
	}
	remark := disabled(block, st.From, now)
	return edit.Change{Span: edit.Span{From: at, To: at + len(block)}, Old: block, New: remark}, item{Old: block, New: remark}, nil
}

// cutMember is the change that cuts a member out of JSON.
func cutMember(text string, at int, old string) (edit.Change, item, error) {
	root, err := parseJSON([]byte(text))
	if err != nil {
		return edit.Change{}, item{}, err
	}
	way := root.way(at)
	if way == nil {
		return edit.Change{}, item{}, fmt.Errorf("%w: it stands elsewhere", edit.ErrChanged)
	}
	n := root.at(way)
	if n == nil || n.keyFrom != at || n.source() != old {
		return edit.Change{}, item{}, fmt.Errorf("%w: it stands elsewhere", edit.ErrChanged)
	}
	from, to := without(text, n)
	rest := text[:from] + text[to:]
	if _, err := parseJSON([]byte(rest)); err != nil {
		return edit.Change{}, item{}, fmt.Errorf("%w: it cannot be cut out", ErrByHand)
	}
	return edit.Change{Span: edit.Span{From: from, To: to}, Old: text[from:to]}, item{Old: old, Parent: way[:len(way)-1]}, nil
}

// nearest is where old stands in text next to at, -1 if nowhere. Only whole
// lines or whole values count.
func nearest(text, old string, at int) int {
	best := -1
	for from := 0; old != ""; {
		i := strings.Index(text[from:], old)
		if i < 0 {
			break
		}
		if i += from; best < 0 || abs(i-at) < abs(best-at) {
			best = i
		}
		from = i + 1
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// cron writes the crontab without the line.
func (d *disabling) cron(ctx context.Context, st step) error {
	text, err := d.Run(ctx, nil, "crontab", "-l")
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.TrimRight(l, "\r\n") == st.Old })
	if i < 0 {
		return fmt.Errorf("%w: the line does not stand there any more", edit.ErrChanged)
	}
	remark := "# disabled by wormbell, " + d.Now().UTC().Format("2006-01-02 15:04") + ": " + st.Old
	if err := d.note(item{Kind: stepCron, From: "crontab", Old: st.Old, New: remark}); err != nil {
		return err
	}
	lines[i] = remark + "\n"
	if _, err := d.Run(ctx, []byte(strings.Join(lines, "")), "crontab", "-"); err != nil {
		return err
	}
	d.did("took %s out of the crontab", d.trap.Entry)
	return nil
}

// reload makes the user's service manager forget units that are gone. It must
// not stop them: that would run their ExecStop, and a handler of SIGTERM.
func (d *disabling) reload(ctx context.Context, st step) error {
	managers := d.managers(ctx)
	_, err := d.Run(ctx, nil, "systemctl", "--user", "daemon-reload")
	if err == nil {
		d.did("told the service manager to forget %s", strings.Join(st.Names, ", "))
		return nil
	}
	if len(managers) == 0 {
		return nil // none runs, so none has loaded it
	}
	for _, m := range managers {
		// systemd(1): SIGHUP is the same as daemon-reload.
		if hup := hangUp(ctx, m, hangUpLimit); hup != nil {
			return fmt.Errorf("the service manager still has it loaded: %w", errors.Join(err, hup))
		}
	}
	d.did("told the service manager by a signal to forget %s", strings.Join(st.Names, ", "))
	return nil
}

// managers are the user's running service managers.
func (d *disabling) managers(ctx context.Context) []*process {
	list, _ := listProcesses(ctx, d.scan)
	return slices.DeleteFunc(list, func(p *process) bool {
		return p.name != "systemd" || !p.stalled && !slices.Contains(p.args, "--user") || d.files.place(d.files.actual(p.exe)) != inSystem
	})
}

// system does what takes a program of the system's.
func (d *disabling) system(ctx context.Context, st step) error {
	name := strings.Join(st.Names, " ")
	gui := fmt.Sprintf("gui/%d/", d.UID)
	var err error
	switch st.Kind {
	case stepLaunchStop:
		// By label, so that no recycled PID is hit; not there is not running.
		_, _ = d.Run(ctx, nil, "launchctl", "kill", "SIGSTOP", gui+name)
		d.did("stopped %s, if it was running", name)
		return nil
	case stepLaunchOut:
		// bootout sends SIGTERM, which a stopped process does not get, and then
		// SIGKILL, which it does.
		if _, kill := d.Run(ctx, nil, "launchctl", "bootout", gui+name); kill != nil {
			_, _ = d.Run(ctx, nil, "launchctl", "kill", "SIGKILL", gui+name)
			if _, still := d.Run(ctx, nil, "launchctl", "print", gui+name); still == nil {
				err = kill
			}
		}
	case stepTask:
		if err = d.note(item{Kind: st.Kind, Names: st.Names}); err == nil {
			if _, err = d.Run(ctx, nil, "schtasks", "/Change", "/TN", name, "/DISABLE"); err == nil {
				_, _ = d.Run(ctx, nil, "schtasks", "/End", "/TN", name) // an error says that it is not running
			}
		}
	case stepRunKey:
		if err = d.note(item{Kind: st.Kind, From: st.From, Old: st.Old, Names: st.Names}); err == nil {
			_, err = d.Run(ctx, nil, "reg", "delete", st.From, "/v", st.Names[0], "/f")
		}
	default:
		err = fmt.Errorf("no step %q: this is a bug", st.Kind)
	}
	if err == nil {
		d.did("disabled %s (%s)", name, st.Kind)
	}
	return err
}

// manifest is what stands in the folder beside what was taken.
type manifest struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Trap    Trap      `json:"trap"`
	Items   []item    `json:"items"`
	Put     time.Time `json:"put_back,omitzero"`
}

// item is one thing that was taken, and where from.
type item struct {
	Kind     string      `json:"kind"`
	From     string      `json:"from,omitempty"`
	Copy     string      `json:"copy,omitempty"` // its name in the folder
	Link     string      `json:"link,omitempty"` // where it led, for a link
	Mode     fs.FileMode `json:"mode,omitempty"`
	Modified time.Time   `json:"modified,omitzero"`
	Old      string      `json:"old,omitempty"` // text that was there
	New      string      `json:"new,omitempty"` // text that is there now
	Parent   []string    `json:"parent,omitempty"`
	Names    []string    `json:"names,omitempty"`
}

const manifestName = "manifest.json"

// open makes the folder.
func (d *disabling) open() error {
	d.Folder = d.Now().UTC().Format("20060102T150405") + "-" + d.trap.ID
	parent := filepath.Join(d.State, "quarantine")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	for n := 2; ; n++ {
		d.folder = filepath.Join(parent, d.Folder)
		err := os.Mkdir(d.folder, 0o700)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) || n > 100 {
			return err
		}
		d.Folder = strings.SplitN(d.Folder, "_", 2)[0] + "_" + itoa(n)
	}
	d.manifest = manifest{Version: 1, Time: d.Now().UTC(), Trap: d.trap, Items: []item{}}
	return d.manifest.write(d.folder)
}

// note puts an item on record, on the disk before anything is touched.
func (d *disabling) note(it item) error {
	d.manifest.Items = append(d.manifest.Items, it)
	return d.manifest.write(d.folder)
}

func (m manifest) write(folder string) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "."+manifestName+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(folder, manifestName))
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(folder)
}
