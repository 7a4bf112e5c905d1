package checkup

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"wormbell/internal/passwd"
)

// This file tells of files with secrets that other users of this machine can read.

// maxModes is how many such files are told of one by one.
const maxModes = 3

// modes tells of them: more than a few are one finding.
func (k *checkup) modes(s *Section, holds map[string]bool) {
	var files []several // by who can read them
	var lines []Finding
	shared := k.sharedGroups()
	who := []string{"Other users of this machine", "Other members of its group"}
	files = make([]several, len(who))
	for _, p := range slices.Sorted(maps.Keys(holds)) {
		info, err := k.home.root.Stat(filepath.FromSlash(rel(p)))
		if err != nil {
			continue // it has been said
		}
		group, perm := groupOf(info), info.Mode().Perm()
		others, members := readable(info), perm&0o040 != 0 && shared(group)
		for dir := path.Dir(rel(p)); others || members; dir = path.Dir(dir) {
			d, err := k.home.root.Stat(filepath.FromSlash(dir))
			if err != nil {
				break
			}
			others = others && passable(d)
			members = members && (passable(d) || d.Mode().Perm()&0o010 != 0 && groupOf(d) == group)
			if dir == "." {
				break
			}
		}
		by := 0
		switch {
		case others:
		case members:
			by = 1
		default:
			continue
		}
		files[by].add(p)
		lines = append(lines, Finding{Level: Risk, Kind: "mode", What: who[by] + " can read a file with secrets", Where: fmt.Sprintf("%s, mode %04o", p, perm),
			SoWhat: "a program that runs as any of them can take them", Do: "chmod 600 " + quoted(p)})
	}
	if len(lines) <= maxModes {
		for _, f := range lines {
			s.add(f)
		}
		return
	}
	for by, v := range files {
		if v.n == 0 {
			continue
		}
		f := Finding{Level: Risk, Kind: "mode", What: fmt.Sprintf("%s can read %s with secrets", who[by], plural(v.n, "file")), Where: v.list(),
			SoWhat: "a program that runs as any of them can take them", Do: "chmod o-x ~ keeps other users out of the whole home; or chmod 600 for each of them"}
		if by == 1 {
			f.What = strings.Replace(f.What, "its group", "their group", 1)
			f.Do = "chmod 700 ~ keeps all others out of the whole home; or chmod 600 for each of them"
		}
		s.add(f)
	}
}

// sharedGroups tells whether a group has more members than one, by passwd(5) and
// group(5). Where users have groups of their own, what the group may read is read by
// nobody else. What only a directory knows is not asked.
func (k *checkup) sharedGroups() func(gid int) bool {
	members := map[int]int{}
	users, err := passwd.Read(k.Root + passwd.File)
	if err != nil {
		return func(int) bool { return false }
	}
	first := map[string]int{}
	for _, u := range users {
		members[u.GID]++
		first[u.Name] = u.GID
	}
	groups, err := passwd.Groups(k.Root + passwd.GroupFile)
	if err != nil {
		return func(int) bool { return false }
	}
	for _, g := range groups {
		for _, name := range g.Members {
			if gid, ok := first[name]; !ok || gid != g.GID {
				members[g.GID]++
			}
		}
	}
	return func(gid int) bool { return gid > 0 && members[gid] > 1 }
}

// readable reports whether others than the owner and the group may read the file.
func readable(info fs.FileInfo) bool { return modes && info.Mode().Perm()&0o004 != 0 }

// passable reports whether others may enter the folder.
func passable(info fs.FileInfo) bool { return modes && info.Mode().Perm()&0o001 != 0 }
