package installer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Local returns this machine. agent asks its agent.
func Local(agent func(ctx context.Context) (version string, pid int, err error)) (*Machine, error) {
	m := &Machine{OS: runtime.GOOS, State: "/var/lib/wormbell", Agent: agent, Owner: owner, Now: time.Now,
		Log: journal, Sessions: sessions, Vaults: func(ctx context.Context) ([]Vault, error) { return vaults(ctx, "/etc/passwd") }}
	m.Manager = booted("/run/systemd/system")
	s, err := systemd()
	m.Service = s
	return m, err
}

// booted reports whether systemd has started this machine: only then there is
// that folder, sd_booted(3). Its programs may be there without it.
func booted(folder string) bool {
	info, err := os.Lstat(folder)
	return err == nil && info.IsDir()
}

// systemd is the service manager. What starts and stops is the library's; what it
// does not do, or not well, is ours (docs/decisions/0004).
func systemd() (Service, error) {
	ctl, err := control("linux", "", "")
	if err != nil {
		return Service{}, err
	}
	does := func(args ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := tool(ctx, "systemctl", args...)
			return err
		}
	}
	return Service{
		Look:    Look,
		Reload:  does("daemon-reload"),
		Enable:  does("enable", ServiceName+".service"),
		Disable: does("disable", ServiceName+".service"),
		// Not the library's, which waits until the unit is ready, for as long as the
		// unit says: we see for ourselves whether the agent answers, and can give up.
		// One that has failed too often is let try again.
		Start: func(ctx context.Context) error {
			_, _ = tool(ctx, "systemctl", "reset-failed", ServiceName+".service") // an error says that it is not loaded yet
			return does("start", "--no-block", ServiceName+".service")(ctx)
		},
		Stop: func(context.Context) error { return ctl.Stop() },
		AutostartTray: func(ctx context.Context, program string) error {
			verb := "enable"
			if program == "" {
				verb = "disable"
			}
			return does("--global", verb, trayUnit)(ctx)
		},
		TrayStarts: func(ctx context.Context) bool {
			out, err := tool(ctx, "systemctl", "--global", "is-enabled", trayUnit)
			return err == nil && strings.TrimSpace(out) == "enabled"
		},
	}, nil
}

// Look asks systemd what it knows of the agent. It needs no root. Without systemd
// it returns [ErrNoManager].
func Look(ctx context.Context) (State, error) {
	if !booted("/run/systemd/system") {
		return State{}, ErrNoManager
	}
	// The times as such are in words, and --timestamp=unix is younger than systemds
	// that are in use.
	out, err := tool(ctx, "systemctl", "show", "--no-pager",
		"--property=LoadState,UnitFileState,ActiveState,Result,ExecMainStatus,NRestarts,FragmentPath,ActiveExitTimestampMonotonic,StateChangeTimestampMonotonic",
		ServiceName+".service")
	if err != nil {
		return State{}, err
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return State{}, err
	}
	return parseShow(out, time.Now().Add(-time.Duration(up.Nano()))), nil
}

// journal returns what the agent, and systemd of it, said last since then.
func journal(ctx context.Context, since time.Time) []string {
	out, err := tool(ctx, "journalctl", "--unit="+ServiceName, "--lines=50", "--output=cat", "--no-pager", "--quiet", fmt.Sprintf("--since=@%d", since.Unix()))
	if err != nil {
		return nil
	}
	return lastWords(out)
}

// sessions lists those who have a desktop on a systemd user manager.
func sessions(ctx context.Context) ([]Session, error) {
	out, err := tool(ctx, "loginctl", "list-sessions", "--no-legend", "--no-pager")
	if err != nil {
		return nil, err
	}
	var list []Session
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line) // session, uid, user, …
		if len(f) < 3 || seen[f[1]] {
			continue
		}
		about, err := tool(ctx, "loginctl", "show-session", "--property=Type", "--property=Class", "--property=State", "--", f[0])
		if err != nil || !graphical(about) && !hasDisplay(ctx, f[1]) {
			continue
		}
		u, err := user.LookupId(f[1])
		if err != nil {
			continue
		}
		do, err := as(u)
		if err != nil {
			continue
		}
		seen[f[1]] = true
		ctl := func(args ...string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := do(ctx, "systemctl", append([]string{"--user"}, args...)...)
				return err
			}
		}
		list = append(list, Session{User: u.Username,
			Start: func(ctx context.Context) error {
				return errors.Join(ctl("daemon-reload")(ctx), ctl("restart", trayUnit)(ctx))
			},
			Stop: ctl("stop", trayUnit),
			Runs: func(ctx context.Context) bool { return ctl("is-active", "--quiet", trayUnit)(ctx) == nil },
		})
	}
	return list, nil
}

// graphical reports whether what loginctl says is of a session with a screen.
func graphical(about string) bool {
	p := properties(about)
	kind := p["Type"] == "x11" || p["Type"] == "wayland" || p["Type"] == "mir"
	return kind && p["Class"] == "user" && p["State"] != "closing"
}

// hasDisplay reports whether the user's manager was told of a screen, as desktops
// tell it that were not started by a login on one (VNC, startx).
func hasDisplay(ctx context.Context, uid string) bool {
	u, err := user.LookupId(uid)
	if err != nil {
		return false
	}
	do, err := as(u)
	if err != nil {
		return false
	}
	out, err := do(ctx, "systemctl", "--user", "show-environment")
	return err == nil && (strings.HasPrefix(out, "DISPLAY=") || strings.Contains(out, "\nDISPLAY=") || strings.Contains(out, "\nWAYLAND_DISPLAY="))
}

// owner asks the system's package managers who owns path.
func owner(ctx context.Context, path string) (string, error) {
	if !exists(path) {
		return "", nil
	}
	if info, err := os.Stat("/var/lib/dpkg/info"); err == nil && info.IsDir() {
		return debOwner("/var/lib/dpkg/info", path)
	}
	for _, one := range []struct {
		system, name string
		args         []string
	}{
		{"rpm", "rpm", []string{"-qf", "--queryformat", "%{NAME}\n", path}},
		{"pacman", "pacman", []string{"-Qoq", path}},
		{"apk", "apk", []string{"info", "-q", "--who-owns", path}},
	} {
		if _, err := lookup(one.name); err != nil {
			continue
		}
		out, err := tool(ctx, one.name, one.args...)
		var said *toolError
		if errors.As(err, &said) && said.exited {
			return "", nil // how they say that nobody owns it
		}
		if err != nil {
			return "", err
		}
		if name := strings.TrimSpace(out); name != "" {
			return one.system + ":" + name, nil
		}
	}
	return "", nil
}

// debOwner looks for path in dpkg's lists of our packages' files. Of others it
// does not ask: nothing else puts our files.
func debOwner(info, path string) (string, error) {
	lists, err := filepath.Glob(filepath.Join(info, "wormbell*.list"))
	if err != nil {
		return "", err
	}
	for _, name := range lists {
		f, err := openRegular(name)
		if err != nil {
			return "", err
		}
		found := false
		for s := bufio.NewScanner(f); s.Scan(); {
			found = found || s.Text() == path
		}
		f.Close()
		if found {
			owner, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".list"), ":")
			return "deb:" + owner, nil
		}
	}
	return "", nil
}
