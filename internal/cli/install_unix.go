//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"syscall"

	"wormbell/installer"
)

// behindSudo names the person who has become root by sudo, "" if there is none
// that can be told.
func behindSudo() string {
	if os.Geteuid() != 0 {
		return ""
	}
	u, err := user.LookupId(os.Getenv("SUDO_UID"))
	if err != nil || u.Uid == "0" {
		return ""
	}
	return u.Username
}

// asUser runs one of our programs as that user, with our streams, the user's bus
// and nothing else of ours in its environment. An [exitStatus] is an error.
func (a *app) asUser(ctx context.Context, name, program string, args ...string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	cred, err := installer.Credential(u)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = installer.Environ(u)
	cmd.Dir = "/" // the one we are in may be closed to that user
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.streams.In, a.streams.Out, a.streams.Err
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exitStatus(exit.ExitCode())
	}
	return err
}
