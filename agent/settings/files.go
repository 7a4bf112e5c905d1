package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits that are far above anything sensible: what is beyond them is a mistake,
// or somebody who wants the agent to read for ever.
const (
	maxFile  = 1 << 20 // bytes of one file
	maxFiles = 64      // files of one folder
	maxNames = 4096    // names of one folder that are looked at
)

// file is one file as it was found.
type file struct {
	path string
	text []byte
	err  error // why it cannot be used; if path is a folder, none of its files can
}

// one reads a file whose place is known.
func one(path string, root bool) file {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs // the same in every message, and in what is kept
	}
	if root {
		if err := rootsFolder(filepath.Dir(path)); err != nil {
			return file{path: path, err: err}
		}
	}
	text, err := slurp(path, judge(root))
	return file{path: path, text: text, err: err}
}

// folder reads the files of dir that end in .toml, in the order of the bytes of
// their names. A folder that is not there has none. What else is wrong stands in
// the err of a file.
func folder(dir string, root bool) (files []file) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if root {
		switch err := rootsFolder(dir); {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return []file{{path: dir, err: err}}
		}
	}
	names, err := namesIn(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return []file{{path: dir, err: err}}
	}
	for i, name := range names {
		path := filepath.Join(dir, name)
		if i >= maxFiles {
			files = append(files, file{path: path, err: fmt.Errorf("there are more than %d files beside it", maxFiles)})
			break // once is enough
		}
		text, err := slurp(path, judge(root))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just been taken away
		}
		files = append(files, file{path: path, text: text, err: err})
	}
	return files
}

// namesIn returns the names in dir that are meant, sorted. Editors and package
// managers keep their copies under other names.
func namesIn(dir string) (names []string, err error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Readdirnames(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read folder: %w", bare(err))
	}
	if len(all) == maxNames {
		return nil, fmt.Errorf("there are more than %d names in it", maxNames-1)
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// slurp reads a small regular file that is no symlink. judge, if there is one,
// says what is wrong with whose it is.
func slurp(path string, judge func(fs.FileInfo) error) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, bare(err)
	case !st.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case st.Size() > maxFile:
		return nil, errTooBig
	}
	if judge != nil {
		if err := judge(st); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, bare(err)
	case len(text) > maxFile:
		return nil, errTooBig
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil // some editors put a mark there
}

var errTooBig = errors.New("it is longer than 1 MiB")

// bare takes the path off an error of the file system: the sentence around it
// has it.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// keepMode is the mode of what the agent keeps, which is its own.
const keepMode fs.FileMode = 0o600

// replace writes a file of the agent's own, whole or not at all.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".settings-*")
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(keepMode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keep settings %q: %w", path, err)
	}
	return nil
}
