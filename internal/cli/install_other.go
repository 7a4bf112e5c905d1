//go:build !unix

package cli

import (
	"context"
	"errors"
	"os/user"
)

// behindSudo names nobody: there is no sudo here.
func behindSudo() string { return "" }

// asUser is not available on this system.
func (a *app) asUser(context.Context, *user.User, child) (status int, err error) {
	return exitCannot, errors.New("to run a program as another user is not available on this system")
}
