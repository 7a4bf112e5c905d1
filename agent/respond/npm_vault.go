package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
	"wormbell/internal/vault"
)

// npmVault is the user's vault, where tokens stand that 'wormbell vault npm'
// took off the disk.
func npmVault(m *Machine) *vault.Vault {
	v := &vault.Vault{Home: m.Home, State: m.State, Now: m.Now}
	if m.Items != nil { // else an interface that holds nil
		v.Keys = m.Items
	}
	return v
}

// npmTokenKey is how the names of tokens end in an .npmrc.
const npmTokenKey = ":_authToken"

// npmVaulted is a token in the vault.
type npmVaulted struct {
	item  vault.Item
	value secret.Value
}

// npmInVault returns the tokens in the vault that stood in one of paths, nil for
// all. What stands in the file counts more than what is in the vault.
func npmInVault(ctx context.Context, m *Machine, paths []string) ([]npmVaulted, error) {
	items, err := npmVault(m).Items()
	if err != nil {
		return nil, fmt.Errorf("look into the vault: %w", err)
	}
	var found []npmVaulted
	var problems []error
	for _, i := range items {
		if paths != nil && !slices.Contains(paths, i.File) || !strings.HasSuffix(i.Key, npmTokenKey) {
			continue
		}
		if m.Items == nil {
			return found, fmt.Errorf("look into the vault: %w to look into", keychain.ErrNone)
		}
		v, err := m.Items.Get(ctx, i.Service, i.Account)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			problems = append(problems, fmt.Errorf("look for %s in the vault: %w", i.Key, err))
			continue
		}
		found = append(found, npmVaulted{i, v})
	}
	return found, errors.Join(problems...)
}

// npmPutInVault puts new where old stands in the vault.
func npmPutInVault(ctx context.Context, m *Machine, p Place, old, new Token) error {
	if m.Items == nil {
		return fmt.Errorf("put the new token into the vault: %w", keychain.ErrNone)
	}
	now, err := m.Items.Get(ctx, p.Service, p.Key)
	switch {
	case err != nil:
		return fmt.Errorf("put the new token into the vault: %w", err)
	case now.Equal(new.Value):
		return nil
	case !now.Equal(old.Value):
		return fmt.Errorf("put the new token into the vault: %w", edit.ErrChanged)
	}
	if err := m.Items.Set(ctx, p.Service, p.Key, new.Value); err != nil {
		return fmt.Errorf("put the new token into the vault: %w", err)
	}
	if now, err = m.Items.Get(ctx, p.Service, p.Key); err != nil || !now.Equal(new.Value) {
		return fmt.Errorf("put the new token into the vault: it is not there afterwards: %w", errors.Join(err, keychain.ErrNotFound))
	}
	return nil
}

// npmDropFromVault removes old from the vault, unless another token is there now.
func npmDropFromVault(ctx context.Context, m *Machine, p Place, old Token) error {
	if m.Items == nil {
		return fmt.Errorf("take the token out of the vault: %w", keychain.ErrNone)
	}
	now, err := m.Items.Get(ctx, p.Service, p.Key)
	if err == nil && !now.Equal(old.Value) {
		return nil
	} else if err != nil && !errors.Is(err, keychain.ErrNotFound) {
		return fmt.Errorf("take the token out of the vault: %w", err)
	}
	return npmVault(m).Forget(ctx, p.Key)
}

// npmIsVault reports whether p is in the vault.
func npmIsVault(p Place) bool { return p.Path == "" && p.Service == vault.Service }
