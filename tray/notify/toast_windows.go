package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"

	"git.sr.ht/~jackmordaunt/go-toast/wintoast"
)

// The names by which Windows knows us. The class is called when a button is
// pressed; it was made for this program and must not change.
const (
	toastApp   = "Wormbell"
	toastClass = "{7B1C1F0E-5C1B-4C0B-9E6B-2D6C8E0D57A4}"
)

// toasts shows notices as toasts, with buttons that reach this process while
// it runs. The library can neither take a toast away nor replace one: an
// update is another toast.
type toasts struct {
	Config
	launch  string
	answers chan Answer

	mu     sync.Mutex // guards what follows
	shown  map[string]Notice
	closed bool
}

func open(_ context.Context, c Config) (Notifier, error) {
	if err := wintoast.SetAppData(wintoast.AppData{AppID: toastApp, GUID: toastClass}); err != nil {
		return nil, fmt.Errorf("register for toasts: %w", err)
	}
	t := &toasts{Config: c, launch: rand.Text(), answers: make(chan Answer, answerRoom), shown: map[string]Notice{}}
	wintoast.SetActivationCallback(func(_, arguments string, _ []wintoast.UserData) { t.activated(arguments) })
	return t, nil
}

// activated is called by Windows, on a thread of its own.
func (t *toasts) activated(arguments string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := toastAnswer(t.launch, arguments, t.shown)
	if !ok || t.closed {
		return
	}
	delete(t.shown, a.Notice) // a toast goes when it is answered
	select {
	case t.answers <- a:
	default: // so many at once no person gives
		t.Log.Warn("an answer was lost", "notice", a.Notice)
	}
}

func (t *toasts) Name() string { return "toasts of Windows" }

func (t *toasts) Buttons() bool { return true }

func (t *toasts) Show(ctx context.Context, n Notice) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("show a toast: %w", err)
	}
	content, err := toastXML(n, t.launch)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.shown[n.ID] = n
	t.mu.Unlock()
	// Not with the library's fallback, which puts the text into a script.
	if err := wintoast.Push(content); err != nil {
		return fmt.Errorf("show a toast: %w", err)
	}
	return nil
}

func (t *toasts) Withdraw(_ context.Context, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.shown, func(shown string, _ Notice) bool { return shown == id })
	return nil
}

func (t *toasts) Answers() <-chan Answer { return t.answers }

func (t *toasts) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.answers)
	}
	return nil
}
