package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"wormbell/agent/respond"
	"wormbell/internal/browser"
	"wormbell/internal/plain"
	"wormbell/internal/secret"
)

// maxTyped is the longest line that a person may type or paste, in bytes. The
// longest token is a JSON key of a few thousand.
const maxTyped = 64 << 10

// typist asks the person at the terminal. Where there is no terminal, secrets
// come from standard input if that was asked for, and every question is
// answered by nobody.
type typist struct {
	out io.Writer // where questions and progress go
	in  io.Reader
	// What is read from in, a line each, although nobody is there: never both, for
	// it could not be told which a line is.
	passwords, tokens bool

	mu  sync.Mutex // one question at a time
	buf *bufio.Reader
}

// newTypist makes one. With --json the answer goes to out alone, and what is
// said on the way to err.
func (a *app) newTypist(r responding) *typist {
	t := &typist{out: a.streams.Out, in: a.streams.In, passwords: r.passwordStdin, tokens: r.tokenStdin}
	if a.json {
		t.out = a.streams.Err
	}
	return t
}

// person is the respond.Person at this terminal.
func (t *typist) person() respond.Person {
	return respond.Person{
		Say:     func(line string) { fmt.Fprintln(t.out, plain.Text(line)) },
		Confirm: t.confirm,
		Secret: func(ctx context.Context, prompt string) (secret.Value, error) {
			return t.secret(ctx, prompt, t.passwords)
		},
		Paste: func(ctx context.Context, prompt string) (secret.Value, error) {
			return t.secret(ctx, prompt, t.tokens)
		},
		Browse: t.browse,
	}
}

// terminal returns the terminal that the person types at, nil if there is none.
func (t *typist) terminal() *os.File {
	f, ok := t.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

func (t *typist) confirm(ctx context.Context, question string) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.terminal() == nil {
		return false, fmt.Errorf("%w: %s", respond.ErrNobody, question)
	}
	for {
		fmt.Fprintf(t.out, "%s [y/N] ", plain.Text(question))
		line, err := await(ctx, t.line)
		if errors.Is(err, io.EOF) { // Ctrl-D
			fmt.Fprintln(t.out)
			return false, fmt.Errorf("%w: %s", respond.ErrNobody, question)
		} else if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		}
	}
}

// secret asks for one; lines says that it is the next line of in.
func (t *typist) secret(ctx context.Context, prompt string, lines bool) (secret.Value, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tty := t.terminal()
	switch {
	case tty != nil && !lines:
		fmt.Fprintf(t.out, "%s: ", plain.Text(strings.TrimRight(prompt, ": ")))
		before, err := term.GetState(int(tty.Fd()))
		if err != nil {
			return secret.Value{}, fmt.Errorf("ask for a secret: %w", err)
		}
		b, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(int(tty.Fd())) })
		fmt.Fprintln(t.out)
		if err != nil {
			term.Restore(int(tty.Fd()), before) // Ctrl-C must not leave it silent
			return secret.Value{}, err
		}
		return secret.Of(strings.TrimSpace(string(b))), nil
	case lines:
		line, err := await(ctx, t.line)
		if err == nil {
			return secret.Of(strings.TrimRight(line, "\r\n")), nil
		} else if !errors.Is(err, io.EOF) {
			return secret.Value{}, err
		}
	}
	return secret.Value{}, fmt.Errorf("%w: %s", respond.ErrNobody, prompt)
}

// line reads one line byte for byte as far as the terminal has it.
func (t *typist) line() (string, error) {
	if t.buf == nil {
		t.buf = bufio.NewReader(t.in)
	}
	var b []byte
	for {
		part, err := t.buf.ReadSlice('\n')
		if b = append(b, part...); len(b) > maxTyped {
			break
		}
		if err == nil || errors.Is(err, io.EOF) && len(b) > 0 {
			return string(b), nil
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	return "", errors.New("the line is too long")
}

func (t *typist) browse(ctx context.Context, page string) error {
	if err := browser.Check(page); err != nil {
		return fmt.Errorf("the page that the service named: %w", err)
	}
	fmt.Fprintf(t.out, "  open %s\n", plain.Text(page))
	if err := browser.Open(ctx, page, os.Getenv); err != nil && !errors.Is(err, browser.ErrNone) {
		return err
	}
	return nil // its address was said
}

// await returns what read returns, or the error of ctx if that ends first: a
// read from a terminal cannot be interrupted. What is left behind ends with the
// program.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
