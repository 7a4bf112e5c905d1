package browser

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"wormbell/internal/executable"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for page, ok := range map[string]bool{
		"https://registry.example.com/login?next=/x": true,
		"http://127.0.0.1:4873/login":                true,
		"http://[::1]:80/":                           true,
		"http://localhost/":                          true,
		"http://registry.example.com/login":          false,
		"file:///etc/passwd":                         false,
		"javascript:alert(1)":                        false,
		"https://":                                   false,
		"https://user@example.com/":                  false,
		"https://example.com/a b":                    false,
		"https://example.com/\x1b[0m":                false,
		"--help":                                     false,
		"":                                           false,
	} {
		if err := Check(page); (err == nil) != ok {
			t.Errorf("%q: %v", page, err)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a script as $BROWSER")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := executable.Write(path, "#!/bin/sh\n"+text+"\n"); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out")
	bad, good := write("bad", `printf 'bad ' >> `+out+`; exit 3`), write("good", `printf '%s ' "$@" >> `+out)
	// Nothing here stays open, so however slow the machine is each comes to its end.
	const start = 5 * time.Minute
	env := func(browser string) func(string) string {
		return func(k string) string {
			return map[string]string{"BROWSER": browser}[k]
		}
	}
	const page = "https://example.com/login?a=b&c=d;e"
	for _, tt := range []struct{ browser, want string }{
		{good, page + " "},
		{bad + ":" + good, "bad " + page + " "},
		{good + ":" + bad, page + " "},
		{filepath.Join(dir, "none") + ":" + good, page + " "},
		{good + " --new %s x", "--new " + page + " x "},
	} {
		if err := open(t.Context(), page, env(tt.browser), start); err != nil {
			t.Errorf("%q: %v", tt.browser, err)
		}
		if b, _ := os.ReadFile(out); string(b) != tt.want {
			t.Errorf("%q: got %q, want %q", tt.browser, b, tt.want)
		}
		if err := os.Remove(out); err != nil {
			t.Error(err)
		}
	}
	if err := open(t.Context(), page, env(bad), start); !errors.Is(err, ErrNone) {
		t.Errorf("a browser that fails: %v", err)
	}
	if err := Open(t.Context(), "file:///x", env(good)); err == nil {
		t.Error("a file was opened")
	}
}
