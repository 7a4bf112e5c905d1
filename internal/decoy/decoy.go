// Package decoy makes and plants decoys: files with credentials that were never
// given out, in places where thieves look and no program does, and takes them
// away again.
//
// It runs as the user whose home it is. Who watches the files, and what is known
// of them, is for the agent; what stands in one is in that file alone. It must not
// know the agent.
package decoy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Kind is one kind of decoy.
type Kind struct {
	ID    string // "npm"
	Title string // what is in it, for a person: "an npm token"
	// Places are where it may lie, with ~, without its ending. No program reads
	// a file by such a name; somebody who tidies up makes one.
	Places []string
	text   func(Facts) string
}

// Facts are what a decoy says besides its tokens, so that it is like what stands
// beside it. A zero value is left out.
type Facts struct {
	User     string // the name of the person's account
	Registry string // URL of their registry, "https://host/path/"
}

// Kinds lists every kind, sorted by ID. What is looked for where is reported of
// worms: ~/.aws/* and all that is called like .env are taken as a whole, and
// whole homes are searched for tokens by their form.
var Kinds = []Kind{
	{ID: "aws", Title: "AWS keys", Places: []string{"~/.aws/credentials"}, text: awsText},
	{ID: "env", Title: "the environment of a deployment, with npm, GitHub and AWS tokens", Places: []string{"~/.env", "~/.env.production"}, text: envText},
	{ID: "github", Title: "a GitHub token", Places: []string{"~/.git-credentials"}, text: githubText},
	{ID: "npm", Title: "an npm token", Places: []string{"~/.npmrc"}, text: npmText},
}

// endings are what people put behind the name of a file that they keep. Which one
// a decoy gets is left to chance, so that its name tells nobody what it is.
var endings = []string{".bak", ".old", ".orig", ".save", ".backup", "-old", ".copy"}

// ByID returns the kind with this ID.
func ByID(id string) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

// IDs are those of all kinds.
func IDs() (ids []string) {
	for _, k := range Kinds {
		ids = append(ids, k.ID)
	}
	return ids
}

// Place reports whether a decoy may lie at p, with ~; and of which kind.
func Place(p string) (kind string, ok bool) {
	for _, k := range Kinds {
		if slices.Contains(k.names(), p) {
			return k.ID, true
		}
	}
	return "", false
}

// names are all paths at which a decoy of this kind may lie, with ~.
func (k Kind) names() (all []string) {
	for _, place := range k.Places {
		for _, e := range endings {
			all = append(all, place+e)
		}
	}
	return all
}

// Folder is the folder, with ~, in which a path lies.
func Folder(p string) string { return path.Dir(p) }

// ErrNotAvailable says that this system cannot plant decoys.
var ErrNotAvailable = errors.New("decoys are not available on this system")

// ErrUnfit is wrapped by errors that say why a decoy must not lie somewhere.
var ErrUnfit = errors.New("a decoy must not lie there")

// ErrChanged says that a file is not the one that was planted, or not as it was.
var ErrChanged = errors.New("it is no longer the file that was planted")

// maxText is how long a decoy is at most, in bytes.
const maxText = 4096

// split returns the names that lead from the home to p, with ~.
func split(p string) ([]string, error) {
	rest, ok := strings.CutPrefix(p, "~/")
	if !ok || path.Clean(rest) != rest || strings.HasPrefix(rest, "..") || strings.ContainsAny(rest, "\\\x00") {
		return nil, fmt.Errorf("%q is no path in a home", p)
	}
	return strings.Split(rest, "/"), nil
}
