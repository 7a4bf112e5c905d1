package watchers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/stores"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// This file says whether a program that somebody has allowed is still the same.
// A trust row names files; those that others than root may write it knows by
// their content, too: a worm that runs as the user may put itself there.

// ctimeTick is how far ctime may lag behind: it is the time of the kernel's last
// tick, of which there are 100 in a second at least.
const ctimeTick = 10 * time.Millisecond

// errRoot says of a file that root alone could have put it there: what it is
// need not be remembered.
var errRoot = errors.New("root's")

// What speaks against reading a file for a row.
var (
	errOthers     = errors.New("it belongs to somebody else")
	errCredential = errors.New("it holds credentials")
	errNames      = errors.New("it has more than one name (hard links)")
)

// Digest returns what a trust row remembers of the files that who names
// ("exe:/path", "exe:/path script:/path"), for a row that uid asks for: the
// SHA-256 of the one that others than root may write; if both are such, that of
// both sums, the program's first. It is "" where there is nothing to remember.
// Only files of uid are read, for root everybody's: else a row would tell what
// is in a file that its owner may not read.
func (l *Lineage) Digest(who string, uid int) (string, error) {
	if l.sign == nil {
		return "", errors.New("the agent knows no programs")
	}
	var all [][sha256.Size]byte
	for _, name := range identity(who) {
		sum, _, err := l.sums.of(l.sign.Files(), name, 3*l.sums.patience, false, func(f signer.Found) error { return l.readable(f, uid) })
		switch {
		case errors.Is(err, errRoot):
		case errors.Is(err, fs.ErrNotExist) && l.rootsAlone(name):
		case err != nil:
			return "", err
		default:
			all = append(all, sum)
		}
	}
	return digestOf(all), nil
}

// readable says why a file must not be read for a row of uid's; nil if it may.
func (l *Lineage) readable(f signer.Found, uid int) error {
	switch {
	case f.Root:
		return errRoot
	case uid != 0 && f.UID != uid:
		return errOthers
	case stores.Of(l.tilde(f.Path)) != nil:
		return errCredential
	case f.Links > 1: // one of its names may be that of a credential
		return errNames
	}
	return nil
}

// Unchanged reports whether the files that a row is about are those that it
// remembers, and were when p began to run. It is true of a row that remembers
// nothing. known is false where it cannot be told, and then same is, too. It
// waits for a file to be read for a second at most.
func (l *Lineage) Unchanged(row wormbell.TrustRow, p *wormbell.Process) (same, known bool) {
	if row.Digest == "" {
		return true, true
	}
	if l.sign == nil || p == nil {
		return false, false
	}
	// p.Start is of whole seconds, as the time of boot is; how long ago it was is
	// known better.
	started := time.Now().Add(p.Start.Sub(l.boot) - procs.Uptime())
	uid := owner(row)
	var all [][sha256.Size]byte
	late := false // a file changed after p had begun to run it
	for i, name := range identity(row.Who) {
		sum, found, err := l.sums.of(l.sign.Files(), name, l.sums.patience, true, func(f signer.Found) error {
			// No program sets ctime.
			if f.Ctime != 0 && !p.Start.IsZero() && f.Ctime > started.Add(-ctimeTick).UnixNano() && !f.Root {
				late = true
			}
			// The name may lead elsewhere than when the row was added.
			return l.readable(f, uid)
		})
		switch {
		case errors.Is(err, errRoot):
			continue
		case err != nil:
			return false, isOther(err)
		}
		if same, known := l.sign.Means(p.PID, name, found.Ident, i == 0); !same {
			// Another process may have its PID by now.
			return false, known && l.Alive(p.ID())
		}
		// A folder may have been renamed and back: no file in it changes by that.
		if was := l.executed(p); i > 0 && was != (signer.Ident{}) && (was.Dev != found.Dev || was.Ino != found.Ino) {
			return false, true
		}
		all = append(all, sum)
	}
	switch {
	case digestOf(all) != row.Digest:
		return false, true
	case late: // it may have been something else until then
		return false, false
	}
	return true, true
}

// Warm has the files of rows read that remember something, and waits for none:
// so most are known before the first process asks for its row.
func (l *Lineage) Warm(rows []wormbell.TrustRow) {
	for _, row := range rows {
		if row.Digest == "" || l.sign == nil {
			continue
		}
		for _, name := range identity(row.Who) {
			// What fails now is told when it matters.
			l.sums.of(l.sign.Files(), name, 0, true, func(f signer.Found) error { return l.readable(f, owner(row)) })
		}
	}
}

// owner is whose files a row may be about: root's may be about everybody's.
func owner(row wormbell.TrustRow) int {
	uid, err := strconv.Atoi(row.By)
	if err != nil {
		return 0 // the administrator's
	}
	return uid
}

// isOther reports whether an error says that a name leads to something else
// than it did, and not merely that nobody could look.
func isOther(err error) bool {
	for _, e := range []error{fs.ErrNotExist, signer.ErrNotFile, signer.ErrTooBig, errOthers, errCredential} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// executed returns what p's script led to when p executed it, shortly after
// that; zero if it is not known any more.
func (l *Lineage) executed(p *wormbell.Process) signer.Ident {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil {
		return signer.Ident{}
	}
	n := l.tab.nodes[p.PID]
	if n == nil || n.run == nil || n.run.img == nil || n.run.img.script != p.Script || !l.tab.id(n).Start.Equal(p.Start) {
		return signer.Ident{}
	}
	return n.run.img.file
}

// identity returns the files that who of a trust row names, the program first.
func identity(who string) []string {
	exe, ok := strings.CutPrefix(who, "exe:")
	if !ok {
		return nil
	}
	exe, script, ok := strings.Cut(exe, " script:")
	if !ok {
		return []string{exe}
	}
	return []string{exe, script}
}

func digestOf(all [][sha256.Size]byte) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return "sha256:" + hex.EncodeToString(all[0][:])
	}
	h := sha256.New()
	for _, sum := range all {
		h.Write(sum[:])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

// rootsAlone reports whether root alone can make a file of this name, which is
// not there.
func (l *Lineage) rootsAlone(name string) bool {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		f, err := l.sign.Files().Lookup(dir)
		if err == nil {
			return f.Dir && f.Root
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" || dir == "." {
			return false
		}
	}
}

// tilde writes a path inside a guarded home with ~.
func (l *Lineage) tilde(name string) string {
	for _, dir := range l.homes {
		if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/"); ok {
			return "~/" + rest
		}
	}
	return name
}
