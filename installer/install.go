package installer

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config says what is to be installed.
type Config struct {
	Source string // folder of the programs that are to be installed, absolute
	Prefix string // "" for the machine's default
	Tray   bool   // also what shows in desktops, if Source has it
	Start  bool   // start the agent and the tray now
	// Share are files below the prefix's share: completions, man pages. Path is
	// relative.
	Share []File
}

// ErrOwned is wrapped by errors that say that a package of the system has put
// Wormbell on the machine, and so must change it.
var ErrOwned = errors.New("a package of the system has put Wormbell on this machine")

// ErrNoManager says that nothing here starts a service and keeps it running that
// we know how to ask, as in most containers.
var ErrNoManager = errors.New("no service manager that Wormbell knows has started this machine (there is no systemd)")

// AdviceError is an error with what a person can do about it.
type AdviceError struct {
	Err    error
	Advice []string // one sentence each
}

func (e *AdviceError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *AdviceError) Unwrap() error { return e.Err }

func advice(err error, advice ...string) error { return &AdviceError{err, advice} }

// packaged are where packages put the programs.
const packagedBin = "/usr/bin"

// Version is the version of the program at path as its build says, "" if it does
// not.
func Version(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil || info.Main.Version == "(devel)" {
		return ""
	}
	return info.Main.Version
}

// Install plans an installation, or an upgrade of one. It changes nothing.
func (m *Machine) Install(ctx context.Context, c Config) (*Plan, error) {
	if c.Prefix == "" {
		c.Prefix = m.DefaultPrefix()
	}
	if !filepath.IsAbs(c.Prefix) {
		return nil, fmt.Errorf("prefix %q is not an absolute path", c.Prefix)
	}
	for _, p := range []string{"wormbelld", "wormbell"} {
		if !m.has(c.Source, p) {
			return nil, advice(fmt.Errorf("there is no %s in %q", m.programName(p), c.Source),
				"install from the folder that a release or 'make build' has put the programs in, all beside each other")
		}
	}
	owner, err := m.Owner(ctx, filepath.Join(packagedBin, "wormbelld"))
	if err != nil {
		return nil, fmt.Errorf("ask which package owns the programs: %w", err)
	}
	if owner != "" && m.path(packagedBin) != c.Source {
		return nil, advice(fmt.Errorf("%w (%s)", ErrOwned, owner),
			"upgrade it with the package manager, and run '"+packagedBin+"/wormbell install' to start it",
			"or remove the package first")
	}
	if owner == "" {
		if err := m.guarded(m.bin(c.Prefix)); err != nil {
			return nil, advice(fmt.Errorf("the programs would not be safe there: %w", err),
				"make these folders root's alone, or choose others with --prefix")
		}
	}
	var state State
	if m.Manager {
		if state, err = m.Service.Look(ctx); err != nil {
			return nil, fmt.Errorf("ask the service manager: %w", err)
		}
		if state.Masked {
			return nil, advice(errors.New("an administrator has forbidden to start the agent (the unit is masked)"), "'sudo systemctl unmask wormbelld' allows it again")
		}
	} else if c.Start {
		return nil, advice(ErrNoManager,
			"--no-start puts the files there; then have your init run 'wormbelld' as root, and again whenever it ends",
			"'sudo wormbell run' tries it out in a terminal")
	}
	version, _, agentErr := m.ask(ctx)
	if m.Agent == nil && !state.Running() {
		agentErr = errors.New("it does not run")
	}
	if agentErr == nil && c.Start && !state.Running() {
		return nil, advice(errors.New("an agent runs already that the service manager did not start"), "end it first ('wormbell status' names its pid), then install")
	}
	in := installation{m: m, c: c, state: state, running: agentErr == nil, version: version, plan: &Plan{}}
	if m.Agent == nil && c.Start {
		in.note("Whether the agent answers cannot be asked on this system yet: the service manager's word is taken for it.")
	}
	if in.withTray = c.Tray && m.has(c.Source, tray); c.Tray && !in.withTray {
		in.note("There is no %s in %s: nothing will show in desktops.", m.programName(tray), c.Source)
	}
	if owner != "" {
		in.want = Version(filepath.Join(c.Source, m.programName("wormbelld")))
		return in.packaged(ctx, owner)
	}
	from, err := m.read(c.Source, in.withTray)
	if err != nil {
		return nil, err
	}
	in.want = from.version
	return in.files(ctx, from)
}

