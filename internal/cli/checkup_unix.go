//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// owners returns whose a file is.
func owners(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// runAs runs this program as the owner of a home, with that home and nothing of
// root's environment that could lead elsewhere. With --json its output is
// returned, else it goes where ours goes.
func (a *app) runAs(ctx context.Context, h personHome, exe string, args []string) (out []byte, status int, err error) {
	if h.uid < 0 || h.gid < 0 {
		return nil, exitCannot, errors.New("it cannot be told whose home it is")
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = "/"
	cmd.Env = []string{"HOME=" + h.dir, "USER=" + h.name, "LOGNAME=" + h.name, "PATH=/usr/local/bin:/usr/bin:/bin", handedOn + "=1"}
	for _, key := range []string{"LANG", "LC_ALL", "TERM", "NO_COLOR"} {
		if v, ok := os.LookupEnv(key); ok {
			cmd.Env = append(cmd.Env, key+"="+v)
		}
	}
	credential := &syscall.Credential{Uid: uint32(h.uid), Gid: uint32(h.gid)}
	if u, err := user.LookupId(strconv.Itoa(h.uid)); err == nil {
		if ids, err := u.GroupIds(); err == nil {
			for _, id := range ids {
				if n, err := strconv.ParseUint(id, 10, 32); err == nil {
					credential.Groups = append(credential.Groups, uint32(n))
				}
			}
		}
	}
	if h.uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	}
	var buf bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.streams.In, a.streams.Out, a.streams.Err
	if a.json {
		cmd.Stdin, cmd.Stdout = nil, &buf
	}
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		return buf.Bytes(), ended.ExitCode(), nil
	}
	if err != nil {
		return nil, exitCannot, err
	}
	return buf.Bytes(), exitFine, nil
}
