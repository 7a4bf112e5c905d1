package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// TestUnannouncedPlan: the dashboard plans nothing at an agent that would ring for
// it and takes no announcement of it.
func TestUnannouncedPlan(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &standIn{status: wormbell.Status{Privileged: true}, refuse: &client.Error{Status: 403, Text: "refused to announce"},
		alerts: []wormbell.Alert{{ID: "abcd2345", User: strconv.Itoa(os.Getuid()), First: time.Now(), Findings: []wormbell.Finding{{Detector: "credential-read", Subject: "~/.npmrc"}}}}}
	a := &app{zone: time.UTC, connect: func(string) (Agent, error) { return s, nil }}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := a.prepare(words.In(language.English))(ctx, "abcd2345", dashboard.How{}, respond.Person{})
	if p != nil || !errors.Is(err, incident.ErrUnannounced) || len(s.asked) != 1 || !strings.Contains(s.asked[0], "~/.npmrc") {
		t.Errorf("%+v, %v; asked %q", p, err, s.asked)
	}
}
