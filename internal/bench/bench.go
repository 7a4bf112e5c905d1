package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"wormbell/internal/registry"
)

// bench is one run of this program.
type bench struct {
	options
	dir   string // scratch of the whole run
	self  string // this program, which also plays the readers and writers
	homes int
}

func newBench(o options) (*bench, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("the figures are of the agent on Linux; there is nothing to measure on this system yet")
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return nil, fmt.Errorf("find the programs: %w", err)
	}
	o.bin = bin
	if _, err := os.Stat(filepath.Join(bin, "wormbelld")); err != nil {
		return nil, fmt.Errorf("find the programs (make build makes them): %w", err)
	}
	b := &bench{options: o}
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if b.dir, err = os.MkdirTemp(o.dir, "wormbell-bench-"); err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	if b.dir, err = filepath.EvalSymlinks(b.dir); err != nil { // the agent names the real folder
		return nil, errors.Join(fmt.Errorf("resolve the scratch folder: %w", err), b.close())
	}
	return b, nil
}

// close removes everything that the run made.
func (b *bench) close() error {
	if err := removeAll(b.dir); err != nil {
		return fmt.Errorf("remove the scratch folder: %w", err)
	}
	return nil
}

// removeAll removes a tree in which a program that was just ended may still
// write its last line.
func removeAll(dir string) (err error) {
	slots := make(chan struct{}, 8)
	for range 20 {
		removeTree(dir, slots)
		if err = os.RemoveAll(dir); err == nil { // says what is left, and why
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// removeTree removes what it can of a tree, by as many goroutines more as
// there are slots: a file that has reached the disk costs its remover a wait,
// and one alone would wait a minute for all that a run leaves.
func removeTree(dir string, slots chan struct{}) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // os.RemoveAll will say it
	}
	var wait sync.WaitGroup
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			os.Remove(p)
			continue
		}
		select {
		case slots <- struct{}{}:
			wait.Go(func() {
				defer func() { <-slots }()
				removeTree(p, slots)
			})
		default:
			removeTree(p, slots)
		}
	}
	wait.Wait()
	os.Remove(dir)
}

// pick returns full, or quick's value in a quick run.
func (b *bench) pick(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// home is one scratch home with its registry and, while one is started, its agent.
type home struct {
	bench    *bench
	dir      string // of everything; the home is in it
	path     string // the home
	socket   string
	reader   string // a copy of this program in the home, that nobody vouches for
	registry *registry.Server
	agents   int
}

// token is a decoy that looks like an npm token; its checksum is wrong.
const token = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi"

// newHome makes a home with a .npmrc that holds a decoy token.
func (b *bench) newHome() (h *home, err error) {
	b.homes++
	h = &home{bench: b, dir: filepath.Join(b.dir, fmt.Sprint(b.homes))}
	h.path, h.socket = filepath.Join(h.dir, "home"), filepath.Join(h.dir, "run", "wormbell.sock")
	h.reader = filepath.Join(h.path, "work", "reader")
	if h.registry, err = registry.New(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	h.registry.RequireToken(token, "dev")
	if err := h.write("~/.npmrc", fmt.Sprintf("registry=%s/\n//%s/:_authToken=%s\nfund=false\naudit=false\nupdate-notifier=false\n",
		h.registry.URL, h.registry.Host, token)); err != nil {
		return nil, err
	}
	if err := copyFile(b.self, h.reader, 0o755); err != nil {
		return nil, err
	}
	return h, nil
}

// close ends the registry. The home is removed at the end of the whole run and
// no sooner: ext4 does not give out an inode that was freed within the last
// minutes and searches past each of them, so that after the removal of a large
// tree every new file costs several times as much.
func (h *home) close() { h.registry.Close() }

// real turns ~ into the scratch home.
func (h *home) real(p string) string {
	if rest, ok := strings.CutPrefix(p, "~"); ok {
		return h.path + rest
	}
	return p
}

func (h *home) write(p, text string) error {
	p = h.real(p)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return fmt.Errorf("prepare the home: %w", err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		return fmt.Errorf("prepare the home: %w", err)
	}
	return nil
}

// env is the environment of everything that runs in the home.
func (h *home) env() []string {
	return []string{"HOME=" + h.path, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TMPDIR=/tmp", "USER=dev", "NO_COLOR=1",
		"npm_config_cache=" + filepath.Join(h.path, ".npm"), "npm_config_globalconfig=" + filepath.Join(h.path, ".npmrc-global")}
}

// command is a program that runs in dir with the home's environment, in a
// session of its own that is ended with ctx.
func (h *home) command(ctx context.Context, dir string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = h.real(dir), h.env()
	ownSession(cmd)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a program to its end; the error carries what it said.
func (h *home) run(ctx context.Context, dir string, argv ...string) error {
	out, err := h.command(ctx, dir, argv...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %q: %w: %s", argv, err, tail(string(out)))
	}
	return nil
}

// role runs one of this program's roles from the home and returns what it printed.
func (h *home) role(ctx context.Context, name string, args ...string) (string, error) {
	cmd := h.command(ctx, "~", append([]string{h.reader, name}, args...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, tail(complaint.String()))
	}
	return string(out), nil
}

// tail is the end of what a program said, without the decoy.
func tail(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), token, "***")
	return s[max(0, len(s)-2000):]
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy %q: %w", from, err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("copy %q: %w", from, err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("copy %q: %w", from, err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %q: %w", from, err)
	}
	return nil
}

// until polls ok until it is true, the time is over or ctx is done, and says
// whether it became true.
func until(ctx context.Context, within time.Duration, ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !ok(); {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return true
}

// pause waits, or returns early when ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
