package installer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/mgr"
)

// runKey is where Windows looks for what is started at every login, of everybody.
const runKey = `Software\Microsoft\Windows\CurrentVersion\Run`

// Local returns this machine. Its agent cannot be asked yet: who serves a socket
// is not told by this system so far.
//
// Not run on Windows yet.
func Local(_ func(ctx context.Context) (version string, pid int, err error)) (*Machine, error) {
	state := `C:\ProgramData\Wormbell`
	if dir := os.Getenv("ProgramData"); filepath.IsAbs(dir) {
		state = filepath.Join(dir, "Wormbell")
	}
	ctl, err := control("windows", "", state)
	if err != nil {
		return nil, err
	}
	return &Machine{OS: runtime.GOOS, Manager: true, State: state, Now: time.Now,
		Owner:    func(context.Context, string) (string, error) { return "", nil }, // there are no packages of ours for this system
		Sessions: func(context.Context) ([]Session, error) { return nil, nil },     // the Run key starts the tray at the next login
		Vaults:   func(context.Context) ([]Vault, error) { return nil, nil },       // there is no vault on Windows yet
		Service: Service{
			Look: Look,
			Create: func(_ context.Context, program string) error {
				c, err := control("windows", program, state)
				if err != nil {
					return err
				}
				return c.Install()
			},
			Delete:        func(context.Context) error { return ctl.Uninstall() },
			Start:         func(context.Context) error { return ctl.Start() },
			Stop:          func(context.Context) error { return ctl.Stop() },
			AutostartTray: autostartTray,
			TrayStarts: func(context.Context) bool {
				k, err := registry.OpenKey(registry.LOCAL_MACHINE, runKey, registry.QUERY_VALUE)
				if err != nil {
					return false
				}
				defer k.Close()
				_, _, err = k.GetStringValue(runKeyValue)
				return err == nil
			},
		},
	}, nil
}

// autostartTray sets or, for "", removes our value of the Run key.
func autostartTray(_ context.Context, program string) error {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, runKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	if program != "" {
		return k.SetStringValue(runKeyValue, runCommand(program))
	}
	if err := k.DeleteValue(runKeyValue); err != nil && !errors.Is(err, registry.ErrNotExist) {
		return err
	}
	return nil
}

// Look asks the service control manager what it knows of the agent.
func Look(context.Context) (State, error) {
	s := State{Active: "inactive"}
	ctl, err := control("windows", "", "")
	if err != nil {
		return s, err
	}
	status, err := ctl.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Installed, s.Enabled = true, true
	if status == service.StatusRunning {
		s.Active = "active"
	}
	// The library does not say whether it starts at boot.
	h, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return s, err
	}
	m := &mgr.Mgr{Handle: h}
	defer m.Disconnect()
	name, err := windows.UTF16PtrFromString(ServiceName)
	if err != nil {
		return s, err
	}
	one, err := windows.OpenService(h, name, windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return s, err
	}
	known := &mgr.Service{Name: ServiceName, Handle: one}
	defer known.Close()
	c, err := known.Config()
	if err != nil {
		return s, err
	}
	s.Enabled = c.StartType == mgr.StartAutomatic
	s.File = c.BinaryPathName
	return s, nil
}
