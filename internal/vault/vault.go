// Package vault keeps the tokens of package managers off the disk: it moves them
// from .npmrc into the keychain, puts them back, and hands them to the package
// manager for one command, in neither its environment nor its arguments.
//
// What it keeps in the state folder is the list of what it moved, which names no
// secret. It knows no registry and sends nothing anywhere.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/private"
	"wormbell/internal/secret"
)

// Service is the service of our items in the keychain.
const Service = "wormbell"

// Item is one token that was moved. It holds no secret.
type Item struct {
	File    string    `json:"file"`    // where it stood, with ~: "~/.npmrc"
	Key     string    `json:"key"`     // what it was called there: "//registry.example.com/:_authToken"
	Service string    `json:"service"` // of the keychain item
	Account string    `json:"account"` // of the keychain item
	Since   time.Time `json:"since"`
}

// Left is a token that was not moved, or not put back.
type Left struct {
	Key string `json:"key"`
	Why string `json:"why"`
}

// Report is what was done.
type Report struct {
	Done []Item `json:"done"`
	Left []Left `json:"left"`
}

func (r *Report) leave(key, why string) { r.Left = append(r.Left, Left{key, why}) }

// Vault is the vault of one user. It may be used by several processes.
type Vault struct {
	Home  string         // of the user, absolute
	State string         // our folder in it
	Keys  keychain.Store // nil is enough for Items
	Now   func() time.Time
	Step  func(name string) // called before each step that changes something: for tests; nil: nothing
}

// indexName is the file in the state folder that lists the items.
const indexName = "vault.json"

// maxIndex is how long that file may be, in bytes.
const maxIndex = 1 << 20

// lockWait is how long another process may be at it.
const lockWait = 5 * time.Second

type index struct {
	Version int    `json:"version"` // 1
	Items   []Item `json:"items"`
}

