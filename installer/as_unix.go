//go:build unix

package installer

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// as returns what runs programs of the system as that user, with the user's bus
// and nothing else of ours in their environment. They are in a session of their
// own: the user's other programs may be able to take them over, and could type
// into root's shell if they had its terminal (TIOCSTI, ioctl_tty(2)).
func as(u *user.User) (func(ctx context.Context, name string, args ...string) (string, error), error) {
	cred, err := Credential(u)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, name string, args ...string) (string, error) {
		cmd, cancel, err := command(ctx, name, args...)
		if err != nil {
			return "", err
		}
		defer cancel()
		cmd.Env = Environ(u)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setsid: true}
		return output(cmd)
	}, nil
}

// Credential is with what rights programs of that user run.
func Credential(u *user.User) (*syscall.Credential, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("uid of %q: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("gid of %q: %w", u.Username, err)
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	ids, err := u.GroupIds()
	if err != nil {
		ids = nil // groups of a directory that does not answer: fewer rights, not more
	}
	for _, id := range ids {
		if g, err := strconv.ParseUint(id, 10, 32); err == nil {
			cred.Groups = append(cred.Groups, uint32(g))
		}
	}
	return cred, nil
}

// Environ is a clean environment for programs of that user.
func Environ(u *user.User) []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
	run := "/run/user/" + u.Uid
	if info, err := os.Lstat(run); err == nil && info.IsDir() {
		env = append(env, "XDG_RUNTIME_DIR="+run, "DBUS_SESSION_BUS_ADDRESS=unix:path="+run+"/bus")
	}
	for _, name := range []string{"TERM", "LANG", "LC_ALL", "LC_MESSAGES", "COLORTERM", "NO_COLOR"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
