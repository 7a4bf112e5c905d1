package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// TestSealing: a new passphrase is asked for twice, that of a file that is there
// once, and one that is mistyped seals nothing.
func TestSealing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sealed.age")
	open := func(answers ...string) (asked, said []string, err error) {
		s, err := openSealed(t.Context(), path, sealing{
			secret: func(_ context.Context, prompt string) (secret.Value, error) {
				asked = append(asked, prompt)
				if len(answers) == 0 {
					return secret.Value{}, errors.New("nobody is here")
				}
				a := answers[0]
				answers = answers[1:]
				return secret.Of(a), nil
			},
			say: func(line string) { said = append(said, line) },
			ask: "ask", askNew: "new", again: "again", short: "short", differ: "differ", wrong: "wrong",
		})
		if err == nil {
			err = s.Set(t.Context(), "service", "account", secret.Of("decoy"))
		}
		return asked, said, err
	}
	for _, step := range []struct {
		answers     []string
		asked, said []string
		fails       bool
	}{
		{answers: []string{"tiny"}, asked: []string{"new", "new"}, said: []string{"short"}, fails: true},
		{answers: []string{"long enough", "long enouhg"}, asked: []string{"new", "again", "new"}, said: []string{"differ"}, fails: true},
		{answers: []string{"long enouhg", "long enough", "long enough", "long enough"}, asked: []string{"new", "again", "new", "again"}, said: []string{"differ"}},
		{answers: []string{"long enouhg", "long enough"}, asked: []string{"ask", "ask"}, said: []string{"wrong"}},
	} {
		asked, said, err := open(step.answers...)
		if !slices.Equal(asked, step.asked) || !slices.Equal(said, step.said) || (err != nil) != step.fails {
			t.Errorf("%q: asked %q, said %q, %v", step.answers, asked, said, err)
		}
	}
	if _, err := keychain.OpenSealed(path, secret.Of("long enouhg"), keychain.SealedConfig{}); !errors.Is(err, keychain.ErrPassphrase) {
		t.Errorf("it was sealed with the slip: %v", err)
	}
}