// Items lists what was moved. No keychain is asked.
func (v *Vault) Items() ([]Item, error) {
	b, err := private.Read(filepath.Join(v.State, indexName), maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var x index
	if err := json.Unmarshal(b, &x); err != nil || x.Version != 1 {
		return nil, fmt.Errorf("read %q: it is no list of version 1: %w", filepath.Join(v.State, indexName), err)
	}
	return x.Items, nil
}

func (v *Vault) write(items []Item) error {
	b, err := json.MarshalIndent(index{1, items}, "", "\t")
	if err != nil {
		return err
	}
	return private.Write(filepath.Join(v.State, indexName), append(b, '\n'), v.Step)
}

func (v *Vault) before(name string) {
	if v.Step != nil {
		v.Step(name)
	}
}

// lock keeps other processes' vaults waiting until release is called.
func (v *Vault) lock(ctx context.Context) (release func(), err error) {
	if err := private.Dir(v.State); err != nil {
		return nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range lockWait / (20 * time.Millisecond) {
		lock, err := private.TryLock(filepath.Join(v.State, "vault.lock"))
		if err == nil {
			return func() { lock.Release(false) }, nil
		}
		if !errors.Is(err, private.ErrLocked) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
	return nil, fmt.Errorf("wait for another program at the vault: %w", private.ErrLocked)
}

// Abs returns the path that file, with ~, stands for.
func (v *Vault) Abs(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(v.Home, filepath.FromSlash(rest))
	}
	return filepath.FromSlash(file)
}

// Tilde returns path with ~ for the home, and slashes.
func (v *Vault) Tilde(path string) string {
	if rel, err := filepath.Rel(v.Home, path); err == nil && filepath.IsLocal(rel) {
		return "~/" + filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path)
}

// account is how the keychain item of a key is called.
func account(key string) string { return "npm/" + key }

// Move moves the tokens in file, an .npmrc with ~ in its path, into the keychain.
// Comments stand for them in the file. At every moment each token is in the file
// or in the keychain, where it was read back before the file is changed; what was
// interrupted is done by calling it again. A token that was moved before under the
// same name is replaced, as a new login does. That there is no such file is no
// error.
func (v *Vault) Move(ctx context.Context, file string) (r Report, err error) {
	release, err := v.lock(ctx)
	if err != nil {
		return r, err
	}
	defer release()
	data, err := edit.Read(v.Abs(file))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	items, err := v.Items()
	if err != nil {
		return r, err
	}
	kept := map[string]secret.Value{} // by key
	for _, f := range tokens(data) {
		key, value := f.Path[0], secret.Of(f.Value)
		if why := f.unmovable(data); why != "" {
			r.leave(key, why)
			continue
		}
		item := Item{File: file, Key: key, Service: Service, Account: account(key), Since: v.Now().UTC().Truncate(time.Second)}
		if i := slices.IndexFunc(items, func(o Item) bool { return o.Account == item.Account && o.File != file }); i >= 0 {
			r.leave(key, "the vault holds one of this name from "+items[i].File)
			continue
		}
		if err := v.keep(ctx, item, value); err != nil {
			return r, err
		}
		items = slices.DeleteFunc(items, func(o Item) bool { return o.Account == item.Account })
		items = append(items, item)
		kept[key] = value
		r.Done = append(r.Done, item)
	}
	if len(kept) == 0 {
		return r, nil
	}
	v.before("list")
	if err := v.write(items); err != nil {
		return Report{Left: r.Left}, err
	}
	v.before("edit")
	err = edit.Apply(v.Abs(file), func(data []byte) ([]edit.Change, error) {
		var changes []edit.Change
		for _, f := range tokens(data) {
			if k, ok := kept[f.Path[0]]; ok && k.Equal(secret.Of(f.Value)) && f.unmovable(data) == "" {
				changes = append(changes, f.hide(data)...)
			}
		}
		return changes, nil
	})
	v.before("end")
	if err != nil {
		return Report{Left: r.Left}, fmt.Errorf("%w; the tokens are in the file still, and in the keychain besides", err)
	}
	return r, nil
}

// keep puts a token into the keychain and reads it back.
func (v *Vault) keep(ctx context.Context, item Item, value secret.Value) error {
	got, err := v.Keys.Get(ctx, item.Service, item.Account)
	if err == nil && got.Equal(value) {
		return nil
	}
	if err != nil && !errors.Is(err, keychain.ErrNotFound) {
		return err
	}
	v.before("keep")
	if err := v.Keys.Set(ctx, item.Service, item.Account, value); err != nil {
		return err
	}
	v.before("read back")
	got, err = v.Keys.Get(ctx, item.Service, item.Account)
	if err != nil {
		return fmt.Errorf("read back what was put into the keychain: %w", err)
	}
	if !got.Equal(value) {
		return fmt.Errorf("read back what was put into the keychain: it is another: %w", keychain.ErrNone)
	}
	return nil
}

// Restore puts the tokens that were moved from file back into it, where they
// stood if that place is still there, and then deletes them from the keychain. A
// newer token in the file stays, and the older one in the keychain.
func (v *Vault) Restore(ctx context.Context, file string) (r Report, err error) {
	release, err := v.lock(ctx)
	if err != nil {
		return r, err
	}
	defer release()
	items, err := v.Items()
	if err != nil {
		return r, err
	}
	data, err := edit.Read(v.Abs(file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	values := map[string]secret.Value{} // by key
	var mine []Item
	for _, item := range items {
		if item.File != file {
			continue
		}
		value, err := v.Keys.Get(ctx, item.Service, item.Account)
		if now, ok := standing(data, item.Key); ok && errors.Is(err, keychain.ErrNotFound) {
			// It was put back, and then something came between.
			values[item.Key] = secret.Of(now)
			mine = append(mine, item)
			continue
		}
		if errors.Is(err, keychain.ErrNotFound) {
			r.leave(item.Key, "the keychain no longer has it: log in to the registry again")
			continue
		}
		if err != nil {
			return r, err
		}
		values[item.Key] = value
		mine = append(mine, item)
	}
	if len(mine) == 0 {
		return r, nil
	}
	v.before("edit")
	if err := v.putBack(file, mine, values); err != nil {
		return r, err
	}
	if data, err = edit.Read(v.Abs(file)); err != nil {
		return r, err
	}
	for _, item := range mine {
		if now, ok := standing(data, item.Key); !ok || now != values[item.Key].Reveal() {
			r.leave(item.Key, "another token stands in the file; the older one stays in the keychain")
			continue
		}
		v.before("delete")
		if err := v.Keys.Delete(ctx, item.Service, item.Account); err != nil {
			return r, err
		}
		items = slices.DeleteFunc(items, func(o Item) bool { return o.Account == item.Account })
		v.before("list")
		if err := v.write(items); err != nil {
			return r, err
		}
		r.Done = append(r.Done, item)
	}
	v.before("end")
	return r, nil
}

// putBack writes the values into the file.
func (v *Vault) putBack(file string, items []Item, values map[string]secret.Value) error {
	missing := func(data []byte) []byte {
		var lines []byte
		for _, item := range items {
			if _, ok := standing(data, item.Key); !ok {
				lines = append(lines, line(item.Key, values[item.Key])...)
			}
		}
		return lines
	}
	path := v.Abs(file)
	if _, err := edit.Read(path); errors.Is(err, fs.ErrNotExist) {
		return edit.Create(path, missing(nil))
	}
	err := edit.Apply(path, func(data []byte) ([]edit.Change, error) {
		return show(data, values)
	})
	if err != nil {
		return err
	}
	// What has lost its place, as npm drops comments when it writes the file, goes to
	// the beginning: after a section's name it would be something else.
	return edit.Apply(path, func(data []byte) ([]edit.Change, error) {
		if lines := missing(data); len(lines) > 0 {
			at := start(data)
			return []edit.Change{{Span: edit.Span{From: at, To: at}, New: string(lines)}}, nil
		}
		return nil, nil
	})
}

// Forget deletes a token, and what stands for it in its file. That there is none
// is no error.
func (v *Vault) Forget(ctx context.Context, account string) error {
	release, err := v.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	items, err := v.Items()
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Account != account {
			continue
		}
		if err := v.Keys.Delete(ctx, item.Service, item.Account); err != nil {
			return err
		}
		err := edit.Apply(v.Abs(item.File), func(data []byte) ([]edit.Change, error) { return unmark(data, item.Key), nil })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return v.write(slices.DeleteFunc(items, func(o Item) bool { return o.Account == account }))
}

// Condition is how a token that was moved is kept now.
type Condition string

// The conditions.
const (
	Kept    Condition = "in the keychain"
	Missing Condition = "missing: the keychain no longer has it"
	Newer   Condition = "in the keychain, and another token stands in the file, which counts"
	Both    Condition = "in the keychain and in the file: move it again"
	Unknown Condition = "could not tell"
)

// Look says how an item is kept. err says why it could not tell.
func (v *Vault) Look(ctx context.Context, item Item) (Condition, error) {
	value, err := v.Keys.Get(ctx, item.Service, item.Account)
	if errors.Is(err, keychain.ErrNotFound) {
		return Missing, nil
	}
	if err != nil {
		return Unknown, err
	}
	data, err := edit.Read(v.Abs(item.File))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Unknown, err
	}
	switch now, ok := standing(data, item.Key); {
	case !ok:
		return Kept, nil
	case now == value.Reveal():
		return Both, nil
	}
	return Newer, nil
}
