package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"wormbell/agent/client"
	"wormbell/agent/respond"
	"wormbell/agent/respond/call"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/plain"
	"wormbell/internal/secret"
)

// stateFolder is where this program keeps journals, copies and sealed secrets
// of its user: $XDG_STATE_HOME/wormbell or what the system has instead.
func stateFolder(home string, getenv func(string) string) string {
	switch {
	case runtime.GOOS == "windows" && getenv("LOCALAPPDATA") != "":
		return filepath.Join(getenv("LOCALAPPDATA"), "Wormbell")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "Wormbell")
	case filepath.IsAbs(getenv("XDG_STATE_HOME")):
		return filepath.Join(getenv("XDG_STATE_HOME"), "wormbell")
	}
	return filepath.Join(home, ".local", "state", "wormbell")
}

// folders returns the user's home and our folder of state in it. Root gets none
// that another user could have filled: see foreign.
func folders() (home, state string, err error) {
	if home, err = os.UserHomeDir(); err != nil {
		return "", "", fmt.Errorf("find your home: %w", err)
	}
	state = stateFolder(home, os.Getenv)
	for _, path := range []string{home, state} {
		if err := foreign(path); err != nil {
			return "", "", err
		}
	}
	return home, state, nil
}

// machine is what the responders see. It opens no keychain: see keys.
func (a *app) machine(t *typist) (*respond.Machine, error) {
	home, state, err := folders()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("WORMBELL_DEBUG") != "" {
		log = slog.New(slog.NewTextHandler(a.streams.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	m := &respond.Machine{
		Home:   home,
		State:  state,
		Getenv: os.Getenv,
		Call:   call.New(call.Config{Log: log}),
		Memory: &respond.Memory{},
		Person: t.person(),
		Now:    time.Now,
		Log:    log,
	}
	// gh and others keep their tokens there; without one there is nothing to find.
	if items, err := keychain.OpenToRead(keychain.Config{Getenv: m.Getenv, Log: log}); err == nil {
		m.Items = items
	}
	return m, nil
}

// hide keeps this process's memory from others before it reads the first
// secret. Where that fails the person is told: the way of least harm is to go on.
func (a *app) hide() {
	if err := secret.Hide(); err != nil {
		fmt.Fprintln(a.streams.Err, "warning: other programs of yours might read this one's memory: "+plain.Text(err.Error()))
	}
}

// keys gives m a place for new tokens until they are in their own: the
// keychain, or, if the person agrees and there is none, a file sealed with a
// passphrase. m.Keys stays nil if there is neither; why says so.
func (a *app) keys(ctx context.Context, m *respond.Machine, t *typist) (why error) {
	chain, err := keychain.Open(ctx, keychain.Config{Getenv: m.Getenv, Log: m.Log})
	if err == nil {
		m.Keys, m.Items = chain, chain
		return nil
	}
	if !errors.Is(err, keychain.ErrNone) {
		return err
	}
	if t.terminal() == nil {
		return err
	}
	fmt.Fprintln(t.out, plain.Text(err.Error()))
	yes, askErr := t.confirm(ctx, "Keep new tokens in a file sealed with a passphrase until they are in place?")
	if askErr != nil || !yes {
		return errors.Join(err, askErr)
	}
	path := filepath.Join(m.State, sealedName)
	sealed, err := openSealed(ctx, path, sealing{
		secret: func(ctx context.Context, prompt string) (secret.Value, error) { return t.secret(ctx, prompt, false) },
		say:    func(line string) { fmt.Fprintln(t.out, line) },
		ask:    "Passphrase for " + path, askNew: "New passphrase for " + path, again: "The same passphrase once more",
		short: fmt.Sprintf("It needs %d characters at least.", minPhrase), differ: "These are two different passphrases. Nothing was sealed.",
		wrong: "That is not the passphrase that the file was sealed with.",
	})
	if err != nil {
		return err
	}
	m.Keys = sealed
	return nil
}

// sealing is how a person is asked for the passphrase of a sealed file, and what
// they are told.
type sealing struct {
	secret                                   func(ctx context.Context, prompt string) (secret.Value, error)
	say                                      func(line string)
	ask, askNew, again, short, differ, wrong string
}

// openSealed opens the sealed file path by a passphrase that it asks for. That of
// a file that is yet to be made is asked for twice: after a slip of the finger
// nobody could open it, and the only token that works may lie in it.
func openSealed(ctx context.Context, path string, s sealing) (*keychain.Sealed, error) {
	_, err := os.Lstat(path)
	fresh, prompt := errors.Is(err, fs.ErrNotExist), s.ask
	if fresh {
		prompt = s.askNew
	}
	for {
		phrase, err := s.secret(ctx, prompt)
		if err != nil {
			return nil, err
		}
		if len(phrase.Reveal()) < minPhrase {
			s.say(s.short)
			continue
		}
		if fresh {
			again, err := s.secret(ctx, s.again)
			if err != nil {
				return nil, err
			}
			if !again.Equal(phrase) {
				s.say(s.differ)
				continue
			}
		}
		sealed, err := keychain.OpenSealed(path, phrase, keychain.SealedConfig{})
		if errors.Is(err, keychain.ErrPassphrase) {
			s.say(s.wrong)
			fresh, prompt = false, s.ask // somebody has made it meanwhile
			continue
		}
		return sealed, err
	}
}

const (
	sealedName = "sealed.age"
	// minPhrase keeps a slip of the finger from sealing anything; what a good
	// passphrase is, is the person's to judge.
	minPhrase = 8
)

// vouched asks the agent, if one runs that can tell, whether what this program
// descends from may have tokens: not a package's script, nor what an alert is
// about. Without an agent, and with one that is not root and so cannot tell, there
// is nobody to ask; of one that is asked only a plain yes is one. what is for the
// person: "hand over tokens".
func (a *app) vouched(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, vouchTime)
	defer cancel()
	no := func(err error) error { return advise(fmt.Errorf("%s: %w", what, err)) }
	c, err := a.connect(a.socket)
	if errors.Is(err, client.ErrNoAgent) {
		return nil
	} else if err != nil {
		return no(err) // somebody poses as the agent, or keeps us from it
	}
	s, err := c.Status(ctx)
	if err != nil {
		return no(fmt.Errorf("ask the agent who asks: %w", err))
	}
	if !s.Privileged {
		return nil
	}
	if err := c.Announce(ctx, []string{"~/.npmrc"}, 10*time.Second); err != nil {
		return no(err)
	}
	return nil
}

// vouchTime is how long the agent may think about who asks.
const vouchTime = 5 * time.Second
