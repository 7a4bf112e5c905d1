package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The oldest kernel whose fanotify and proc connector were measured
// (docs/architecture.md).
const wantMajor, wantMinor = 5, 15

func kernel(_ context.Context, m Machine) Result {
	if runtime.GOOS != "linux" {
		return warn("on "+runtime.GOOS+" files and processes are polled for now", "")
	}
	release, err := sysctl(m, "kernel/osrelease")
	if err != nil {
		return unknown(err.Error())
	}
	major, minor, valid := parseRelease(release)
	switch {
	case !valid:
		return unknown(fmt.Sprintf("cannot read the kernel's version %q", release))
	case major < wantMajor || major == wantMajor && minor < wantMinor:
		return warn(fmt.Sprintf("Linux %s is older than %d.%d; some sensors fall back to weaker ones", release, wantMajor, wantMinor), "upgrade the kernel")
	}
	return ok("Linux " + release)
}

// parseRelease reads "6.1.0-18-amd64".
func parseRelease(s string) (major, minor int, valid bool) {
	first, rest, found := strings.Cut(s, ".")
	if !found {
		return 0, 0, false
	}
	second := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		second = rest[:i]
	}
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err1 == nil && err2 == nil
}

// Limits below which the backends without root run dry.
const (
	fewWatches   = 65536
	fewInstances = 64
)

func inotify(_ context.Context, m Machine) Result {
	if runtime.GOOS != "linux" {
		return ok("not needed on " + runtime.GOOS)
	}
	if m.uses("fanotify") && !m.uses("inotify") && !m.uses("fsnotify") {
		return ok("not needed: the agent sees files by fanotify")
	}
	watches, err1 := number(m, "fs/inotify/max_user_watches")
	instances, err2 := number(m, "fs/inotify/max_user_instances")
	switch {
	case err1 != nil || err2 != nil:
		return unknown(errors.Join(err1, err2).Error())
	case watches < fewWatches:
		return warn(fmt.Sprintf("a user may watch only %d files and folders; without root, projects beyond that are polled", watches),
			"sudo sysctl fs.inotify.max_user_watches=524288, and put it into /etc/sysctl.d to keep it")
	case instances < fewInstances:
		return warn(fmt.Sprintf("a user may have only %d inotify instances, and editors use many", instances),
			"sudo sysctl fs.inotify.max_user_instances=512, and put it into /etc/sysctl.d to keep it")
	}
	return ok(fmt.Sprintf("a user may watch %d files and folders", watches))
}

func number(m Machine, name string) (int, error) {
	s, err := sysctl(m, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return n, nil
}

// sysctl reads one kernel setting.
func sysctl(m Machine, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(m.Proc, "sys", name))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// npmTime bounds how long npm may take to say its version.
const npmTime = 10 * time.Second

func npm(ctx context.Context, _ Machine) Result {
	path, err := exec.LookPath("npm")
	if err != nil {
		return warn("npm is not in PATH; other package managers are watched all the same", "")
	}
	ctx, cancel := context.WithTimeout(ctx, npmTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return unknown(fmt.Sprintf("%s does not say its version: %v", path, err))
	}
	version := strings.TrimSpace(string(out))
	major, err := strconv.Atoi(strings.Split(version, ".")[0])
	switch {
	case err != nil:
		return unknown(fmt.Sprintf("%s says its version is %q", path, version))
	case major < 7:
		return warn(fmt.Sprintf("npm %s (%s) is older than what Wormbell is tried with", version, path), "npm 11 or newer is best; npm 12 runs no install scripts without leave")
	}
	return ok(fmt.Sprintf("npm %s (%s)", version, path))
}

// maxRC is far above any shell's settings file, in bytes.
const maxRC = 1 << 20

// history looks whether the shell writes its history as commands are typed or
// only when it ends, which may be days later.
func history(_ context.Context, m Machine) Result {
	shell := filepath.Base(m.Shell)
	var files, signs []string
	var advice string
	switch shell {
	case "fish":
		return ok("fish writes its history at once")
	case "bash":
		files, signs = []string{".bashrc", ".bash_profile", ".profile"}, []string{"history -a"}
		advice = "add PROMPT_COMMAND='history -a' to ~/.bashrc"
	case "zsh":
		files, signs = []string{".zshrc", ".zshenv"}, []string{"inc_append_history", "incappendhistory", "share_history", "sharehistory"}
		advice = "add 'setopt inc_append_history' to ~/.zshrc"
	case ".":
		return unknown("$SHELL does not say which shell you use")
	default:
		return unknown("the history of shell " + strconv.Quote(shell) + " is not known here")
	}
	for _, name := range files {
		text, err := readRC(filepath.Join(m.Home, name))
		if err != nil {
			continue // the other files decide
		}
		for line := range strings.Lines(text) {
			line = strings.ToLower(strings.TrimSpace(line))
			if !strings.HasPrefix(line, "#") && slices.ContainsFunc(signs, func(s string) bool { return strings.Contains(line, s) }) {
				return ok(shell + " writes its history as commands are typed")
			}
		}
	}
	return warn(shell+" writes its history when it ends: secrets typed are found only then", advice)
}

// readRC reads a shell's settings file, which may be anything: opened without
// waiting, so that a FIFO does not hold us.
func readRC(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", fmt.Errorf("%q is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRC))
	return string(b), err
}
