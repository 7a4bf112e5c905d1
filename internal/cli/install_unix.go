//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"syscall"
	"time"

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

// asUser runs one of our programs as u, with our streams or what c has instead,
// the user's bus and nothing else of ours in its environment. It returns the exit
// status of a program that ended by itself; else there is an error. It is in a
// session of its own: it writes to our terminal, and whoever could take it over
// cannot type into root's shell (TIOCSTI, ioctl_tty(2)). Ctrl-C reaches it by ctx.
func (a *app) asUser(ctx context.Context, u *user.User, c child) (status int, err error) {
	cred, err := installer.Credential(u)
	if err != nil {
		return exitCannot, err
	}
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(installer.Environ(u), c.env...)
	cmd.Dir = "/" // the one we are in may be closed to that user
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.streams.In, a.streams.Out, a.streams.Err
	if c.out != nil {
		cmd.Stdin, cmd.Stdout = nil, c.out
		if c.err != nil {
			cmd.Stderr = c.err
		}
	}
	if c.alone {
		cred.Groups = nil
	}
	if int(cred.Uid) != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setsid: true}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return exitCannot, err
	}
	return exitFine, nil
}
