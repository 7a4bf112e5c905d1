package keychain

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zalando/go-keyring"

	"wormbell/internal/secret"
)

// limit is how long the keychain may take for one call. A few milliseconds are
// usual; what takes longer waits for a person at a dialog, who would be asked
// behind our back, or for ever.
const limit = 4 * time.Second

// Config says how the keychain of the operating system is opened. The zero
// Config is right.
type Config struct {
	Getenv func(string) string // nil: os.Getenv. What it does not say as that does, no bus is looked for
	Log    *slog.Logger        // nil: nothing is logged
	Limit  time.Duration       // for one call; 0: 4 s
}

// System is the keychain of the operating system, a [Store]: the Secret Service
// (GNOME Keyring, KWallet) on Linux, the login keychain on macOS, the Credential
// Manager on Windows. Its items are those of github.com/zalando/go-keyring, so it
// also reads what gh and other programs keep there with the same library.
//
// A call that takes too long returns an error that wraps ErrNone, and the
// keychain is not used again by this process: a call that hangs cannot be
// ended. What that call was to do may still happen.
type System struct {
	limit   time.Duration
	log     *slog.Logger
	turn    chan struct{} // holds one token: calls come one after the other
	stopped atomic.Bool   // a call took too long
}

// Open opens the keychain and tries it out: it keeps, reads and deletes an item
// of random name and value. If there is none, or it is locked, the error wraps
// ErrNone and says why and what to do.
func Open(ctx context.Context, c Config) (*System, error) {
	s, err := OpenToRead(c)
	if err != nil {
		return nil, err
	}
	if err := s.try(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenToRead opens the keychain without trying it out, so that nothing is
// written to it. It does not speak to it yet.
func OpenToRead(c Config) (*System, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Limit == 0 {
		c.Limit = limit
	}
	if why := absent(c.Getenv); why != "" {
		return nil, none(why)
	}
	s := &System{limit: c.Limit, log: c.Log, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// Where implements [Store].
func (s *System) Where() string {
	switch runtime.GOOS {
	case "darwin":
		return "the login keychain"
	case "windows":
		return "the Windows Credential Manager"
	}
	return "the login keyring"
}

// Get implements [Store].
func (s *System) Get(ctx context.Context, service, account string) (secret.Value, error) {
	var v string
	err := s.call(ctx, "get", service, account, func() (err error) {
		v, err = keyring.Get(service, account)
		return err
	}, secret.Value{})
	if err != nil {
		return secret.Value{}, err
	}
	return secret.Of(v), nil
}

// Set implements [Store].
func (s *System) Set(ctx context.Context, service, account string, v secret.Value) error {
	if err := fits(runtime.GOOS, service, account, len(v.Reveal())); err != nil {
		return fmt.Errorf("keep %s %s: %w", service, account, err)
	}
	return s.call(ctx, "set", service, account, func() error { return keyring.Set(service, account, v.Reveal()) }, v)
}

// Delete implements [Store].
func (s *System) Delete(ctx context.Context, service, account string) error {
	err := s.call(ctx, "delete", service, account, func() error { return keyring.Delete(service, account) }, secret.Value{})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// try keeps, reads and deletes an item.
func (s *System) try(ctx context.Context) error {
	const service = "wormbell"
	account, v := "trying the keychain "+rand.Text()[:8], secret.Of(rand.Text())
	if err := s.Set(ctx, service, account, v); err != nil {
		return err
	}
	got, err := s.Get(ctx, service, account)
	if err := errors.Join(err, s.Delete(context.WithoutCancel(ctx), service, account)); err != nil {
		return err
	}
	if !got.Equal(v) {
		return none("it does not give back what was put into it")
	}
	return nil
}

// call runs do within the limits of time. v is what no error may hold.
func (s *System) call(ctx context.Context, what, service, account string, do func() error, v secret.Value) error {
	if err := named(service, account); err != nil {
		return err
	}
	timer := time.NewTimer(s.limit)
	defer timer.Stop()
	select {
	case <-s.turn:
	case <-timer.C:
		return none(slow)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil || s.stopped.Load() {
		s.turn <- struct{}{}
		if err != nil {
			return err
		}
		return none(slow)
	}
	done := make(chan error, 1)
	// Ends with its one call, which nothing can end. The next turn is only after it.
	go func() {
		err := errors.New("the library gave up")
		defer func() {
			_ = recover() // go-keyring does not expect that the bus ends while a dialog is open
			s.turn <- struct{}{}
			done <- err
		}()
		err = do()
	}()
	var err error
	select {
	case err = <-done:
	case <-timer.C:
		s.stopped.Store(true)
		s.log.Warn("the keychain does not answer", "call", what, "limit", s.limit)
		return none(slow)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	return explain(err, service, account, v)
}

const slow = "it does not answer; a dialog that asks for its password may be open: unlock it, then try again"

func none(why string) error { return fmt.Errorf("%w: %s", ErrNone, why) }

// named reports what is wrong with the name of an item. D-Bus would end the
// connection over text that is not UTF-8.
func named(service, account string) error {
	odd := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if service == "" || len(service)+len(account) > 1000 || strings.ContainsFunc(service+account, odd) {
		return fmt.Errorf("keychain item %q %q: no name that every keychain takes", service, account)
	}
	return nil
}

// largest is what we ask of a keychain that names no limit, in bytes.
const largest = 1 << 20

// fits reports by an error that wraps ErrTooBig that a value of size bytes is too
// long for the keychain of a system.
func fits(goos, service, account string, size int) error {
	most := largest
	switch goos {
	case "windows":
		most = 2560 // CRED_MAX_CREDENTIAL_BLOB_SIZE is 5*512
	case "darwin":
		// go-keyring types one line of at most 4096 bytes into security(1), the value
		// in base64 and each name in quotes, which a quote in it makes five bytes of.
		// It leaves the program running when it finds it too long itself.
		line := len("add-generic-password -U -s '' -a '' -w 'go-keyring-base64:'\n") + 4*strings.Count(service+account, "'") + len(service) + len(account)
		most = max(0, (4096-line)/4*3)
	}
	if size > most {
		return fmt.Errorf("%w: %d bytes, it takes %d", ErrTooBig, size, most)
	}
	return nil
}

// explain puts an error of go-keyring, which are texts, into ours. Nothing but a
// text that is known is passed on: commands and their output could hold the value.
func explain(err error, service, account string, v secret.Value) error {
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return fmt.Errorf("%w: %s %s", ErrNotFound, service, account)
	case errors.Is(err, keyring.ErrSetDataTooBig):
		return fmt.Errorf("keep %s %s: %w", service, account, ErrTooBig)
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return none("this system has none that is known here")
	}
	text := err.Error()
	for _, k := range known {
		if strings.Contains(text, k.text) {
			return none(k.why)
		}
	}
	if !v.Empty() && strings.Contains(text, v.Reveal()) {
		return none("it refused, with an error that cannot be shown")
	}
	return none("it says: " + text)
}

const locked = "it is locked: log in to the desktop, or unlock it with the program that manages it (Passwords and Keys, KWalletManager), then try again"

// known are errors of the libraries below and what they mean. Sources: go-keyring
// 0.2.8, godbus 5.2, GNOME Keyring 42, security(1), each met.
var known = []struct{ text, why string }{
	{"failed to unlock correct collection", locked},
	{"org.freedesktop.Secret.Error.IsLocked", locked},
	{"Cannot create an item in a locked collection", locked},
	{"org.freedesktop.secrets was not provided", "no program on the session bus keeps secrets: install gnome-keyring or KWallet, or log in to the desktop"},
	{"The name is not activatable", "no program on the session bus keeps secrets: install gnome-keyring or KWallet, or log in to the desktop"},
	{"org.freedesktop.Secret.Error.NoSuchObject", "it has no keyring to put a secret into: make one named login with the program that manages it"},
	{"broken pipe", otherUser},
	{"connection reset by peer", otherUser},
	{"authentication", otherUser},
	{"no such file or directory", "the session bus is not where DBUS_SESSION_BUS_ADDRESS says"},
	{"connection refused", "nobody serves the session bus that DBUS_SESSION_BUS_ADDRESS names"},
	{"connection closed by user", gone},
	{"EOF", gone},
	{"User interaction is not allowed", "it is locked and nobody can be asked: unlock it with security unlock-keychain, or log in to the desktop"},
	{"exit status 36", "it is locked and nobody can be asked: unlock it with security unlock-keychain, or log in to the desktop"}, // errSecInteractionNotAllowed, -25308 & 0xff
}

const gone = "the session bus went away, or lets only another user in: run this as the user of the desktop, without sudo"

const otherUser = "the session bus is another user's: run this as that user, without sudo"
