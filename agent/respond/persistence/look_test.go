package persistence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"wormbell/agent/respond/persistence"
)

// TestOutOfTime: what was found before the time was over is told of, and so is
// what was not looked at.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		service(m, ".x/m", wiper(), "sh")
		m.young()
		m.config.Run = func(ctx context.Context, in []byte, name string, args ...string) ([]byte, error) {
			if name == "atq" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return m.run(ctx, in, name, args...)
		}
		r, err := persistence.Look(t.Context(), m.config)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if b := r.Blocking(); len(b) != 1 || b[0].What != persistence.Unit {
			t.Errorf("what was found before is lost:\n%s", strings.Join(r.Summary(), "\n"))
		}
		if said := strings.Join(r.NotLooked, "\n"); !strings.Contains(said, "processes") || !strings.Contains(said, "shell") || strings.Contains(said, "systemd") {
			t.Errorf("not looked at: %q", said)
		}
	})
}

func TestCounts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, dir := range []string{".x/a", ".x/b"} {
		m.put(map[string]string{dir: wiper(), ".config/autostart/" + dir[3:] + ".desktop": "[Desktop Entry]\nExec=sh " + m.path(dir) + "\n"})
	}
	m.young()
	if said := m.look().Summary()[0]; !strings.HasPrefix(said, "2 things must") {
		t.Error(said)
	}
}
