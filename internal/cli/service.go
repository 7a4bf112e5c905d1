package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"wormbell"
	"wormbell/installer"
	"wormbell/internal/plain"
)

// lookTime is how long the service manager is asked for. A hint is not worth more.
const lookTime = 5 * time.Second

// whyNone says what a person can do when no agent answers: that depends on
// whether a service is installed, and how it fares.
func (a *app) whyNone(ctx context.Context) []string {
	try := []string{"or try it out in the foreground: 'sudo wormbell run' ('wormbell run' sees less)", "'wormbell doctor' says what this machine needs"}
	install := append([]string{"'sudo wormbell install' installs and starts it"}, try...)
	if a.socket != "" && a.socket != wormbell.SystemSocket {
		return []string{"'wormbell run' starts one in the foreground, with the same --socket", try[1]}
	}
	if a.look == nil {
		return install
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	s, err := a.look(ctx)
	switch {
	case errors.Is(err, installer.ErrNoManager), errors.Is(err, installer.ErrNoTool):
		return []string{"no service manager that Wormbell knows has started this machine: have what starts your programs run 'wormbelld' as root, and again whenever it ends", try[0], try[1]}
	case err != nil:
		return []string{"whether a service is installed could not be told: " + plain.Text(err.Error()), "'sudo wormbell install' installs or mends it", try[1]}
	}
	return serviceHints(runtime.GOOS, s, install, try[1], a.zone)
}

// serviceHints are the hints for a service that is so.
func serviceHints(goos string, s installer.State, install []string, doctor string, zone *time.Location) []string {
	start, log := "sudo systemctl start wormbelld", "journalctl -u wormbelld"
	switch goos {
	case "darwin":
		start, log = "sudo launchctl kickstart system/"+installer.LaunchdLabel, "tail /var/log/wormbelld.log"
	case "windows":
		start, log = "sc start wormbelld", "eventvwr"
	}
	since := ""
	if !s.Since.IsZero() {
		since = " since " + s.Since.In(zone).Format("2006-01-02 15:04:05")
	}
	switch {
	case s.Masked:
		return []string{"an administrator has forbidden to start the service (it is masked)", "'sudo systemctl unmask wormbelld' allows it again, and '" + start + "' starts it"}
	case !s.Installed:
		return install
	case s.Failing():
		how := plain.Text(s.Result)
		if s.Result == "exit-code" {
			how = fmt.Sprintf("exit status %d", s.Status)
		}
		line := "the service fails" + since + ": its last run ended with " + how
		if s.Restarts > 0 {
			line += fmt.Sprintf(", and it was started again %s", times(s.Restarts))
		}
		return []string{line, "'" + log + "' says why", "'" + start + "' tries again"}
	case s.Active == "active" || s.Active == "activating":
		return []string{"the service runs" + since + ", and does not answer yet: try again in a few seconds", "'" + log + "' says what it does"}
	case s.Active == "deactivating":
		return []string{"the service is ending", "'" + start + "' starts it"}
	}
	hints := []string{"the service is installed and stopped" + since + ": '" + start + "' starts it"}
	if !s.Enabled && goos == "linux" {
		hints = append(hints, "it does not start at boot: 'sudo systemctl enable wormbelld' makes it")
	}
	return append(hints, doctor)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
