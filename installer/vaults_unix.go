//go:build unix

package installer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// vaultIndex is where a user's vault lists what is in it, below the home (package
// vault). Somebody who has moved their state elsewhere is not found.
const vaultIndex = ".local/state/wormbell/vault.json"

// maxVault is how long that list may be, in bytes.
const maxVault = 1 << 20

// A home may lie on a disk that does not answer, which may be its user's doing:
// one may take so long, and all together.
const (
	vaultTime  = 2 * time.Second
	vaultsTime = 20 * time.Second
)

var (
	errNoAnswer = errors.New("its disk does not answer")
	errNoTime   = errors.New("there was no time left to look")
)

// vaults lists the users of a list like passwd(5) who have something in a vault,
// or may have.
func vaults(ctx context.Context, passwd string) ([]Vault, error) {
	f, err := os.Open(passwd)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Vault
	end := time.Now().Add(vaultsTime)
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ":")
		if len(fields) < 7 {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil || uid != 0 && uid < 1000 || uid == 65534 || fields[5] == "" || fields[5] == "/" {
			continue
		}
		n, err := inTime(ctx, min(vaultTime, time.Until(end)), func() (int, error) { return vaulted(fields[5], uid) })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		v := Vault{User: fields[0], Tokens: n, File: filepath.Join(fields[5], vaultIndex)}
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // no list, no vault
		case err != nil:
			v.Broken = err // it is there, and may hold something
			list = append(list, v)
		case n > 0:
			list = append(list, v)
		}
	}
	return list, nil
}

// inTime returns what look returns, or that it does not answer in that time. It
// then goes on by itself, until its disk answers or this program ends.
func inTime(ctx context.Context, most time.Duration, look func() (int, error)) (int, error) {
	if most <= 0 {
		return 0, errNoTime
	}
	type answer struct {
		n   int
		err error
	}
	got := make(chan answer, 1)
	go func() {
		n, err := look()
		got <- answer{n, err}
	}()
	select {
	case a := <-got:
		return a.n, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(most):
		return 0, errNoAnswer
	}
}

// vaulted counts what is in the vault of the user whose home that is. The home is
// that user's to fill: nothing is followed out of it, and no pipe waited for.
func vaulted(home string, uid int) (int, error) {
	root, err := os.OpenRoot(home)
	if err != nil {
		return 0, os.ErrNotExist // no home, no vault
	}
	defer root.Close()
	f, err := root.OpenFile(vaultIndex, os.O_RDONLY|noFollow, 0)
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // whoever shows it names the file
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if ownerOf(info) != uid || !info.Mode().IsRegular() {
		return 0, os.ErrNotExist // it is not that user's vault
	}
	b, err := io.ReadAll(io.LimitReader(f, maxVault+1))
	if err == nil && len(b) > maxVault {
		err = fmt.Errorf("it is longer than %d MB", maxVault>>20)
	}
	if err != nil {
		return 0, err
	}
	var index struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return 0, fmt.Errorf("it is no list of a vault: %w", err)
	}
	return len(index.Items), nil
}
