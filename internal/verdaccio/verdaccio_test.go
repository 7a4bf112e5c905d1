package verdaccio_test

import (
	"testing"

	"wormbell/internal/verdaccio"
)

// TestVerdaccio holds what the rest of the tests rely on.
func TestVerdaccio(t *testing.T) {
	t.Parallel()
	s := verdaccio.Start(t)
	login := s.AddUser("alice", "a-password-of-alice")
	token := s.AddToken(login, "a-password-of-alice", false)
	for name, tt := range map[string]struct{ token, want string }{
		"login": {login, "alice"}, "token": {token, "alice"}, "nobody's": {"0123456789", ""}, "none": {"", ""},
	} {
		if got := s.Whoami(tt.token); got != tt.want {
			t.Errorf("%s: it is %q's", name, got)
		}
	}
}
