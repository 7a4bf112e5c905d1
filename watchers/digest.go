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
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/stores"
	"wormbell/watchers/internal/procs"
	"wormbell/watchers/internal/signer"
)

// This file says whether a program that somebody has allowed is still the same.
// A trust row names files; those that others than root may write it knows by
// their content, too: a worm that runs as the user may put itself there.

const (
	sumLimit = 256 << 20 // bytes of one file; a node has 120 MB
	sumKnown = 256       // files whose sum is remembered
	// ctimeTick is how far ctime may lag behind: it is the time of the kernel's last
	// tick, of which there are 100 in a second at least.
	ctimeTick = 10 * time.Millisecond
	sumBudget = 2 * time.Second // of reading for one user at once; a tenth of the time is given back
)

// sums are the sums of files, by what tells whether a file has changed. Nobody
// can make the agent read big files all the time: each user has a budget.
type sums struct {
	mu    sync.Mutex // guards what follows
	known map[signer.Ident][sha256.Size]byte
	spent map[int]spent // by uid of the file's owner
}

type spent struct {
	time time.Duration
	at   time.Time
}

// errBusy is returned for a file whose owner's budget is used up.
var errBusy = errors.New("too much has been read lately; try again in a few seconds")

// left reports whether uid may have another file read.
func (s *sums) left(uid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.spent[uid]
	return was.time-time.Since(was.at)/10 < sumBudget
}

func (s *sums) spend(uid int, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent == nil {
		s.spent = map[int]spent{}
	}
	was := s.spent[uid]
	s.spent[uid] = spent{max(0, was.time-time.Since(was.at)/10) + d, time.Now()}
	for u, w := range s.spent {
		if u != uid && w.time < time.Since(w.at)/10 {
			delete(s.spent, u)
		}
	}
}

// of returns the sum of a file that may refuses no.
func (s *sums) of(files *signer.Files, name string, may func(signer.Found) error) ([sha256.Size]byte, signer.Found, error) {
	var began time.Time
	sum, found, err := files.Sum(name, sumLimit, func(f signer.Found) (sum [sha256.Size]byte, err error) {
		if err := may(f); err != nil {
			return sum, err
		}
		s.mu.Lock()
		sum, ok := s.known[f.Ident]
		s.mu.Unlock()
		switch {
		case ok && f.Ctime != 0: // without one nothing tells that it is unchanged
			return sum, nil
		case !s.left(f.UID):
			return sum, errBusy
		}
		began = time.Now()
		return sum, signer.ErrUnknown
	})
	if !began.IsZero() {
		s.spend(found.UID, time.Since(began))
	}
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.known == nil || len(s.known) >= sumKnown {
			s.known = map[signer.Ident][sha256.Size]byte{}
		}
		s.known[found.Ident] = sum
	}
	return sum, found, err
}

// errRoot says of a file that root alone could have put it there: what it is
// need not be remembered.
var errRoot = errors.New("root's")

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
		sum, _, err := l.sums.of(l.sign.Files(), name, func(f signer.Found) error { return l.readable(f, uid) })
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
		return errors.New("it belongs to somebody else")
	case stores.Of(l.tilde(f.Path)) != nil:
		return errors.New("it holds credentials")
	}
	return nil
}

// Unchanged reports whether the files that a row is about are those that it
// remembers, and were when p began to run. It is true of a row that remembers
// nothing, and false where it cannot be told.
func (l *Lineage) Unchanged(row wormbell.TrustRow, p *wormbell.Process) bool {
	if row.Digest == "" {
		return true
	}
	if l.sign == nil || p == nil {
		return false
	}
	// p.Start is of whole seconds, as the time of boot is; how long ago it was is
	// known better.
	started := time.Now().Add(p.Start.Sub(l.boot) - procs.Uptime())
	uid, err := strconv.Atoi(row.By)
	if err != nil {
		uid = 0 // the administrator's
	}
	var all [][sha256.Size]byte
	for i, name := range identity(row.Who) {
		sum, found, err := l.sums.of(l.sign.Files(), name, func(f signer.Found) error {
			// The name may lead elsewhere than when the row was added.
			if err := l.readable(f, uid); err != nil {
				return err
			}
			if f.Ctime != 0 && !p.Start.IsZero() && f.Ctime > started.Add(-ctimeTick).UnixNano() {
				// It may have been something else until p had begun to run it. No program sets ctime.
				return signer.ErrChanging
			}
			return nil
		})
		if errors.Is(err, errRoot) {
			continue
		}
		if err != nil || !l.sign.Means(p.PID, name, found.Ident, i == 0) {
			return false
		}
		// A folder may have been renamed and back: no file in it changes by that.
		if was := l.executed(p); i > 0 && was != (signer.Ident{}) && (was.Dev != found.Dev || was.Ino != found.Ino) {
			return false
		}
		all = append(all, sum)
	}
	return digestOf(all) == row.Digest
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