// installation is a plan in the making.
type installation struct {
	m        *Machine
	c        Config
	state    State
	running  bool   // an agent answers
	version  string // of the agent that answers
	want     string // version that is installed; "" if the build does not say
	withTray bool
	plan     *Plan
	jobs     []job
	made     []string // folders that were made, those above first
}

func (in *installation) note(format string, a ...any) {
	in.plan.Notes = append(in.plan.Notes, fmt.Sprintf(format, a...))
}

func (in *installation) thereAlready(format string, a ...any) {
	in.plan.There = append(in.plan.There, fmt.Sprintf(format, a...))
}

func (in *installation) job(text string, do func(context.Context) (func(context.Context) error, error)) {
	in.jobs = append(in.jobs, job{text, do})
}

// done makes the plan of what was gathered.
func (in *installation) done() *Plan {
	in.plan.Plan = in.m.planned(in.jobs)
	return in.plan
}

// packaged plans what is left to do where a package has put the files.
func (in *installation) packaged(ctx context.Context, owner string) (*Plan, error) {
	in.plan.Program = filepath.Join(packagedBin, "wormbell")
	in.thereAlready("The files are there; they belong to the package %s.", owner)
	if !in.c.Start {
		return in.done(), nil
	}
	in.begin(in.running && (in.version == in.want || in.want == ""), func() string { return filepath.Join(packagedBin, "wormbelld") })
	if in.withTray {
		in.desktops(ctx, false)
	}
	if in.state.File != "" && strings.HasPrefix(in.state.File, "/etc/") {
		in.note("The unit %s of the administrator is used instead of the package's.", in.state.File)
	}
	return in.done(), nil
}

// files plans an installation of files.
func (in *installation) files(ctx context.Context, from *source) (*Plan, error) {
	m, c := in.m, in.c
	old, err := m.manifest()
	if err != nil && !errors.Is(err, ErrNotInstalled) {
		return nil, err
	}
	files, err := m.layout(c, from, in.withTray)
	if err != nil {
		return nil, err
	}
	files = in.unsafe(files)
	in.plan.Program = filepath.Join(m.bin(c.Prefix), m.programName("wormbell"))
	next := Manifest{Version: 1, Wormbell: in.want, Prefix: c.Prefix, Time: m.Now().UTC().Truncate(time.Second), Tray: in.withTray, Started: c.Start, Folders: slices.Clone(old.Folders)}
	var change []File
	for _, f := range files {
		next.Files = append(next.Files, Entry{Path: f.Path, SHA256: f.sum(), Kind: map[kind]string{program: "program", unit: "unit"}[f.kind]})
		ok, err := m.there(f)
		if err != nil {
			return nil, fmt.Errorf("look at %q: %w", f.Path, err)
		}
		if !ok {
			change = append(change, f)
		}
	}
	in.plan.Notes = append(in.plan.Notes, from.where(change)...)
	var obsolete []string
	for _, e := range old.Files {
		if !slices.ContainsFunc(files, func(f File) bool { return f.Path == e.Path }) && exists(m.path(e.Path)) {
			if owner, err := m.Owner(ctx, e.Path); err != nil || owner != "" {
				in.note("%s stays: it belongs to the package %s now.", e.Path, owner)
				continue
			}
			if err := m.guarded(filepath.Dir(e.Path)); err != nil {
				in.note("%s stays: %v.", e.Path, err)
				continue
			}
			obsolete = append(obsolete, e.Path)
		}
	}
	moved := slices.ContainsFunc(change, func(f File) bool { return f.kind == program || f.kind == unit })
	if moved && c.Start && m.Manager {
		if in.state.alive() {
			in.stopOld()
		}
		in.keepState()
	}
	in.folders()
	in.put(change, obsolete, files)
	if m.Manager {
		in.register()
	}
	if c.Start {
		same := in.running && !moved && (in.version == in.want || in.want == "")
		in.begin(same, func() string { return filepath.Join(m.bin(c.Prefix), m.programName("wormbelld")) })
	} else if m.Manager {
		in.enable()
	}
	if in.withTray {
		if c.Start {
			in.desktops(ctx, moved)
		} else {
			in.autostart()
		}
	}
	in.remember(old, next)
	return in.done(), nil
}

