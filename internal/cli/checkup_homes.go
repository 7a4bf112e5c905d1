package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wormbell/internal/answer"
	"wormbell/internal/passwd"
)

// personHome is a home folder and whose it is.
type personHome struct {
	dir  string
	name string // login name; "" if it is not known
	uid  int
	gid  int   // of the owner's primary group, nobody's if it is not known; never the folder's
	why  error // why it cannot be looked at; nil if it can
}

// nogroup is the group of nobody. A folder's own group says nothing about its
// owner: whoever makes a folder in one that hands its group on gets that one.
const nogroup = 65534

// statTime is how long a folder may take to say what it is: whoever may mount a
// file system on their home can let root wait for ever.
const statTime = 5 * time.Second

// homesOf returns the home dir, or, if that is "", those of root and of all
// persons of this machine. Root asks only.
func homesOf(ctx context.Context, dir string) ([]personHome, error) {
	list, err := passwd.People(passwd.File)
	if dir == "" {
		if err != nil {
			return nil, hint(err, "name a home with --home")
		}
		all := people(ctx, list, os.Stat)
		if len(all) == 0 {
			return nil, hint(errors.New("no home of a person was found"), "name one with --home")
		}
		return all, nil
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the home: %w", err)
	}
	info, err := answer.Ask(ctx, answer.New(statTime), dir, func() (fs.FileInfo, error) { return os.Stat(dir) })
	switch {
	case errors.Is(err, answer.ErrSilent):
		return nil, hint(fmt.Errorf("find the home: %q does not answer", dir), "it may lie on a file system whose server is gone: 'findmnt' shows them")
	case err != nil:
		return nil, fmt.Errorf("find the home: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("find the home: %q is no folder", dir)
	}
	return []personHome{ownedHome(dir, owner(info), list)}, nil
}

// ownedHome is a folder that belongs to uid, with what the list of users says of them.
func ownedHome(dir string, uid int, list []passwd.Entry) personHome {
	h := personHome{dir: dir, uid: uid, gid: nogroup}
	if uid < 0 {
		h.why = errors.New("it cannot be told whose home it is")
	}
	i := slices.IndexFunc(list, func(e passwd.Entry) bool { return e.UID == uid && filepath.Clean(e.Home) == dir })
	if i < 0 {
		i = slices.IndexFunc(list, func(e passwd.Entry) bool { return e.UID == uid })
	}
	if i >= 0 {
		h.name, h.gid = list[i].Name, list[i].GID
	}
	return h
}

// people returns the homes of those in list that are there. One that is there and
// cannot be looked at is among them, and says why.
func people(ctx context.Context, list []passwd.Entry, stat func(string) (fs.FileInfo, error)) (homes []personHome) {
	var path *fs.PathError
	look := answer.New(statTime)
	for _, e := range list {
		h := personHome{dir: filepath.Clean(e.Home), name: e.Name, uid: e.UID, gid: e.GID}
		if slices.ContainsFunc(homes, func(o personHome) bool { return o.dir == h.dir && o.uid == h.uid }) {
			continue
		}
		info, err := answer.Ask(ctx, look, h.dir, func() (fs.FileInfo, error) { return stat(h.dir) })
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // they have never been here
		case errors.Is(err, answer.ErrSilent):
			h.why = answer.ErrSilent
		case err != nil:
			if h.why = err; errors.As(err, &path) {
				h.why = path.Err
			}
		case !info.IsDir():
			h.why = errors.New("it is no folder")
		case owner(info) != e.UID:
			h.why = fmt.Errorf("it belongs to another user than %s", e.Name)
		}
		homes = append(homes, h)
	}
	return slices.DeleteFunc(homes, func(h personHome) bool { // two may share one: then its owner looks
		return h.why != nil && slices.ContainsFunc(homes, func(o personHome) bool { return o.dir == h.dir && o.why == nil })
	})
}
