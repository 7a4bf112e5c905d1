package installer

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"time"
)

// Local returns this machine. Its agent cannot be asked yet: who serves a socket
// is not told by this system so far.
//
// Written from launchctl(1) and launchd.plist(5), and not run on a Mac yet.
func Local(_ func(ctx context.Context) (version string, pid int, err error)) (*Machine, error) {
	ctl, err := control("darwin", "", "")
	if err != nil {
		return nil, err
	}
	return &Machine{OS: runtime.GOOS, Manager: true, State: "/var/lib/wormbell", Now: time.Now,
		Owner:    func(context.Context, string) (string, error) { return "", nil }, // there are no packages of ours for this system
		Sessions: func(context.Context) ([]Session, error) { return nil, nil },     // launchd starts the LaunchAgent at the next login
		Vaults:   func(context.Context) ([]Vault, error) { return vaultsBelow("/Users") },
		Service: Service{
			Look:  Look,
			Start: func(context.Context) error { return ctl.Start() },
			Stop:  func(context.Context) error { return ctl.Stop() },
		},
	}, nil
}

// daemonFile is the agent's property list; that it lies there is what makes
// launchd start it at boot.
const daemonFile = "/Library/LaunchDaemons/" + LaunchdLabel + ".plist"

// Look asks launchd what it knows of the agent.
func Look(ctx context.Context) (State, error) {
	s := State{Active: "inactive", File: daemonFile}
	s.Installed = exists(daemonFile)
	s.Enabled = s.Installed
	out, err := tool(ctx, "launchctl", "print", "system/"+LaunchdLabel)
	var said *toolError
	if errors.As(err, &said) && said.exited {
		return s, nil // how it says that it has loaded no such service
	}
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(out) {
		if strings.TrimSpace(line) == "state = running" {
			s.Active = "active"
		}
	}
	return s, nil
}

// vaultsBelow lists the users who have something in a vault and whose homes lie in dir.
func vaultsBelow(dir string) ([]Vault, error) {
	homes, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []Vault
	for _, h := range homes {
		info, err := os.Stat(dir + "/" + h.Name())
		if err != nil || !info.IsDir() {
			continue
		}
		n, err := vaulted(dir+"/"+h.Name(), ownerOf(info))
		if err == nil && n > 0 || err != nil && !os.IsNotExist(err) {
			list = append(list, Vault{User: h.Name(), Tokens: n})
		}
	}
	return list, nil
}
