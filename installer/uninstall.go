package installer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/decoy"
)

// Removal says what is to be removed besides what was put.
type Removal struct {
	Purge bool // also what the agent has stored, and the administrator's settings
	// LeaveVaults goes on although users have tokens in a vault.
	LeaveVaults bool
	// LeaveDecoys leaves the decoys that users have planted where they are.
	LeaveDecoys bool
}

// VaultsError says that users have tokens in a vault, which only 'wormbell' hands
// out, or may have.
type VaultsError struct{ Vaults []Vault }

func (e *VaultsError) Error() string {
	var have, may []string
	for _, v := range e.Vaults {
		switch {
		case v.Broken != nil:
			may = append(may, fmt.Sprintf("%s (%q: %v)", v.User, v.File, v.Broken))
		case v.Tokens > 0:
			have = append(have, fmt.Sprintf("%s (%d)", v.User, v.Tokens))
		default:
			have = append(have, v.User)
		}
	}
	var say []string
	if len(have) > 0 {
		say = append(say, "tokens are in the vault of "+join(have)+"; without Wormbell nothing hands them to a package manager")
	}
	if len(may) > 0 {
		say = append(say, "whether tokens are in the vault could not be told of "+join(may))
	}
	return strings.Join(say, "; ")
}

// Advice says what can be done about it, one sentence each.
func (e *VaultsError) Advice() []string {
	var restore bool
	var say []string
	for _, v := range e.Vaults {
		if v.Broken == nil {
			restore = true
			continue
		}
		say = append(say, fmt.Sprintf("%q is the list of %s's vault: that user can look into it, and mend or remove it", v.File, v.User))
	}
	if restore {
		say = append([]string{"put them back first: 'wormbell vault npm --restore', as that user"}, say...)
	}
	return say
}

