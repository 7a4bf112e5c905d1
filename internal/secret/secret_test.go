package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNothingShowsIt(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-secret"
	type holder struct {
		V Value
		P *Value
		M map[string]Value
	}
	v := Of(canary)
	h := holder{v, &v, map[string]Value{"k": v}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		fmt.Fprintf(&out, verb+"\n", h, h)
		fmt.Fprintf(&out, verb+"\n", v, v)
		fmt.Fprintf(&out, verb+"\n", []Value{v}, &v)
	}
	fmt.Fprintln(&out, v, h, fmt.Errorf("with %v", v))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v, "h", h)
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("shown: %s", out.String())
		}
	}
	if !strings.Contains(out.String(), shown) {
		t.Error("there is no sign of it at all")
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	if v := Of("x"); v.Reveal() != "x" || v.Empty() || !v.Equal(Of("x")) || v.Equal(Of("y")) || v.Equal(Value{}) {
		t.Errorf("%q", v.Reveal())
	}
	if v := (Value{}); !v.Empty() || v.String() != "" {
		t.Error("an empty value is not empty")
	}
}
