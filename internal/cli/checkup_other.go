//go:build !unix

package cli

import (
	"context"
	"errors"
	"io/fs"
)

// owners: there are no uids here.
func owners(fs.FileInfo) (uid, gid int) { return -1, -1 }

// runAs is never asked: nobody is root here.
func (a *app) runAs(context.Context, personHome, string, []string) ([]byte, int, error) {
	return nil, exitCannot, errors.New("running as another user is not available on this system")
}
