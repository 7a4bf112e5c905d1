package keychain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"wormbell/internal/private"
	"wormbell/internal/secret"
)

const (
	// workFactor is the base 2 logarithm of scrypt's N: 2^18 takes about a
	// second of one core and 256 MiB, once each time that the file is opened.
	workFactor = 18
	// maxWorkFactor is what a file may ask of us: more would be somebody's
	// attempt to keep us busy.
	maxWorkFactor = 22
	// maxSealed is the longest file that is read, in bytes.
	maxSealed = 16 << 20
	// lockWait is how long another process may have the file. It has it for
	// milliseconds, or for as long as a busy disk takes to write; to give up may
	// mean that a new token is kept nowhere.
	lockWait = 10 * time.Second
)

// ErrPassphrase is wrapped by errors that say that the passphrase is not that
// of the file.
var ErrPassphrase = errors.New("this is not its passphrase")

// Sealed is a [Store] in a file that is encrypted with a passphrase: for where
// there is no keychain. Several processes may use one file.
//
// The file is JSON with two strings, each of them an armored age file: "key",
// an identity encrypted with the passphrase, and "items", encrypted to that
// identity; so a person can read it without us, by age -d. The passphrase is
// needed once and not kept.
type Sealed struct {
	path string
	step func(string)

	mu     sync.Mutex // one at a time; the file is locked besides
	key    string     // as it stands in the file
	holder *age.X25519Identity
}

// SealedConfig says how a [Sealed] is made. The zero SealedConfig is right.
type SealedConfig struct {
	WorkFactor int          // of a new file: the base 2 logarithm of scrypt's N; 0: 18. For tests
	Step       func(string) // called with a name before each step of writing; nil: nothing. For tests
}

// sealedFile is the file.
type sealedFile struct {
	Version int    `json:"version"` // 1
	Key     string `json:"key"`
	Items   string `json:"items"`
}

// sealedItem is one of its items, in the clear.
type sealedItem struct {
	Service string `json:"service"`
	Account string `json:"account"`
	Value   []byte `json:"value"` // bytes, for JSON keeps no text that is not UTF-8
}

// OpenSealed opens the file path, or prepares to make it: it is there once
// something is in it. Its folder is made, and closed to others, if it is
// missing. A wrong passphrase is an error that wraps [ErrPassphrase].
func OpenSealed(path string, passphrase secret.Value, c SealedConfig) (*Sealed, error) {
	if passphrase.Empty() {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	if c.WorkFactor == 0 {
		c.WorkFactor = workFactor
	}
	if err := private.Dir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	s := &Sealed{path: path, step: c.Step}
	f, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return s, s.newKey(passphrase, c.WorkFactor)
	}
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase.Reveal())
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	plain, err := unseal(f.Key, id)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("open %q: %w", path, ErrPassphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	if s.holder, err = age.ParseX25519Identity(string(plain)); err != nil { // without err: it may quote the key
		return nil, fmt.Errorf("open %q: its key is damaged", path)
	}
	s.key = f.Key
	if _, err := s.open(f); err != nil {
		return nil, err
	}
	return s, nil
}

// newKey makes the identity of a file that is not there yet.
func (s *Sealed) newKey(passphrase secret.Value, factor int) (err error) {
	if s.holder, err = age.GenerateX25519Identity(); err != nil {
		return fmt.Errorf("make a key for %q: %w", s.path, err)
	}
	to, err := age.NewScryptRecipient(passphrase.Reveal())
	if err != nil {
		return fmt.Errorf("make a key for %q: %w", s.path, err)
	}
	to.SetWorkFactor(factor)
	if s.key, err = seal([]byte(s.holder.String()), to); err != nil {
		return fmt.Errorf("make a key for %q: %w", s.path, err)
	}
	return nil
}

// Get implements [Store].
func (s *Sealed) Get(ctx context.Context, service, account string) (secret.Value, error) {
	var v secret.Value
	err := s.with(ctx, func(items []sealedItem) ([]sealedItem, bool, error) {
		for _, i := range items {
			if i.Service == service && i.Account == account {
				v = secret.Of(string(i.Value))
				return nil, false, nil
			}
		}
		return nil, false, fmt.Errorf("%w: %s %s", ErrNotFound, service, account)
	})
	return v, err
}

