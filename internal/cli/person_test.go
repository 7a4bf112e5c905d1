package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"wormbell/agent/respond"
	"wormbell/internal/secret"
)

// Without a terminal nobody answers a question, and secrets come from standard
// input only if that was asked for.
func TestPersonWithoutTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := (&typist{out: &out, in: strings.NewReader("y\nsecret\n")}).person()
	if _, err := p.Confirm(t.Context(), "Do it?"); !errors.Is(err, respond.ErrNobody) {
		t.Errorf("confirm: %v", err)
	}
	if v, err := p.Secret(t.Context(), "Password"); !errors.Is(err, respond.ErrNobody) || !v.Empty() {
		t.Errorf("secret: %v", err)
	}
	p = (&typist{out: &out, in: strings.NewReader("first\r\n a token with spaces \nlast"), passwords: true}).person()
	for _, want := range []string{"first", " a token with spaces ", "last"} {
		if v, err := p.Secret(t.Context(), "Password"); err != nil || v.Reveal() != want {
			t.Errorf("got %q, %v, want %q", v.Reveal(), err, want)
		}
	}
	if _, err := p.Secret(t.Context(), "Password"); !errors.Is(err, respond.ErrNobody) {
		t.Errorf("after the last line: %v", err)
	}
	if _, err := p.Confirm(t.Context(), "Do it?"); !errors.Is(err, respond.ErrNobody) {
		t.Errorf("confirm with secrets on standard input: %v", err)
	}
	// A line that is there for a password is never taken for a token, nor the other
	// way round: the one would be sent to the service as the other.
	both := []func(context.Context, string) (secret.Value, error){}
	p = (&typist{out: &out, in: strings.NewReader("the password\n"), passwords: true}).person()
	both = append(both, p.Paste, p.Secret)
	p = (&typist{out: &out, in: strings.NewReader("the token\n"), tokens: true}).person()
	both = append(both, p.Secret, p.Paste)
	for i, want := range []string{"", "the password", "", "the token"} {
		if v, err := both[i](t.Context(), "It"); v.Reveal() != want || (want == "") != errors.Is(err, respond.ErrNobody) {
			t.Errorf("%d: got %q, %v", i, v.Reveal(), err)
		}
	}
	p = (&typist{out: &out, in: strings.NewReader(strings.Repeat("x", maxTyped+2) + "\n"), passwords: true}).person()
	if _, err := p.Secret(t.Context(), "Password"); err == nil || errors.Is(err, respond.ErrNobody) {
		t.Errorf("a line without end: %v", err)
	}
	if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "token with") {
		t.Errorf("said %q", out.String())
	}
}

// What services say is made safe before a terminal sees it, and only pages for
// people are opened.
func TestPersonIsToldSafely(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := (&typist{out: &out, in: strings.NewReader("")}).person()
	p.Say("owner \x1b]0;evil\x07 is \x1b[31mred")
	for _, page := range []string{"file:///etc/passwd", "javascript:alert(1)", "https://example.com/\x1b[2J", "http://example.com/login"} {
		if err := p.Browse(t.Context(), page); err == nil {
			t.Errorf("%q was opened", page)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("said %q", out.String())
	}
}

// At a terminal a person answers; what is secret is not shown, and an
// interrupted question leaves the terminal as it was.
func TestPersonAtTerminal(t *testing.T) {
	t.Parallel()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	if _, err := echo(theirs); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("whether a terminal echoes cannot be told here")
	}
	go io.Copy(io.Discard, ours) // what the terminal shows; ends with the test's process
	p := (&typist{out: theirs, in: theirs}).person()
	for _, tt := range []struct {
		typed string
		want  bool
	}{{"\n", false}, {"what?\nY\n", true}, {"yes\n", true}, {"n\n", false}} {
		fmt.Fprint(ours, tt.typed)
		if yes, err := p.Confirm(t.Context(), "Do it?"); err != nil || yes != tt.want {
			t.Errorf("%q: %t, %v", tt.typed, yes, err)
		}
	}
	before := echoes(t, theirs)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() { _, err := p.Secret(ctx, "Password"); asked <- err }()
	for end := time.Now().Add(10 * time.Second); echoes(t, theirs); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is typed would be shown")
		}
	}
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if !before || !echoes(t, theirs) {
		t.Error("an interrupted question leaves the terminal silent")
	}
	fmt.Fprint(ours, "\n") // the read that was left behind ends
}

// echoes reports whether the terminal shows what is typed.
func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	on, err := echo(f)
	if err != nil {
		t.Fatal(err)
	}
	return on
}
