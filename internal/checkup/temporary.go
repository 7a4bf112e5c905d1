package checkup

import (
	"bytes"
	"context"
	"os"
	"path"
	"slices"
	"strings"

	"wormbell/internal/stores"
)

// This file looks through the folders for temporary files.

// inTemp reports whether a path is in a folder for temporary files, and not in
// the home.
func (k *checkup) inTemp(p string) bool {
	if strings.HasPrefix(p, k.home.dir+"/") {
		return false
	}
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/private/tmp/", "/private/var/folders/", "/var/folders/"} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return false
}

// temporary looks through the folders for temporary files.
func (k *checkup) temporary(ctx context.Context, s *Section) {
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		root, err := os.OpenRoot(k.Root + dir)
		if err != nil {
			if why := could(dir, err); why != "" { // not on every system
				s.skip("%s", why)
			}
			continue
		}
		t := &home{dir: dir, root: root}
		if k.Root == "" {
			if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
				t.hangs = slowMounts(b, dir)
			}
		}
		k.temp(ctx, s, t)
		root.Close()
	}
}

func (k *checkup) temp(ctx context.Context, s *Section, t *home) {
	names, more, err := t.names(".", maxInFolder)
	if err != nil {
		s.skip("%s: %s", t.dir, reason(err))
		return
	}
	if more {
		s.skip("%s: only %d of its names", t.dir, maxInFolder)
	}
	const lists, inFolder = 1000, 1000
	var closed, unread several
	defer func() {
		for _, why := range []string{closed.says("it could not be opened", "%d folders could not be opened"), unread.says("there are too many such files", "%d files: there are too many")} {
			if why != "" {
				s.skip("%s", why)
			}
		}
	}()
	read := 0
	for _, name := range names {
		if ctx.Err() != nil {
			s.skip("%s: the time was over", t.dir)
			return
		}
		info, err := t.root.Lstat(strings.TrimSuffix(name, "/"))
		if err != nil || !ownedBy(info, k.UID) {
			continue // others' files are theirs
		}
		at := path.Join(t.dir, name)
		if !strings.HasSuffix(name, "/") {
			if !info.Mode().IsRegular() || !isListName(name) {
				continue
			}
			if read++; read > lists {
				unread.add(at)
				continue
			}
			b, _, err := t.start(name, maxSettings) // one that is longer shows by its beginning
			if err != nil && !absent(err) {
				s.skip("%s", could(at, err))
			}
			if err == nil && isInventory(b) {
				s.add(Finding{Level: Sign, Kind: "loot", What: "A list of credential files lies in a folder for temporary files", Where: at,
					SoWhat: "thieves write down what there is before they take it", Do: "if it is not yours: " + lookAway})
			}
			continue
		}
		inside, more, err := t.names(strings.TrimSuffix(name, "/"), inFolder)
		switch {
		case absent(err):
			continue
		case err != nil:
			closed.add(at)
			continue
		case more:
			s.skip("%s", could(at, errMany))
		}
		switch has := func(name string) bool { return slices.Contains(inside, name) }; {
		case has("package.tar") && has("updated.tgz"), has("package.tgz") && has("updated.tgz"):
			s.add(Finding{Level: Sign, Kind: "repacked", What: "A package was unpacked and packed anew in a folder for temporary files", Where: at,
				SoWhat: "worms put themselves into what you publish so", Do: "look at what your npm account has published"})
		case has("bun") || has("bun.exe"):
			s.add(Finding{Level: Risk, Kind: "runtime", What: "A bun lies in a folder for temporary files", Where: at,
				SoWhat: "worms download one to run without npm's traces; so do some tools", Do: "look whether you know where it is from"})
		}
	}
}

func isListName(name string) bool {
	for _, s := range []string{".txt", ".json", ".log", ".bak", ".csv"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return !strings.Contains(name, ".")
}

// isInventory reports whether a text is a list of credential files: it names
// those of several stores, and little else.
func isInventory(b []byte) bool {
	if bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	paths, all := 0, 0
	kinds := map[string]bool{}
	lines(b, func(n int, line string) bool {
		line = strings.Trim(strings.TrimSpace(line), `",`)
		if line == "" {
			return n < 20_000
		}
		all++
		for _, home := range []string{"/home/", "/Users/", "/root/", "~/"} {
			rest, ok := strings.CutPrefix(line, home)
			if !ok {
				continue
			}
			if home == "/home/" || home == "/Users/" {
				_, rest, _ = strings.Cut(rest, "/")
			}
			if st := stores.Of("~/" + rest); st != nil {
				kinds[st.ID] = true
				paths++
			}
		}
		return n < 20_000
	})
	return len(kinds) >= 3 && paths >= 4 && paths*3 >= all
}