// unsafe leaves out the extras whose folders others than root can change: they
// could lead root's writes, and later its removals, to another file of that name.
func (in *installation) unsafe(files []File) []File {
	return slices.DeleteFunc(files, func(f File) bool {
		if f.kind != extra {
			return false // the programs' folder was looked at, the others are the system's
		}
		err := in.m.guarded(filepath.Dir(f.Path))
		if err != nil {
			in.note("%s is left out: %v.", f.Path, err)
		}
		return err != nil
	})
}

// stopOld ends the agent that runs, and keeps a copy of its state until the new
// one answers.
func (in *installation) stopOld() {
	m := in.m
	what := "the agent that runs"
	switch {
	case !in.running:
		what = "the agent, which does not answer"
	case in.version != "":
		what += " (" + in.version + ")"
	}
	in.job(fmt.Sprintf("Stop %s. Its programs and a copy of its alerts and trust rows are kept until the new one answers; if it does not, all is put back and this one started again.", what),
		func(ctx context.Context) (func(context.Context) error, error) {
			start := func(ctx context.Context) error {
				if err := m.Service.Start(ctx); err != nil {
					return fmt.Errorf("start the old agent: %w", err)
				}
				if !in.running {
					return nil // it did not answer before, either
				}
				if err := m.await(ctx, ""); err != nil {
					return fmt.Errorf("the old agent: %w", err)
				}
				return nil
			}
			if err := m.Service.Stop(ctx); err != nil {
				return start, fmt.Errorf("stop the agent: %w", err)
			}
			return start, nil
		})
}

// keepState copies what the agent has stored, for the case that all is put back.
func (in *installation) keepState() {
	if !exists(in.m.path(filepath.Join(in.m.State, database))) {
		return
	}
	in.job("", func(context.Context) (func(context.Context) error, error) {
		restore, err := in.m.keepState()
		return func(context.Context) error { return restore() }, err
	})
}

// settingsFolders are where the administrator's settings and trust rows lie.
var settingsFolders = []string{"/etc/wormbell/conf.d", "/etc/wormbell/trust.d"}

// folders makes what the agent and the administrator need.
func (in *installation) folders() {
	m := in.m
	type folder struct {
		path string
		mode fs.FileMode
	}
	want := []folder{{m.State, 0o700}}
	if m.OS == "linux" {
		for _, d := range settingsFolders {
			want = append(want, folder{d, 0o755})
		}
	}
	var missing []folder
	var names []string
	for _, d := range want {
		info, err := os.Lstat(m.path(d.path))
		if err == nil && info.IsDir() && (m.OS == "windows" || info.Mode().Perm() == d.mode) {
			continue
		}
		missing, names = append(missing, d), append(names, d.path)
	}
	if len(missing) == 0 {
		in.thereAlready("The folders for state and settings are there.")
		return
	}
	in.job("Make the folders "+join(names)+"; into "+m.State+" only root can look.", func(context.Context) (func(context.Context) error, error) {
		var made []string
		undo := func(context.Context) error { return m.unmake(made) }
		for _, d := range missing {
			more, err := m.folders(d.path, d.mode)
			made = append(made, more...)
			if err == nil && len(more) == 0 {
				err = m.chmod(d.path, d.mode)
			}
			if err != nil {
				return undo, fmt.Errorf("make the folder %q: %w", d.path, err)
			}
		}
		in.made = append(in.made, made...)
		return undo, nil
	})
}

