// Package secret holds a credential's value so that it cannot be shown by
// accident: whatever prints, formats, logs or encodes a [Value] gets three
// stars. Only [Value.Reveal] gives it out, and that word is easy to look for.
//
// It knows nothing of kinds of credentials.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// shown is what stands for a value wherever it is printed.
const shown = "***"

// Value is the value of a credential. The zero Value is none.
type Value struct{ text string }

// Of makes a Value of text.
func Of(text string) Value { return Value{text} }

// Reveal returns the value itself. What it is given to must neither keep nor
// show it.
func (v Value) Reveal() string { return v.text }

// Empty reports whether there is no value.
func (v Value) Empty() bool { return v.text == "" }

// Equal reports whether v and w are the same value.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.text), []byte(w.text)) == 1
}

// String returns three stars, or "" for no value.
func (v Value) String() string {
	if v.Empty() {
		return ""
	}
	return shown
}

// GoString is [Value.String].
func (v Value) GoString() string { return v.String() }

// Format writes [Value.String], whatever the verb.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprint(f, v.String()) }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText implements [encoding.TextMarshaler]: in JSON, too, it is three stars.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
