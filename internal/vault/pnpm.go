package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"wormbell/agent/respond/edit"
)

// PnpmFile returns the file in which pnpm keeps what is needed to log in
// (pnpm.io/npmrc; seen in pnpm 12.21).
func PnpmFile(home string, getenv func(string) string) string {
	switch {
	case filepath.IsAbs(getenv("XDG_CONFIG_HOME")):
		return filepath.Join(getenv("XDG_CONFIG_HOME"), "pnpm", "auth.ini")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Preferences", "pnpm", "auth.ini")
	case runtime.GOOS == "windows" && getenv("LOCALAPPDATA") != "":
		return filepath.Join(getenv("LOCALAPPDATA"), "pnpm", "config", "auth.ini")
	}
	return filepath.Join(home, ".config", "pnpm", "auth.ini")
}

const tokenHelper = ":tokenHelper"

// Helper is a program of ours that pnpm asks for the token of a registry.
type Helper struct {
	Key     string `json:"key"` // in pnpm's file: "//registry.example.com/:tokenHelper"
	Program string `json:"program"`
}

// Pnpm makes pnpm ask the vault for the tokens of items: for each registry a
// program in the folder of shims, which runs self, and its name in pnpm's file.
// pnpm takes no arguments for such a program everywhere, so each has its own.
func (v *Vault) Pnpm(items []Item, file, shims, self string) ([]Helper, error) {
	var helpers []Helper
	for _, item := range items {
		registry, ok := strings.CutSuffix(item.Key, ":_authToken")
		if !ok || !strings.HasPrefix(registry, "//") {
			continue
		}
		program, err := WriteShim(shims, helperName(registry), self, "vault", "token-helper", item.Key)
		if err != nil {
			return nil, err
		}
		helpers = append(helpers, Helper{registry + tokenHelper, program})
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if _, err := edit.Read(file); errors.Is(err, fs.ErrNotExist) {
		if err := edit.Create(file, nil); err != nil {
			return nil, err
		}
	}
	return helpers, edit.Apply(file, func(data []byte) ([]edit.Change, error) {
		lines := ""
		for _, h := range helpers {
			there := ""
			for _, e := range edit.INI(data) {
				if len(e.Path) == 1 && e.Path[0] == h.Key {
					there = e.Value
				}
			}
			switch there {
			case h.Program:
			case "":
				lines += h.Key + "=" + h.Program + "\n"
			default:
				return nil, fmt.Errorf("%q: %w: pnpm asks %q for it", h.Key, ErrNotOurs, there)
			}
		}
		if lines == "" {
			return nil, nil
		}
		at := start(data)
		return []edit.Change{{Span: edit.Span{From: at, To: at}, New: lines}}, nil
	})
}

// NoPnpm undoes Pnpm.
func (v *Vault) NoPnpm(file, shims string) ([]Helper, error) {
	var helpers []Helper
	err := edit.Apply(file, func(data []byte) ([]edit.Change, error) {
		helpers = nil
		var changes []edit.Change
		for _, e := range edit.INI(data) {
			if len(e.Path) == 1 && strings.HasSuffix(e.Path[0], tokenHelper) && filepath.Dir(e.Value) == filepath.Clean(shims) {
				helpers = append(helpers, Helper{e.Path[0], e.Value})
				changes = append(changes, e.Remove(data))
			}
		}
		return changes, nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, h := range helpers {
		if err := RemoveShim(shims, filepath.Base(h.Program)); err != nil {
			return nil, err
		}
	}
	return helpers, nil
}

// helperName is the name of the program for a registry ("//host:port/path/").
func helperName(registry string) string {
	var b strings.Builder
	for _, r := range strings.Trim(registry, "/") {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "_%x", r)
		}
	}
	return "npm-token-" + b.String()
}
