package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// What a rotation needs of secrets is kept in Machine.Keys while it lasts:
// under service "wormbell", account "rotation/<id>/old" and ".../new". A token
// and all that belongs to it are one item, so that there is never half of one;
// only what is too long for the keychain of some system is cut into parts, the
// first of which is written last.

const (
	keptService = "wormbell"
	// keptPart is the longest item, in bytes: Windows takes 2560, and macOS's
	// security(1) about 3000.
	keptPart = 1800
	// keptParts is how many parts there may be.
	keptParts = 32
)

// kept is such an item, as JSON.
type kept struct {
	Token Token             `json:"token"`
	Value string            `json:"value"`
	Also  map[string]string `json:"also,omitempty"`
}

func keptAccount(id, which string, part int) string {
	a := "rotation/" + id + "/" + which
	if part > 0 {
		a += "/" + strconv.Itoa(part)
	}
	return a
}

// keep writes t and reads it again: a keychain that cuts it off is noticed
// before anything rests on it.
func keep(ctx context.Context, keys keychain.Store, id, which string, t Token) error {
	k := kept{Token: t, Value: t.Value.Reveal(), Also: map[string]string{}}
	for name, v := range t.Also {
		k.Also[name] = v.Reveal()
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep the %s token: %w", which, err)
	}
	var parts []string
	for text := string(b); text != ""; {
		n := min(len(text), keptPart)
		for n < len(text) && !utf8.RuneStart(text[n]) { // keychains keep text, not bytes
			n--
		}
		parts, text = append(parts, text[:n]), text[n:]
	}
	if len(parts) > keptParts {
		return fmt.Errorf("keep the %s token: %w", which, keychain.ErrTooBig)
	}
	parts[0] = strconv.Itoa(len(parts)) + " " + parts[0]
	for i := len(parts) - 1; i >= 0; i-- {
		if err := keys.Set(ctx, keptService, keptAccount(id, which, i), secret.Of(parts[i])); err != nil {
			return fmt.Errorf("keep the %s token: %w", which, err)
		}
	}
	back, err := recall(ctx, keys, id, which)
	if err != nil {
		return fmt.Errorf("keep the %s token: %w", which, err)
	}
	if !back.Value.Equal(t.Value) {
		return fmt.Errorf("keep the %s token: %s gave back something else", which, keys.Where())
	}
	return nil
}

// recall reads what keep wrote; if there is nothing the error wraps
// [keychain.ErrNotFound].
func recall(ctx context.Context, keys keychain.Store, id, which string) (Token, error) {
	n, text, err := recallFirst(ctx, keys, id, which)
	if err != nil {
		return Token{}, err
	}
	for i := 1; i < n; i++ {
		v, err := keys.Get(ctx, keptService, keptAccount(id, which, i))
		if err != nil {
			return Token{}, fmt.Errorf("read the %s token: %w", which, err)
		}
		text += v.Reveal()
	}
	var k kept
	if json.Unmarshal([]byte(text), &k) != nil || k.Value == "" { // whose error may quote a secret
		return Token{}, fmt.Errorf("read the %s token: what %s holds is damaged", which, keys.Where())
	}
	t := k.Token
	t.Value = secret.Of(k.Value)
	if len(k.Also) > 0 {
		t.Also = Secrets{}
	}
	for name, v := range k.Also {
		t.Also[name] = secret.Of(v)
	}
	return t, nil
}

func recallFirst(ctx context.Context, keys keychain.Store, id, which string) (parts int, text string, err error) {
	v, err := keys.Get(ctx, keptService, keptAccount(id, which, 0))
	if err != nil {
		return 0, "", fmt.Errorf("read the %s token: %w", which, err)
	}
	n, text, ok := strings.Cut(v.Reveal(), " ")
	parts, bad := strconv.Atoi(n)
	if !ok || bad != nil || parts < 1 || parts > keptParts {
		return 0, "", fmt.Errorf("read the %s token: what %s holds is damaged", which, keys.Where())
	}
	return parts, text, nil
}

// wipe removes what keep wrote. The first part, which says how many there are,
// goes last.
func wipe(ctx context.Context, keys keychain.Store, id, which string) error {
	parts, _, err := recallFirst(ctx, keys, id, which)
	if err != nil {
		if !errors.Is(err, keychain.ErrNotFound) && ctx.Err() != nil {
			return err
		}
		// It was never finished, or is damaged: look for what there may be of
		// it. Parts are written last one first and removed last one first, so
		// their numbers have no beginning to stop at.
		parts = keptParts
	}
	for i := parts - 1; i >= 0; i-- {
		if err := keys.Delete(ctx, keptService, keptAccount(id, which, i)); err != nil {
			return fmt.Errorf("wipe the %s token: %w", which, err)
		}
	}
	return nil
}
