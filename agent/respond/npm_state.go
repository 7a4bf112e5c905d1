package respond

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"wormbell/internal/private"
	"wormbell/internal/secret"
)

// What npm's kind keeps on disk from one run to the next, each a small file of
// its own in the state folder. None of it is secret.
const (
	npmMakingFile = "making" // npmMaking, by label
	npmGrantsFile = "grants" // npmGrants, by a token's name
)

// npmMaking is written before a token is made.
type npmMaking struct {
	Site string
	At   time.Time
	Keys []string // of the tokens that there were
}

// npmGrants is written before a token is revoked.
type npmGrants struct {
	Owner string
	At    time.Time
	Was   npmListed
}

// maxNpmState is how much of such a file is read, in bytes.
const maxNpmState = 1 << 20

func npmStateFile(m *Machine, what, key string) (folder, name string) {
	name = what + "-" + url.QueryEscape(key)
	if len(name) > 200 { // file systems take 255 bytes
		sum := sha256.Sum256([]byte(key))
		name = name[:150] + "-" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(m.State, "npm"), name + ".json"
}

// npmKeep writes v so that it is there after a crash.
func npmKeep(m *Machine, what, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the %s of %q: %w", what, key, err)
	}
	folder, name := npmStateFile(m, what, key)
	if err := private.Dir(folder); err != nil {
		return err
	}
	return private.Write(filepath.Join(folder, name), b, nil)
}

// npmRecall reads what npmKeep wrote; ok is false if there is nothing.
func npmRecall(m *Machine, what, key string, v any) (ok bool, err error) {
	folder, name := npmStateFile(m, what, key)
	b, err := private.Read(filepath.Join(folder, name), maxNpmState)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("read %q: %w", filepath.Join(folder, name), err)
	}
	return true, nil
}

// npmForgetMade removes the note that was taken before a token was made.
func npmForgetMade(m *Machine, label string) {
	folder, name := npmStateFile(m, npmMakingFile, label)
	if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.Log.Info("a note was not removed", "err", err)
	}
}

// rememberWeb keeps for this run where the registry's website is, of which only
// its own answers tell. It is not written down: which page a browser opens must
// not hang on a file that every program of the user's can write.
func (s npmSite) rememberWeb(page string) {
	if u, err := url.Parse(page); err == nil && u.Host != "" {
		s.m.Memory.Set(npmWebPrefix+s.base, secret.Of(u.Scheme+"://"+u.Host))
	}
}

const npmWebPrefix = "npm web "

// npmLocate returns t with where its registry's website is, as the registry
// says in this run: by the page for a sign-in, which is asked for and not used.
func npmLocate(ctx context.Context, m *Machine, t Token) Token {
	s, err := npmAt(m, t)
	if err != nil {
		return t
	}
	if m.Memory.Get(npmWebPrefix + s.base).Empty() {
		ctx, cancel := context.WithTimeout(ctx, npmLocateWithin)
		defer cancel()
		if pages, err := s.signInPages(ctx); err == nil {
			s.rememberWeb(pages.LoginURL)
		}
	}
	t.Web = m.Memory.Get(npmWebPrefix + s.base).Reveal()
	return t
}

// npmLocateWithin is how long a person waits for that: their page can be said
// without it.
const npmLocateWithin = 5 * time.Second