// chmod gives a folder that is there its mode.
func (m *Machine) chmod(path string, mode fs.FileMode) error {
	info, err := os.Lstat(m.path(path))
	if err == nil && (!info.IsDir() || !ownedByUs(info)) {
		err = fmt.Errorf("%q is not a folder of root's", path)
	}
	if err != nil {
		return err
	}
	return os.Chmod(m.path(path), mode)
}

// put plans what is copied and removed. It is done as one: the last of its
// sentences does it all.
func (in *installation) put(change []File, obsolete []string, all []File) {
	of := func(list []File, k kind) (paths []string) {
		for _, f := range list {
			if f.kind == k {
				paths = append(paths, f.Path)
			}
		}
		return paths
	}
	var say []string
	sentence := func(k kind, put, there string) {
		if list := of(change, k); len(list) > 0 {
			say = append(say, fmt.Sprintf(put, names(list)))
		} else if list := of(all, k); len(list) > 0 {
			in.thereAlready(there, names(list))
		}
	}
	version := ""
	if in.want != "" {
		version = " (" + in.want + ")"
	}
	sentence(program, "Put the programs %s"+version+".", "The programs are there: %s"+version+".")
	sentence(unit, "Put the service's file %s.", "The service's file %s is there.")
	sentence(autostart, "Put what starts the tray in desktops: %s.", "What starts the tray in desktops is there: %s.")
	sentence(extra, "Put completions of shells and pages of the manual: %s.", "Completions and pages of the manual are there: %s.")
	if len(obsolete) > 0 {
		say = append(say, "Remove what the installed version had and this one has not: "+names(obsolete)+".")
	}
	if len(say) == 0 {
		return
	}
	reload := in.m.Service.Reload
	if !in.m.Manager || reload == nil {
		reload = func(context.Context) error { return nil }
	}
	// Undone after the files are put back.
	in.job("", func(context.Context) (func(context.Context) error, error) { return reload, nil })
	for _, text := range say[:len(say)-1] {
		in.job(text, func(context.Context) (func(context.Context) error, error) { return nil, nil })
	}
	in.job(say[len(say)-1], in.m.put(change, obsolete, &in.made))
	in.job("", func(ctx context.Context) (func(context.Context) error, error) {
		if err := reload(ctx); err != nil {
			return nil, fmt.Errorf("make the service manager read its files: %w", err)
		}
		return nil, nil
	})
}

// remember writes down what was put where, and lets go of what was kept.
func (in *installation) remember(old, next Manifest) {
	m := in.m
	if len(in.jobs) == 0 && slices.Equal(old.Files, next.Files) && old.Version == 1 {
		return
	}
	in.job("Note in "+m.manifestPath()+" what was put where, so that 'wormbell uninstall' removes that and nothing else.",
		func(context.Context) (func(context.Context) error, error) {
			for _, d := range in.made {
				if !slices.Contains(next.Folders, d) {
					next.Folders = append(next.Folders, d)
				}
			}
			if err := m.writeManifest(next); err != nil {
				return nil, fmt.Errorf("write %q: %w", m.manifestPath(), err)
			}
			if err := m.forgetPrevious(); err != nil { // it is installed all the same
				in.note("%v", err)
			}
			return nil, nil
		})
}

// forgetPrevious removes what was kept for the case that all is put back.
func (m *Machine) forgetPrevious() error {
	if err := os.RemoveAll(m.path(m.previous())); err != nil {
		return fmt.Errorf("remove what was kept of the old version: %w", err)
	}
	return nil
}

// names writes paths that lie in one folder as such.
func names(paths []string) string {
	dir := filepath.Dir(paths[0])
	short := make([]string, 0, len(paths))
	for _, p := range paths {
		if filepath.Dir(p) != dir {
			return join(paths)
		}
		short = append(short, filepath.Base(p))
	}
	if len(paths) == 1 {
		return paths[0]
	}
	return join(short) + " in " + dir
}

// join writes a list as a sentence has it.
func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
