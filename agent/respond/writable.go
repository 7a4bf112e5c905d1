package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
)

// A new token that cannot be put where the old one stands is of no use to the
// programs that look there, and the old one could then not be revoked without
// breaking them. So before one is made it is seen that every file and every item
// of the keychain that will be written to can be.

// writes are the files, with ~, that Install changes.
func (k *Kind) writes(t Token) []string {
	if k.Install == nil {
		return nil
	}
	if k.Writes != nil {
		return k.Writes(t)
	}
	var files []string
	for _, p := range t.Places {
		if p.Path != "" {
			files = distinct(append(files, p.Path))
		}
	}
	return files
}

// unwritable reports, file by file, why no new token could be put where t stands;
// can says it of one file: [edit.Writable] or [edit.Rehearse]. What is gone is
// not meant: that is told when it is written.
func (k *Kind) unwritable(m *Machine, t Token, can func(path string) error) error {
	var errs []error
	for _, file := range k.writes(t) {
		err := can(m.Abs(file))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, err)
	}
	for _, p := range t.Places {
		if p.Path == "" && k.Install != nil && m.Items == nil {
			errs = append(errs, fmt.Errorf("change the %s: %w", p, keychain.ErrNone))
		}
	}
	return errors.Join(errs...)
}

// writable rehearses what will be written when there is a new token. The error
// keeps one from being made, unless the old token is to die first in any case:
// then a person is told that it will be theirs to put it in place.
func (x *run) writable(ctx context.Context) error {
	err := x.k.unwritable(x.m, x.old, edit.Rehearse)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if x.e.Mode == journal.Rotate {
		return fmt.Errorf("the new %s could not be put into its place: %w", x.k.Title, err)
	}
	x.say("You will have to put the new %s into its place yourself: %s.", x.k.Title, err)
	return nil
}
