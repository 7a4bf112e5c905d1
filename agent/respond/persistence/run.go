package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	runLimit  = 15 * time.Second // launchd takes five to end what is stopped
	maxOutput = 16 << 20
)

// systemFolders are where programs of the system's are. PATH is not asked: what
// we look for may have put a crontab of its own first.
func systemFolders() []string {
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(os.Getenv("SystemRoot"), "System32")}
	}
	return []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"}
}

// kept are the variables that such a program needs. Others may make it load
// code.
var kept = []string{"HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SystemRoot", "SystemDrive", "USERPROFILE", "USERNAME", "TEMP", "TMP", "windir"}

// runSystem runs a program of the system's, without a shell, and returns what
// it printed; what it printed on standard error is in the error.
func runSystem(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error) {
	path := ""
	for _, dir := range systemFolders() {
		p := filepath.Join(dir, name)
		if runtime.GOOS == "windows" {
			p += ".exe"
		}
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			path = p
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("run %q: %w", name, exec.ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = string(filepath.Separator)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"LC_ALL=C", "PATH=" + strings.Join(systemFolders(), string(filepath.ListSeparator))}
	for _, k := range kept {
		if v, ok := os.LookupEnv(k); ok {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	var out, problem limited
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &problem
	if err := cmd.Run(); err != nil {
		if line, _, _ := strings.Cut(problem.kept.String(), "\n"); line != "" {
			return out.kept.Bytes(), fmt.Errorf("run %q: %w: %s", name, err, clean(line))
		}
		return out.kept.Bytes(), fmt.Errorf("run %q: %w", name, err)
	}
	return out.kept.Bytes(), nil
}

// limited keeps the first 16 MiB of what is written to it. The buffer is no part
// of it: what copies to it would go around the limit (io.ReaderFrom).
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := maxOutput - l.kept.Len(); room > 0 {
		l.kept.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// missingProgram reports whether a program is not installed, so that there is
// nothing of its kind.
func missingProgram(err error) bool { return errors.Is(err, exec.ErrNotFound) }
