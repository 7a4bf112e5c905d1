package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/plain"
	"wormbell/internal/vault"
)

func (a *app) vaultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vault",
		Short: "Keep the tokens of package managers in the keychain, not in files",
		Long: `Moves tokens from files, where every program that greps a home finds them, and every
backup keeps them, into the keychain of the system; 'wormbell exec' hands them to the
package manager when it runs.

A keychain is no wall: once it is unlocked, a program that runs as you can ask it for the
token, or run 'wormbell exec'. The agent rings when a package's script does. Safest is no
token on the machine: log in for a release, or publish from CI without a token.`,
	}
	cmd.AddCommand(a.vaultNpmCommand(), a.vaultListCommand(), a.vaultHelperCommand())
	return cmd
}

// openVault opens the user's vault. write says that the keychain will be written
// to, so that it is tried out first.
func (a *app) openVault(ctx context.Context, write bool) (*vault.Vault, error) {
	home, state, err := folders()
	if err != nil {
		return nil, err
	}
	v := &vault.Vault{Home: home, State: state, Now: time.Now}
	open := func() (*keychain.System, error) { return keychain.OpenToRead(keychain.Config{}) }
	if write {
		open = func() (*keychain.System, error) { return keychain.Open(ctx, keychain.Config{}) }
	}
	keys, err := open()
	if err != nil {
		return v, err // what is in the vault can be listed all the same
	}
	v.Keys = keys
	return v, nil
}

// mayTake reports why whoever runs this may not have tokens.
func (a *app) mayTake(ctx context.Context, what string) error {
	if err := vault.Caller(); err != nil {
		return hint(fmt.Errorf("%s: %w", what, err), "run it yourself, in a terminal: a package's script that could do this could take your tokens",
			"this goes by the environment; if no script is above it, a new terminal helps")
	}
	if a.vouch != nil {
		a.hide() // the agent believes no program whose memory others may read
		return a.vouch(ctx, what)
	}
	return nil
}

// announce tells the agent, if one runs, that this program is about to read a
// file. Without that it would ask whether it knows the reader, so a failure is
// none of the person's business.
func (a *app) announce(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if c, err := a.connect(a.socket); err == nil {
		_ = c.Announce(ctx, []string{path}, 10*time.Second)
	}
}

