package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
)

// What was begun and has not ended is said with the words that go on with it and
// that give it up; what was given up is not done.
func TestResultSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		result    incident.Result
		has, lack string
	}{
		{"begun", incident.Result{Rotations: []respond.Outcome{{ID: "ab12", Token: "npm:x"}}}, "wormbell rotate --give-up ab12 gives up npm:x", "All is done"},
		{"begun, other half", incident.Result{Rotations: []respond.Outcome{{ID: "ab12", Token: "npm:x"}}}, "wormbell rotate --resume goes on", "It was given up"},
		{"done", incident.Result{Rotations: []respond.Outcome{{ID: "ab12", Token: "npm:x", Done: true}}, Complete: true}, "All is done.", "--give-up"},
		{"given up", incident.Result{Rotations: []respond.Outcome{{ID: "ab12", Token: "npm:x", Abandoned: true}}, Complete: true}, "It was given up.", "All is done"},
		{"never begun", incident.Result{Rotations: []respond.Outcome{{Token: "npm:x"}}}, "npm:x", "--give-up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			newPrinter(&out, time.UTC).result(tt.result)
			if !strings.Contains(out.String(), tt.has) || strings.Contains(out.String(), tt.lack) {
				t.Errorf("it says\n%s", out.String())
			}
		})
	}
}

// Ctrl-D is no answer, and no fault either.
func TestNoAnswerAtTerminal(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer tty.Close()
	if _, err := master.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := (&typist{out: &out, in: tty}).person().Confirm(t.Context(), "Do it?"); !errors.Is(err, respond.ErrNobody) {
		t.Errorf("confirm: %v", err)
	}
}
