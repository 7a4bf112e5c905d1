//go:build !unix

package cli

import (
	"context"
	"errors"
)

// behindSudo names nobody: there is no sudo here.
func behindSudo() string { return "" }

// asUser is not available on this system.
func (a *app) asUser(context.Context, string, string, ...string) error {
	return errors.New("to run a program as another user is not available on this system")
}
