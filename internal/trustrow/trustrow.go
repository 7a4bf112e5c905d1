// Package trustrow says what a row of the trust table may say that somebody
// adds: by a call, or in a file of the administrator's.
//
// It judges the words alone. What a row's program is, and whether a row covers
// a read, is for others.
package trustrow

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/stores"
)

// Two of the ancestries that a row may name.
const (
	NotDependency = "not-a-dependency-script" // nowhere below a dependency's script; for who says nothing
	Any           = "any"
)

// Unders are what a row that somebody adds may say of the ancestry.
var Unders = []string{"person", "project", NotDependency, Any}

// The forms of who, and of the path of a file.
var (
	whoForm = regexp.MustCompile(`^(project-code|signer:[^\s]+|exe:/[^\n]*)$`)
	// PathForm is a path with ~ or from the root.
	PathForm = regexp.MustCompile(`^(~/|/)[^\x00-\x1f]+$`)
)

// Check returns what is wrong with a row that a person or an administrator
// wants to add, nil if nothing is. What its program is, it does not look at.
func Check(row wormbell.TrustRow, now time.Time) error {
	switch {
	case row.Store != "*" && row.Store != wormbell.DecoyStore && stores.ByID(row.Store) == nil:
		return errors.New("there is no such store")
	case !whoForm.MatchString(row.Who) || len(row.Who) > 1024:
		return errors.New(`who must be signer:NAME, exe:/PATH, "exe:/PATH script:/PATH" or project-code`)
	case !slices.Contains(Unders, row.Under):
		return errors.New("under must be person, project, not-a-dependency-script or any")
	case row.Path != "" && (!PathForm.MatchString(row.Path) || len(row.Path) > 1024):
		return errors.New("path must begin with ~/ or /")
	case strings.TrimSpace(row.Reason) == "" || len(row.Reason) > 512 || strings.ContainsFunc(row.Reason, func(r rune) bool { return r < ' ' }):
		return errors.New("a row needs a reason, in one line")
	case row.Until != nil && !future(*row.Until, now):
		return errors.New("until must be in the future")
	}
	return nil
}

// future reports whether t is a sensible end: to come, within ten years.
func future(t, now time.Time) bool { return t.After(now) && t.Before(now.AddDate(10, 0, 0)) }

// Wide reports whether a row vouches for so much that only root may add it.
func Wide(r wormbell.TrustRow) bool {
	return r.Store == "*" || strings.Contains(r.Who, "*") || r.Under == Any
}
