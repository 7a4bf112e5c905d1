package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
)

// Shims is where the programs stand that are put before others on PATH:
// $XDG_DATA_HOME/wormbell/shims or what the system has instead.
func Shims(home string, getenv func(string) string) string {
	switch {
	case runtime.GOOS == "windows" && getenv("LOCALAPPDATA") != "":
		return filepath.Join(getenv("LOCALAPPDATA"), "Wormbell", "shims")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "Wormbell", "shims")
	case filepath.IsAbs(getenv("XDG_DATA_HOME")):
		return filepath.Join(getenv("XDG_DATA_HOME"), "wormbell", "shims")
	}
	return filepath.Join(home, ".local", "share", "wormbell", "shims")
}

// Find returns the program that name stands for on path, the value of PATH,
// without the folder of shims, and that path without it: what a package manager
// runs must find the real ones too.
func Find(name, path, shims string) (program, rest string, err error) {
	own, ownErr := os.Stat(shims)
	var kept []string
	for _, dir := range filepath.SplitList(path) {
		if info, err := os.Stat(dir); err == nil && ownErr == nil && os.SameFile(info, own) {
			continue
		}
		kept = append(kept, dir)
	}
	rest = strings.Join(kept, string(filepath.ListSeparator))
	if strings.ContainsAny(name, `/\`) {
		program, err := exec.LookPath(name)
		return program, rest, err
	}
	for _, dir := range kept {
		if !filepath.IsAbs(dir) { // never what lies in the folder where somebody happens to be
			continue
		}
		if program, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return program, rest, nil
		}
	}
	return "", rest, fmt.Errorf("find %q: %w", name, exec.ErrNotFound)
}

// shimText is a program of ours that runs this one.
func shimText(self string, words ...string) string {
	text := "#!/bin/sh\n" + shimNote + "exec " + quote(self)
	for _, w := range words {
		text += " " + quote(w)
	}
	return text + ` "$@"` + "\n"
}

const shimNote = "# Made by 'wormbell vault'; 'wormbell vault npm --no-shim' removes it.\n"

// quote writes s as one word of sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ErrNotOurs is wrapped by errors that say that another program stands where
// ours would.
var ErrNotOurs = errors.New("a program that is not ours stands there")

// WriteShim writes the program name into the folder of shims: one that runs self
// with words and then with what it is given.
func WriteShim(shims, name, self string, words ...string) (path string, err error) {
	if strings.ContainsAny(self+strings.Join(words, ""), "\n\r\x00") || !filepath.IsAbs(self) {
		return "", fmt.Errorf("write a program that runs %q: no path for one", self)
	}
	path = filepath.Join(shims, name)
	text := shimText(self, words...)
	if err := os.MkdirAll(shims, 0o755); err != nil {
		return "", err
	}
	now, err := edit.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = edit.Create(path, []byte(text))
	case err != nil:
	case !ours(now):
		err = fmt.Errorf("write %q: %w", path, ErrNotOurs)
	default:
		err = edit.Apply(path, func(data []byte) ([]edit.Change, error) {
			if !ours(data) {
				return nil, ErrNotOurs
			}
			return []edit.Change{{Span: edit.Span{To: len(data)}, Old: string(data), New: text}}, nil
		})
	}
	if err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o755)
}

// RemoveShim removes a program that WriteShim wrote. That there is none is no
// error.
func RemoveShim(shims, name string) error {
	path := filepath.Join(shims, name)
	now, err := edit.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !ours(now) {
		return fmt.Errorf("remove %q: %w", path, ErrNotOurs)
	}
	return os.Remove(path)
}

func ours(text []byte) bool { return slices.Contains(strings.SplitAfter(string(text), "\n"), shimNote) }