func (a *app) vaultNpmCommand() *cobra.Command {
	var restore, shim, noShim, pnpm, noPnpm bool
	cmd := &cobra.Command{
		Use:   "npm",
		Short: "Move the tokens in ~/.npmrc to the keychain, or back",
		Long: `Moves every token in ~/.npmrc (_authToken, _auth and _password of each registry) into the
keychain. A comment stays in its place. A token leaves the file only after it was read back
from the keychain; what was interrupted is finished by running this again.

Afterwards 'npm install' of public packages works as before. What needs the token is run as
'wormbell exec -- npm publish'; --shim makes that unnecessary. --restore puts everything
back as it was.

  pnpm   --pnpm makes it ask the vault itself (its setting tokenHelper).
  yarn   reads no .npmrc since version 2: its token stands in ~/.yarnrc.yml and stays there.
         'wormbell exec -- yarn npm publish' gives it the one from here, in its environment.
  bun    'wormbell exec -- bun publish' gives it the token in its environment.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := a.mayTake(ctx, "change the vault"); err != nil {
				return err
			}
			switch {
			case shim && noShim, pnpm && noPnpm, restore && (shim || pnpm):
				return hint(errors.New("these flags say the opposite of each other"), "see 'wormbell vault npm --help'")
			case noShim || noPnpm:
				return a.unshim(noShim, noPnpm)
			case restore:
				return a.restoreNpm(ctx)
			}
			return a.moveNpm(ctx, shim, pnpm)
		},
	}
	cmd.Flags().BoolVar(&restore, "restore", false, "put the tokens back into the file")
	cmd.Flags().BoolVar(&shim, "shim", false, "also make a program npm that runs 'wormbell exec -- npm'")
	cmd.Flags().BoolVar(&noShim, "no-shim", false, "remove that program, and nothing else")
	cmd.Flags().BoolVar(&pnpm, "pnpm", false, "also make pnpm ask the vault")
	cmd.Flags().BoolVar(&noPnpm, "no-pnpm", false, "make pnpm not ask the vault, and nothing else")
	return cmd
}

func (a *app) moveNpm(ctx context.Context, shim, pnpm bool) error {
	if runtime.GOOS == "windows" {
		return hint(errors.New("the tokens stay where they are: there is no way yet to hand them to npm on Windows"),
			"log in for a release, and log out after it")
	}
	a.hide()
	v, err := a.openVault(ctx, true)
	if err != nil {
		return hint(fmt.Errorf("the tokens stay where they are: %w", err), "safest is no token on the machine: log in for a release, and log out after it")
	}
	file := v.Userconfig(os.Environ())
	a.announce(ctx, file)
	report, err := v.Move(ctx, file)
	if err != nil {
		return fmt.Errorf("move the tokens of %s: %w", file, err)
	}
	var programs []string
	if shim {
		path, err := a.shim(v)
		if err != nil {
			return err
		}
		programs = append(programs, path)
	}
	var helpers []vault.Helper
	if pnpm {
		if helpers, err = a.pnpm(v); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(map[string]any{"version": 1, "moved": some(report.Done), "left": some(report.Left), "programs": some(programs), "pnpm": some(helpers)})
	}
	p := a.printer()
	for _, i := range report.Done {
		p.line("%s: %s is in %s now.", plain.Text(i.File), plain.Text(i.Key), v.Keys.Where())
	}
	a.left(report.Left)
	if len(report.Done) == 0 && len(report.Left) == 0 {
		p.line("No token stands in %s.", plain.Text(file))
	}
	for _, h := range helpers {
		p.line("pnpm asks %s.", plain.Text(h.Program))
	}
	for _, path := range programs {
		p.line("Made %s. Put its folder first on PATH, in the file that your shell reads at its start:", plain.Text(path))
		p.line("  export PATH=%q:\"$PATH\"", plain.Text(filepath.Dir(path)))
	}
	if len(report.Done) > 0 && !shim {
		p.line("Run what needs a token as: wormbell exec -- npm publish")
	}
	return nil
}

// shim makes the program npm.
func (a *app) shim(v *vault.Vault) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	shims := vault.Shims(v.Home, os.Getenv)
	if _, _, err := vault.Find("npm", os.Getenv("PATH"), shims); err != nil {
		return "", err
	}
	return vault.WriteShim(shims, "npm", self, "exec", "--"+orWithout, "--", "npm")
}

// pnpm makes pnpm ask the vault.
func (a *app) pnpm(v *vault.Vault) ([]vault.Helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	items, err := v.Items()
	if err != nil {
		return nil, err
	}
	return v.Pnpm(items, vault.PnpmFile(v.Home, os.Getenv), vault.Shims(v.Home, os.Getenv), self)
}

// unshim undoes shim and pnpm.
func (a *app) unshim(shim, pnpm bool) error {
	home, _, err := folders()
	if err != nil {
		return err
	}
	v := &vault.Vault{Home: home}
	shims := vault.Shims(home, os.Getenv)
	if shim {
		if err := vault.RemoveShim(shims, "npm"); err != nil {
			return err
		}
	}
	if pnpm {
		if _, err := v.NoPnpm(vault.PnpmFile(home, os.Getenv), shims); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) restoreNpm(ctx context.Context) error {
	a.hide()
	v, err := a.openVault(ctx, true)
	if err != nil {
		return err
	}
	file := v.Userconfig(os.Environ())
	a.announce(ctx, file)
	report, err := v.Restore(ctx, file)
	if err != nil {
		return fmt.Errorf("put the tokens back into %s: %w", file, err)
	}
	if err := a.unshim(true, true); err != nil && !errors.Is(err, vault.ErrNotOurs) {
		return err
	}
	if a.json {
		return a.print(map[string]any{"version": 1, "restored": some(report.Done), "left": some(report.Left)})
	}
	p := a.printer()
	for _, i := range report.Done {
		p.line("%s: %s stands there again.", plain.Text(i.File), plain.Text(i.Key))
	}
	a.left(report.Left)
	if len(report.Done) == 0 && len(report.Left) == 0 {
		p.line("No token of %s is in the vault.", plain.Text(file))
	}
	return nil
}

func (a *app) left(all []vault.Left) {
	for _, l := range all {
		a.printer().line("%s was left as it is: %s.", plain.Text(l.Key), plain.Text(l.Why))
	}
}

// some is a list that is never null in JSON.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *app) vaultListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what is in the vault, never a value",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			v, openErr := a.openVault(ctx, false)
			if v == nil {
				return openErr
			}
			items, err := v.Items()
			if err != nil {
				return err
			}
			a.hide()
			if len(items) > 0 {
				a.announce(ctx, items[0].File)
			}
			type row struct {
				vault.Item
				Condition vault.Condition `json:"condition"`
				Why       string          `json:"why,omitempty"`
			}
			rows := []row{}
			for _, i := range items {
				r := row{i, vault.Unknown, ""}
				err := openErr
				if err == nil {
					r.Condition, err = v.Look(ctx, i)
				}
				if err != nil {
					r.Why = err.Error()
				}
				rows = append(rows, r)
			}
			if a.json {
				return a.print(list("items", rows))
			}
			p := a.printer()
			if len(rows) == 0 {
				p.line("The vault is empty. 'wormbell vault npm' moves the tokens of ~/.npmrc into it.")
				return nil
			}
			var table [][]string
			for _, r := range rows {
				how := string(r.Condition)
				if r.Why != "" {
					how += ": " + r.Why
				}
				table = append(table, []string{plain.Text(r.Key), plain.Text(r.File), r.Since.In(a.zone).Format("2006-01-02"), plain.Text(how)})
			}
			p.table([]string{"TOKEN", "STOOD IN", "SINCE", "IS NOW"}, table)
			return nil
		},
	}
}

func (a *app) vaultHelperCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "token-helper KEY",
		Short:  "Print the token of KEY, for pnpm's setting tokenHelper",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.mayTake(ctx, "take a token"); err != nil {
				return err
			}
			a.hide()
			v, err := a.openVault(ctx, false)
			if err != nil {
				return err
			}
			items, err := v.Items()
			if err != nil {
				return err
			}
			for _, i := range items {
				if i.Key == args[0] {
					value, err := v.Keys.Get(ctx, i.Service, i.Account)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintln(a.streams.Out, value.Reveal())
					return err
				}
			}
			return fmt.Errorf("the vault holds no %s", args[0])
		},
	}
}
