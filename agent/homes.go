package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"wormbell/internal/answer"
	"wormbell/internal/passwd"
	"wormbell/watchers"
)

// homeTime is how long a home may take to say what it is. It may lie on a file
// system whose server is gone, and the agent guards the others.
const homeTime = 2 * time.Second

// folders looks at homes, and waits for none of them for ever. It is safe for
// concurrent use; make it with newFolders.
type folders struct {
	look *answer.Looker
	far  func() func(path string) string              // [watchers.FarMounts]
	stat func(name string) (fs.FileInfo, error)       // os.Stat
	real func(name string) (resolved string, _ error) // filepath.EvalSymlinks
}

func newFolders() *folders {
	return &folders{look: answer.New(homeTime), far: watchers.FarMounts, stat: os.Stat, real: filepath.EvalSymlinks}
}

// keys returns the function that names whom a path asks: where one file of a
// mount does not answer, none is asked.
func (f *folders) keys() func(path string) string {
	far := f.far()
	return func(path string) string {
		if at := far(filepath.Clean(path)); at != "" {
			return at
		}
		return path
	}
}

// homes returns the homes to guard: those given, else root's and every
// person's for root, else the user's own. skip, if it is not nil, is told of
// those given that are none, which then are no error.
func (f *folders) homes(given []string, skip func(dir string, why error)) ([]watchers.Home, error) {
	if len(given) == 0 {
		if os.Geteuid() != 0 {
			dir, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("find the home folder: %w", err)
			}
			given = []string{dir}
		} else {
			given = f.people(passwd.File)
			skip = func(string, error) {} // it went a moment ago
		}
	}
	var list []watchers.Home
	found, errs, key := make([]watchers.Home, len(given)), make([]error, len(given)), f.keys()
	f.each(len(given), func(i int) { found[i], errs[i] = f.home(given[i], key(given[i])) })
	for i, h := range found {
		if errs[i] != nil && skip != nil {
			skip(given[i], errs[i])
			continue
		}
		if errs[i] != nil {
			return nil, errs[i]
		}
		if !slices.ContainsFunc(list, func(o watchers.Home) bool { return o.Dir == h.Dir }) {
			list = append(list, h)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no home folder to guard; name one with --home")
	}
	return list, nil
}

// each calls do with every number below n, all at once: who has to wait does so
// beside the others.
func (f *folders) each(n int, do func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { do(i) })
	}
	wait.Wait()
}

// home describes the home folder dir by what the system says of it.
func (f *folders) home(dir, key string) (watchers.Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return watchers.Home{}, fmt.Errorf("home folder: %w", err)
	}
	h, err := answer.Ask(context.Background(), f.look, key, func() (watchers.Home, error) {
		dir, err := f.real(dir)
		if err != nil {
			return watchers.Home{}, err
		}
		st, err := f.stat(dir)
		switch {
		case err != nil:
			return watchers.Home{}, err
		case !st.IsDir():
			return watchers.Home{}, fmt.Errorf("%q is not a folder", dir)
		}
		uid := owner(st)
		return watchers.Home{Dir: dir, User: strconv.Itoa(uid), UID: uid}, nil
	})
	switch {
	case errors.Is(err, answer.ErrSilent):
		return h, fmt.Errorf("home folder: %q: %w", dir, err)
	case err != nil:
		return h, fmt.Errorf("home folder: %w", err)
	}
	return h, nil
}

// people returns the homes of root and of persons in a file in the form of
// passwd(5): those that are there and are theirs.
func (f *folders) people(file string) (dirs []string) {
	all := everybody(file)
	infos, _ := f.infos(all)
	for i, p := range all {
		if st := infos[i]; st != nil && st.IsDir() && owner(st) == p.UID {
			dirs = append(dirs, p.Home)
		}
	}
	return dirs
}

// infos looks at the homes of everybody in list.
func (f *folders) infos(list []passwd.Entry) ([]fs.FileInfo, []error) {
	infos, errs, key := make([]fs.FileInfo, len(list)), make([]error, len(list)), f.keys()
	f.each(len(list), func(i int) { infos[i], errs[i] = f.info(list[i].Home, key(list[i].Home)) })
	return infos, errs
}

func (f *folders) info(name, key string) (fs.FileInfo, error) {
	return answer.Ask(context.Background(), f.look, key, func() (fs.FileInfo, error) { return f.stat(name) })
}

// everybody returns root and the persons in a file in the form of passwd(5). Nobody
// is known where it cannot be read: then there is no home to guard, which is said.
func everybody(file string) []passwd.Entry {
	list, err := passwd.People(file)
	if err != nil {
		return nil
	}
	return list
}
