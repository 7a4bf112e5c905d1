package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"wormbell"
)

// TestAskWhose: at most three questions, the most frequent first; yes allows and
// closes all that is about it, anything else changes nothing.
func TestAskWhose(t *testing.T) {
	t.Parallel()
	alerts := func() []wormbell.Alert {
		return []wormbell.Alert{reading("aaaaaaaa", "/bin/ls", "~/.npmrc", 2), reading("bbbbbbbb", "/bin/ls", "~/.npmrc", 7), reading("cccccccc", "/bin/date", "~/.npmrc", 5),
			reading("dddddddd", "/bin/uname", "~/.netrc", 1), reading("eeeeeeee", "/bin/rm", "~/.npmrc", 3), reading("ffffffff", "/bin/sleep", "~/.npmrc", 1)}
	}
	for _, tt := range []struct {
		name   string
		types  string
		asked  []string // of the agent
		shows  []string
		absent string
	}{
		{"yes, more, no and no", "y\n?\nno\n\n",
			[]string{"trust npm|exe:/bin/ls|person|~/.npmrc|it was me: ls read npm tokens (alert bbbbbbbb)", "close bbbbbbbb it was me", "close aaaaaaaa it was me"},
			[]string{"ls read your npm tokens 9 times since", "is that yours? [y/N/?]", "date read your npm tokens 5 times", "/bin/date may read your npm tokens", "rm read your npm tokens 3 times", "2 programs have read credentials", "sleep, uname"}, "uname read your"},
		{"nothing but no", "\nn\nmaybe\nN\n", nil, []string{"rm read your npm tokens"}, "uname read your"},
		{"the end", "\x04", nil, []string{"5 programs have read credentials"}, "date read your"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			front, tty, err := pty.Open()
			if err != nil {
				t.Skipf("no terminals here: %v", err)
			}
			var shown bytes.Buffer
			var reading sync.WaitGroup
			reading.Go(func() { io.Copy(&shown, front) }) // ends when both sides are closed
			s := &standIn{alerts: alerts()}
			a := &app{streams: Streams{tty, tty, tty}, zone: time.UTC}
			if _, err := front.WriteString(tt.types); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err = a.askWhose(ctx, s, s.alerts, false)
			tty.Close()
			if err != nil {
				front.Close() // a question may still wait for its answer
			}
			reading.Wait()
			front.Close()
			if err != nil && !errors.Is(err, os.ErrClosed) {
				t.Fatalf("%v: %s", err, shown.String())
			}
			if diff := cmp.Diff(s.asked, tt.asked); diff != "" {
				t.Error(diff)
			}
			text := strings.Join(strings.Fields(shown.String()), " ")
			for _, want := range tt.shows {
				if !strings.Contains(text, want) {
					t.Errorf("not shown: %q in %s", want, text)
				}
			}
			if strings.Contains(text, tt.absent) {
				t.Errorf("it asks too much: %s", text)
			}
		})
	}
	// Nobody is asked where nobody sits.
	s := &standIn{alerts: alerts()}
	var out bytes.Buffer
	a := &app{streams: Streams{strings.NewReader("y\ny\ny\n"), &out, &out}, zone: time.UTC}
	if err := a.askWhose(t.Context(), s, s.alerts, false); err != nil || len(s.asked) > 0 || !strings.Contains(out.String(), "5 programs have read credentials") || !strings.Contains(out.String(), "wormbell alert trust bbbbbbbb") && !strings.Contains(out.String(), "wormbell alert trust aaaaaaaa") {
		t.Errorf("it asked %q, %v: %s", s.asked, err, out.String())
	}
}
