package keychain

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"wormbell/internal/secret"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	const canary = "canary-value"
	tests := []struct {
		err  error
		is   error
		text string
	}{
		{keyring.ErrNotFound, ErrNotFound, "svc acc"},
		{keyring.ErrSetDataTooBig, ErrTooBig, "svc acc"},
		{keyring.ErrUnsupportedPlatform, ErrNone, "this system"},
		{errors.New("failed to unlock correct collection '/org/freedesktop/secrets/aliases/default'"), ErrNone, "locked"},
		{errors.New("The name org.freedesktop.secrets was not provided by any .service files"), ErrNone, "install gnome-keyring"},
		{errors.New("write unix @->/run/user/1000/bus: write: broken pipe"), ErrNone, "without sudo"},
		{errors.New("dial unix /x: connect: no such file or directory"), ErrNone, "DBUS_SESSION_BUS_ADDRESS"},
		{errors.New("something new"), ErrNone, "something new"},
		{errors.New("it holds " + canary), ErrNone, "cannot be shown"},
	}
	for _, tt := range tests {
		err := explain(tt.err, "svc", "acc", secret.Of(canary))
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), canary) {
			t.Errorf("%v: %v", tt.err, err)
		}
		for _, other := range []error{ErrNone, ErrNotFound, ErrTooBig} {
			if other != tt.is && errors.Is(err, other) {
				t.Errorf("%v is also %v", err, other)
			}
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		goos, account string
		size          int
		ok            bool
	}{
		{"windows", "a", 2560, true}, {"windows", "a", 2561, false},
		{"darwin", "a", 2900, true}, {"darwin", "a", 3050, false}, {"darwin", strings.Repeat("a", 900), 2900, false}, {"darwin", strings.Repeat("'", 500), 1000, true},
		{"darwin", strings.Repeat("'", 900), 10, false},
		{"linux", "a", 1 << 20, true}, {"linux", "a", 1<<20 + 1, false},
	}
	for _, tt := range tests {
		err := fits(tt.goos, "wormbell", tt.account, tt.size)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrTooBig) {
			t.Errorf("%s, account of %d, value of %d: %v", tt.goos, len(tt.account), tt.size, err)
		}
	}
	// What is let through must not be longer than the line that go-keyring types.
	for size := range 3200 {
		for _, account := range []string{"", "a", "it's 'so'", strings.Repeat("'", 300)} {
			quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }
			line := fmt.Sprintf("add-generic-password -U -s %s -a %s -w %s\n", quote("wormbell"), quote(account), "'go-keyring-base64:"+strings.Repeat("x", (size+2)/3*4)+"'")
			if fits("darwin", "wormbell", account, size) == nil && len(line) > 4096 {
				t.Fatalf("%d bytes make a line of %d", size, len(line))
			}
		}
	}
}
