// Package keychain keeps secrets for a user: in the keychain of the operating
// system, or in a file that is encrypted with a passphrase.
//
// A keychain does not stop a program of the same user, on any system; what it
// gains is that a secret is off the disk, out of backups and out of reach of
// what greps a home.
package keychain

import (
	"context"
	"errors"

	"wormbell/internal/secret"
)

// Store keeps secrets. It is safe for concurrent use.
type Store interface {
	// Get returns the secret of an item, or an error that wraps ErrNotFound.
	Get(ctx context.Context, service, account string) (secret.Value, error)
	// Set makes or replaces an item.
	Set(ctx context.Context, service, account string, v secret.Value) error
	// Delete removes an item; there being none is no error.
	Delete(ctx context.Context, service, account string) error
	// Where says for a person where the secrets lie: "the login keychain".
	Where() string
}

// ErrNotFound is wrapped by errors that say that there is no such item.
var ErrNotFound = errors.New("no such item in the keychain")

// ErrNone is wrapped by errors that say that there is no keychain to speak to,
// or that it is locked; their text says why and what a person can do.
var ErrNone = errors.New("no keychain")

// ErrTooBig is wrapped by errors that say that this system's keychain does not
// take so long a secret.
var ErrTooBig = errors.New("too long for the keychain")