// Set implements [Store]. It is on the disk when Set returns nil.
func (s *Sealed) Set(ctx context.Context, service, account string, v secret.Value) error {
	return s.with(ctx, func(items []sealedItem) ([]sealedItem, bool, error) {
		items = without(items, service, account)
		return append(items, sealedItem{service, account, []byte(v.Reveal())}), true, nil
	})
}

// Delete implements [Store]. With the last item the file goes, too.
func (s *Sealed) Delete(ctx context.Context, service, account string) error {
	return s.with(ctx, func(items []sealedItem) ([]sealedItem, bool, error) {
		rest := without(items, service, account)
		return rest, len(rest) < len(items), nil
	})
}

// Wipe removes the file and all that is in it.
func (s *Sealed) Wipe(ctx context.Context) error {
	return s.with(ctx, func([]sealedItem) ([]sealedItem, bool, error) { return nil, true, nil })
}

// Where implements [Store].
func (s *Sealed) Where() string { return "the encrypted file " + s.path }

func without(items []sealedItem, service, account string) []sealedItem {
	var rest []sealedItem
	for _, i := range items {
		if i.Service != service || i.Account != account {
			rest = append(rest, i)
		}
	}
	return rest
}

// with gives do what is in the file and, if do says so, writes back what it
// returns, while no other process can.
func (s *Sealed) with(ctx context.Context, do func([]sealedItem) (now []sealedItem, changed bool, err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release(false)
	var items []sealedItem
	f, err := s.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case f.Key != s.key:
		return fmt.Errorf("open %q: %w: it was made anew meanwhile", s.path, ErrPassphrase)
	default:
		if items, err = s.open(f); err != nil {
			return err
		}
	}
	now, changed, err := do(items)
	if err != nil || !changed {
		return err
	}
	if len(now) == 0 {
		return private.Remove(s.path)
	}
	return s.write(now)
}

// lock waits for the file's lock.
func (s *Sealed) lock(ctx context.Context) (*private.Lock, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range lockWait / (20 * time.Millisecond) {
		lock, err := private.TryLock(s.path + ".lock")
		if !errors.Is(err, private.ErrLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
	return nil, fmt.Errorf("lock %q: %w by another program", s.path, private.ErrLocked)
}

func (s *Sealed) read() (sealedFile, error) {
	b, err := private.Read(s.path, maxSealed)
	if err != nil {
		return sealedFile{}, err
	}
	var f sealedFile
	if json.Unmarshal(b, &f) != nil || f.Version != 1 {
		return sealedFile{}, fmt.Errorf("read %q: it is no store of secrets of version 1", s.path)
	}
	return f, nil
}

func (s *Sealed) open(f sealedFile) ([]sealedItem, error) {
	plain, err := unseal(f.Items, s.holder)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", s.path, err)
	}
	var items []sealedItem
	if json.Unmarshal(plain, &items) != nil { // whose error may quote a secret
		return nil, fmt.Errorf("open %q: what is in it cannot be read", s.path)
	}
	return items, nil
}

func (s *Sealed) write(items []sealedItem) error {
	plain, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("write %q: %w", s.path, err)
	}
	f := sealedFile{Version: 1, Key: s.key}
	if f.Items, err = seal(plain, s.holder.Recipient()); err != nil {
		return fmt.Errorf("write %q: %w", s.path, err)
	}
	b, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return fmt.Errorf("write %q: %w", s.path, err)
	}
	if len(b) > maxSealed {
		return fmt.Errorf("write %q: %w", s.path, ErrTooBig)
	}
	return private.Write(s.path, append(b, '\n'), s.step)
}

func seal(plain []byte, to age.Recipient) (string, error) {
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(plain); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if err := a.Close(); err != nil {
		return "", err
	}
	return b.String(), nil
}

func unseal(text string, by age.Identity) ([]byte, error) {
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader([]byte(text))), by)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxSealed))
}
