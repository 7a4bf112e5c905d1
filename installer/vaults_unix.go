//go:build unix

package installer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// vaultIndex is where a user's vault lists what is in it, below the home (package
// vault). Somebody who has moved their state elsewhere is not found.
const vaultIndex = ".local/state/wormbell/vault.json"

// maxVault is how long that list may be, in bytes.
const maxVault = 1 << 20

// vaults lists the users of a list like passwd(5) who have something in a vault.
func vaults(passwd string) ([]Vault, error) {
	f, err := os.Open(passwd)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Vault
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ":")
		if len(fields) < 7 {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil || uid != 0 && uid < 1000 || uid == 65534 || fields[5] == "" || fields[5] == "/" {
			continue
		}
		n, err := vaulted(fields[5], uid)
		if err == nil && n > 0 {
			list = append(list, Vault{User: fields[0], Tokens: n})
		}
		if err != nil && !os.IsNotExist(err) {
			list = append(list, Vault{User: fields[0]}) // it is there, and may hold something
		}
	}
	return list, nil
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
	b, err := io.ReadAll(io.LimitReader(f, maxVault))
	if err != nil {
		return 0, err
	}
	var index struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return 0, fmt.Errorf("read the list of a vault: %w", err)
	}
	return len(index.Items), nil
}