// Uninstall plans the removal of what an installation has put, and nothing else.
// It changes nothing. The error wraps [ErrOwned] where a package has put it,
// [ErrNotInstalled] where nothing is, and is a [VaultsError] while tokens are in a
// vault.
func (m *Machine) Uninstall(ctx context.Context, r Removal) (*Plan, error) {
	installed, err := m.manifest()
	if errors.Is(err, ErrNotInstalled) {
		owner, ownErr := m.Owner(ctx, filepath.Join(packagedBin, "wormbelld"))
		if ownErr != nil {
			return nil, fmt.Errorf("ask which package owns the programs: %w", ownErr)
		}
		if owner != "" {
			what := []string{"'" + removal(owner, r.Purge) + "' removes it"}
			if vaults, err := m.Vaults(ctx); err == nil && len(vaults) > 0 {
				left := &VaultsError{vaults}
				what = slices.Concat([]string{left.Error()}, left.Advice(), what)
			}
			if list, err := decoy.ReadList(m.path(m.State)); err == nil && len(list) > 0 {
				what = append([]string{"decoys lie in " + join(homesOf(list)) + ": take them back first: 'wormbell decoy remove --all', as that user"}, what...)
			}
			return nil, advice(fmt.Errorf("%w (%s)", ErrOwned, owner), what...)
		}
		if !r.Purge || !exists(m.path(m.State)) {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if !r.LeaveVaults {
		vaults, err := m.Vaults(ctx)
		if err != nil {
			return nil, fmt.Errorf("look who has tokens in a vault: %w", err)
		}
		if len(vaults) > 0 {
			return nil, &VaultsError{vaults}
		}
	}
	plan := &Plan{}
	u := removing{m: m, plan: plan, installed: installed}
	u.decoys(r.LeaveDecoys)
	if installed.Version != 0 {
		if err := u.stop(ctx); err != nil {
			return nil, err
		}
		if err := u.files(ctx); err != nil {
			return nil, err
		}
	}
	u.state(r.Purge)
	plan.Plan = m.planned(u.jobs)
	do := plan.Do
	plan.Do = func(ctx context.Context) error {
		err := do(ctx)
		var failed *FailedError
		if errors.As(err, &failed) {
			return advice(failed.Err, "what was done stays done; the same command again goes on")
		}
		return err
	}
	return plan, nil
}

// removal is the command with which a package is removed.
func removal(owner string, purge bool) string {
	system, name, _ := strings.Cut(owner, ":")
	switch {
	case system == "deb" && purge:
		return "sudo apt purge " + name + " wormbell-tray"
	case system == "deb":
		return "sudo apt remove " + name + " wormbell-tray"
	case system == "rpm":
		return "sudo rpm -e " + name + " wormbell-tray" // dnf and zypper hear of it, too
	case system == "pacman":
		return "sudo pacman -R " + name + " wormbell-tray"
	case system == "apk":
		return "sudo apk del " + name + " wormbell-tray"
	}
	return "the package manager"
}

type removing struct {
	m         *Machine
	plan      *Plan
	installed Manifest
	jobs      []job
}

// job adds a step. What a removal has done is not undone: the next one goes on.
func (u *removing) job(text string, do func(ctx context.Context) error) {
	u.jobs = append(u.jobs, job{text, func(ctx context.Context) (func(context.Context) error, error) { return nil, do(ctx) }})
}

// decoys plans the removal of what users have planted, while somebody still knows
// where it lies. What is not as it was planted is theirs.
func (u *removing) decoys(leave bool) {
	m := u.m
	state := m.path(m.State)
	list, err := decoy.ReadList(state)
	if err != nil {
		u.note("Which decoys lie in the homes could not be told (%v): they stay.", err)
		return
	}
	if len(list) == 0 {
		return
	}
	if leave {
		u.note("The decoys in %s stay, and nobody watches them.", join(homesOf(list)))
		return
	}
	u.job(fmt.Sprintf("Remove the decoys in %s that are still as they were planted.", join(homesOf(list))), func(context.Context) error {
		for _, d := range list {
			err := decoy.Remove(m.path(d.Home), d.Path, decoy.Put{File: d.File, Made: d.Made})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				u.note("%s of %s stays: %v.", d.Path, d.Home, err)
			}
		}
		if err := os.Remove(filepath.Join(state, decoy.ListName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget the decoys: %w", err)
		}
		return nil
	})
}

// homesOf are the homes in which decoys lie.
func homesOf(list []wormbell.Decoy) (homes []string) {
	for _, d := range list {
		if !slices.Contains(homes, d.Home) {
			homes = append(homes, d.Home)
		}
	}
	slices.Sort(homes)
	return homes
}

// stop plans the end of what runs.
func (u *removing) stop(ctx context.Context) error {
	m := u.m
	if u.installed.Tray {
		sessions, err := m.Sessions(ctx)
		if err != nil {
			u.plan.Notes = append(u.plan.Notes, fmt.Sprintf("Who is logged in could not be told (%v): a tray that runs goes on until its user logs out.", err))
		}
		for _, s := range sessions {
			if s.Runs(ctx) {
				u.job("End the tray of "+s.User+".", func(ctx context.Context) error {
					if err := s.Stop(ctx); err != nil {
						u.plan.Notes = append(u.plan.Notes, fmt.Sprintf("The tray of %s did not end: %v.", s.User, err))
					}
					return nil
				})
			}
		}
		if m.Manager && m.Service.AutostartTray != nil && m.Service.TrayStarts(ctx) {
			u.job("Have the tray no longer started at login.", func(ctx context.Context) error { return m.Service.AutostartTray(ctx, "") })
		}
	}
	if !m.Manager {
		return nil
	}
	state, err := m.Service.Look(ctx)
	if err != nil {
		return fmt.Errorf("ask the service manager: %w", err)
	}
	if state.Installed && state.Active != "inactive" && state.Active != "failed" {
		u.job("Stop the agent: this machine is not guarded any more.", m.Service.Stop)
	}
	if state.Enabled && m.Service.Disable != nil {
		u.job("Have the agent no longer started at boot.", m.Service.Disable)
	}
	if state.Installed && m.Service.Delete != nil {
		u.job("Take the service "+ServiceName+" off the list of services.", m.Service.Delete)
	}
	return nil
}

// files plans the removal of what the manifest lists.
func (u *removing) files(ctx context.Context) error {
	m := u.m
	var paths []string
	for _, e := range u.installed.Files {
		info, err := os.Lstat(m.path(e.Path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("look at %q: %w", e.Path, err)
		case !info.Mode().IsRegular():
			u.note("%s stays: it is not the file that was put there.", e.Path)
			continue
		}
		if owner, err := m.Owner(ctx, e.Path); err != nil || owner != "" {
			u.note("%s stays: it belongs to the package %s now.", e.Path, owner)
			continue
		}
		if err := m.guarded(filepath.Dir(e.Path)); err != nil && e.Kind == "" { // it could lead root to another file of that name
			u.note("%s stays: %v.", e.Path, err)
			continue
		}
		if sum, err := sumOf(m.path(e.Path)); err != nil || sum != e.SHA256 {
			u.note("%s was changed since it was put there; it is removed all the same.", e.Path)
		}
		paths = append(paths, e.Path)
	}
	if len(paths) > 0 {
		u.job("Remove "+byFolder(paths)+".", func(ctx context.Context) error {
			for _, p := range paths {
				if err := os.Remove(m.path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove %q: %w", p, err)
				}
				m.sweep(filepath.Dir(p))
			}
			return nil
		})
	}
	if m.Manager && m.Service.Reload != nil {
		u.job("", m.Service.Reload)
	}
	return nil
}

// byFolder lists files with those of one folder together.
func byFolder(paths []string) string {
	var parts, group []string
	flush := func() {
		if len(group) > 0 {
			parts = append(parts, names(group))
		}
		group = nil
	}
	for _, p := range slices.SortedFunc(slices.Values(paths), func(a, b string) int {
		if c := strings.Compare(filepath.Dir(a), filepath.Dir(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	}) {
		if len(group) > 0 && filepath.Dir(group[0]) != filepath.Dir(p) {
			flush()
		}
		group = append(group, p)
	}
	flush()
	return strings.Join(parts, "; ")
}

func (u *removing) note(format string, a ...any) {
	u.plan.Notes = append(u.plan.Notes, fmt.Sprintf(format, a...))
}

// runtimeFolder is where the agent serves its socket.
const runtimeFolder = "/run/wormbell"

// state plans what becomes of the agent's state and the administrator's settings.
func (u *removing) state(purge bool) {
	m := u.m
	if !purge {
		if exists(m.path(m.State)) {
			u.note("%s stays, with the alerts and the trust rows; 'wormbell uninstall --purge' removes it, too.", m.State)
		}
		if u.installed.Version != 0 {
			u.job("Forget what was put where.", func(context.Context) error {
				err := os.Remove(m.path(m.manifestPath()))
				return errors.Join(err, m.forgetPrevious(), u.madeFolders())
			})
		}
		return
	}
	var gone []string
	for _, dir := range []string{m.State, "/etc/wormbell", runtimeFolder} {
		if dir != m.State && m.OS != "linux" {
			continue
		}
		if exists(m.path(dir)) {
			gone = append(gone, dir)
		}
	}
	if len(gone) == 0 {
		return
	}
	u.job("Remove "+join(gone)+" with all that is in them: alerts, trust rows, settings. They cannot be had back.", func(context.Context) error {
		var errs []error
		for _, dir := range gone {
			errs = append(errs, os.RemoveAll(m.path(dir)))
		}
		return errors.Join(append(errs, u.madeFolders())...)
	})
}

// madeFolders removes the folders that were made for what was put, if nothing
// else is in them.
func (u *removing) madeFolders() error { return u.m.unmake(u.installed.Folders) }
