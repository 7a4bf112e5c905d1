package demo

import (
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

// tools are the node and npm of this machine.
type tools struct {
	nodePath string // "" if there is none
	npmPath  string // "" if there is none
	version  string // of npm
	dir      string // where both are; "" if they are not together
	broken   string // why an npm that is there is not used, "" if none is
}

func (t tools) node() bool { return t.nodePath != "" }
func (t tools) npm() bool  { return t.npmPath != "" }

// String says what will be used, for a person.
func (t tools) String() string {
	switch {
	case t.npm():
		return t.version + " (" + t.npmPath + ")"
	case t.broken != "":
		return t.broken + "; the same steps are taken with node alone, and nothing is published"
	case t.node():
		return "not found; the same steps are taken with node alone, and nothing is published"
	}
	return "not found, and no node either"
}

// findTools looks for node and npm. What stands in PATH may be a shim of a
// version manager that works only in the user's home, so node itself is asked
// where it is, and the npm beside it is preferred.
func findTools(ctx context.Context, s *stage) (t tools) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // npm's first start on a slow machine takes many seconds
	defer cancel()
	found, err := exec.LookPath("node")
	if err != nil {
		return tools{}
	}
	t.nodePath = found
	ask := exec.CommandContext(ctx, found, "-p", "process.execPath")
	for _, kv := range os.Environ() { // as the user runs it, without code that they make it load
		if !strings.HasPrefix(kv, "NODE_OPTIONS=") {
			ask.Env = append(ask.Env, kv)
		}
	}
	ask.Dir = s.home
	ownGroup(ask)
	if out, err := ask.Output(); err == nil {
		if real := strings.TrimSpace(string(out)); filepath.IsAbs(real) {
			t.nodePath = real
		}
	}
	beside := filepath.Join(filepath.Dir(t.nodePath), "npm")
	if runtime.GOOS == "windows" {
		beside += ".cmd"
	}
	if _, err := os.Stat(beside); err == nil {
		t.npmPath, t.dir = beside, filepath.Dir(beside)
	} else if found, err := exec.LookPath("npm"); err == nil {
		t.npmPath, t.dir = found, filepath.Dir(t.nodePath)
	} else {
		t.dir = filepath.Dir(t.nodePath)
		return t
	}
	s.tools = t // env needs the folder
	version, err := s.command(ctx, s.home, t.npmPath, "--version")
	if err != nil { // a broken npm is no npm
		if ctx.Err() != nil {
			err = errors.New("it says nothing")
		}
		t.npmPath, t.broken = "", fmt.Sprintf("%s does not work (%v)", t.npmPath, err)
		return t
	}
	t.version = version
	return t
}
