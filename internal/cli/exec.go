package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"wormbell/internal/plain"
	"wormbell/internal/publish"
	"wormbell/internal/vault"
)

// orWithout is the flag of exec by which the shims run a program also when it
// gets no token.
const orWithout = "or-without"

// exitStatus is the status with which a program ended that was run.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("it ended with status %d", int(s)) }

func (a *app) execCommand() *cobra.Command {
	var registry string
	var without bool
	cmd := &cobra.Command{
		Use:   "exec -- COMMAND [ARGUMENT...]",
		Short: "Run a package manager with the tokens that are in the vault",
		Long: `Runs npm, npx or pnpm and hands it the tokens that 'wormbell vault npm' has moved, through
a pipe: they stand in neither its environment nor its arguments, so the scripts that it
runs do not find them there, and a package manager that such a script starts gets none.
Input, output, signals and the exit status are the program's.

yarn (since version 2) and bun take a token from their environment only, one of them
(YARN_NPM_AUTH_TOKEN, NPM_CONFIG_TOKEN). Every script that they run can see it there: use
this for their publish alone, not for install or run.

What changes logins or settings (npm login, logout, token, config set) runs without the
tokens, for npm would write them back into the file. A package's script gets nothing.

A program of yours that wants the tokens badly can still get them: it can ask the keychain,
or trace npm where the system lets it.`,
		Example: "  wormbell exec -- npm publish\n  wormbell exec -- yarn npm publish",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h := handing{app: a, args: args, registry: registry, without: without}
			return h.run(cmd.Context())
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVar(&registry, "registry", "", "for yarn and bun: use the token of the registry at `URL`")
	cmd.Flags().BoolVar(&without, orWithout, false, "run it without tokens where it may have none")
	cmd.Flags().Lookup(orWithout).Hidden = true
	return cmd
}

// handing is one run of exec.
type handing struct {
	*app
	args     []string // the command and its arguments
	registry string
	without  bool
	program  string // the command's file
	path     string // PATH without our shims
}

func (h *handing) run(ctx context.Context) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return fmt.Errorf("find your home: %w", err)
	}
	if h.program, h.path, err = vault.Find(h.args[0], os.Getenv("PATH"), vault.Shims(home, os.Getenv)); err != nil {
		return err
	}
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(h.args[0]), ".exe"), ".cmd")
	client := clients[name]
	if client == "" {
		return hint(fmt.Errorf("%q: %w", name, vault.ErrNoWay),
			"npm, npx, pnpm, yarn and bun are known here; a script that publishes should run 'wormbell exec -- npm publish' itself, not be run by it")
	}
	if why := bypass(name, h.args[1:]); why != "" {
		return h.plain(ctx, why)
	}
	if err := h.mayTake(ctx, "hand over tokens"); err != nil {
		return h.refuse(ctx, err)
	}
	h.hide()
	v, openErr := h.openVault(ctx, false)
	if v == nil {
		return h.refuse(ctx, openErr)
	}
	file := v.Userconfig(os.Environ())
	items, err := v.Items()
	switch {
	case err != nil:
		return h.refuse(ctx, err)
	case !slices.ContainsFunc(items, func(i vault.Item) bool { return i.File == file }):
		if h.without {
			return h.plain(ctx, "")
		}
		return h.plain(ctx, fmt.Sprintf("no token of %s is in the vault", file))
	case openErr != nil:
		return h.refuse(ctx, openErr)
	}
	h.announce(ctx, file)
	if variable := environment[client]; variable != "" {
		return h.inEnvironment(ctx, v, file, variable)
	}
	return h.inPipe(ctx, v, file)
}

// clients are the programs that are known, by what they are.
var clients = map[string]string{"npm": "npm", "npx": "npm", "pnpm": "pnpm", "pn": "pnpm", "pnpx": "pnpm", "pnx": "pnpm",
	"yarn": "yarn", "yarnpkg": "yarn", "bun": "bun", "bunx": "bun"}

// environment names the variables of those that read no file that could be a pipe.
var environment = map[string]string{"yarn": "YARN_NPM_AUTH_TOKEN", "bun": "NPM_CONFIG_TOKEN"}

// bypass says why a command must not get settings from a pipe: it writes them, and
// npm then writes the tokens into the file, or what it writes is lost. "" if it
// may have them.
func bypass(name string, args []string) string {
	if name != "npm" && name != "pnpm" && name != "pn" {
		return ""
	}
	client := clients[name]
	command, words, userconfig := publish.Command(client, args)
	if userconfig != "" {
		return "--userconfig says which file it is to read"
	}
	sub := ""
	if len(words) > 0 {
		sub = words[0]
	}
	switch command {
	case "login", "adduser", "add-user":
		return "it will write the new login into the file; 'wormbell vault npm' moves it afterwards"
	case "logout":
		return "the vault's tokens are revoked by 'wormbell revoke', and put back into the file by 'wormbell vault npm --restore'"
	case "token":
		return "it wants a login (" + client + " login), no other token may manage tokens"
	case "set":
		return "it changes the file"
	case "config", "c":
		if sub != "" && sub != "get" && sub != "list" && sub != "ls" {
			return "it changes the file"
		}
	}
	return ""
}

// refuse ends with err, or if it was asked to, runs the program without tokens.
func (h *handing) refuse(ctx context.Context, err error) error {
	if h.without {
		return h.plain(ctx, err.Error())
	}
	return err
}

// plain runs the program as it would run without us, and says why.
func (h *handing) plain(ctx context.Context, why string) error {
	if why != "" {
		fmt.Fprintf(h.streams.Err, "wormbell: %s runs without the vault's tokens: %s\n", plain.Text(h.args[0]), plain.Text(why))
	}
	cmd := h.command()
	cmd.Env = vault.WithPath(os.Environ(), h.path)
	return h.wait(ctx, cmd, nil)
}

// inPipe hands the tokens over as a file of settings.
func (h *handing) inPipe(ctx context.Context, v *vault.Vault, file string) error {
	text, _, err := v.Config(ctx, file)
	if err != nil {
		return h.refuse(ctx, err)
	}
	pipe, err := vault.NewPipe(text, v.Abs(file))
	if err != nil {
		return h.refuse(ctx, err)
	}
	cmd := h.command()
	cmd.Env, cmd.ExtraFiles = pipe.Env(os.Environ(), h.path), pipe.Files
	err = h.wait(ctx, cmd, pipe.Serve)
	if closeErr := pipe.Close(); closeErr != nil {
		fmt.Fprintln(h.streams.Err, "wormbell: "+plain.Text(closeErr.Error()))
	}
	return err
}

// inEnvironment hands one token over in a variable.
func (h *handing) inEnvironment(ctx context.Context, v *vault.Vault, file, variable string) error {
	key := ""
	if h.registry != "" {
		_, rest, ok := strings.Cut(h.registry, "//")
		if !ok {
			return hint(fmt.Errorf("--registry %q is no URL", h.registry), "for example https://registry.example.com/")
		}
		key = "//" + strings.TrimRight(rest, "/") + "/:_authToken"
	}
	token, err := v.Token(ctx, file, key)
	if errors.Is(err, vault.ErrNoWay) {
		return h.refuse(ctx, hint(err, "say which with --registry; 'wormbell vault list' shows them"))
	} else if err != nil {
		return h.refuse(ctx, err)
	}
	cmd := h.command()
	cmd.Env = append(vault.WithPath(os.Environ(), h.path), variable+"="+token.Reveal())
	return h.wait(ctx, cmd, nil)
}

// command prepares the program.
func (h *handing) command() *exec.Cmd {
	cmd := exec.Command(h.program, h.args[1:]...)
	cmd.Args[0] = h.args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = h.streams.In, h.streams.Out, h.streams.Err
	return cmd
}

// wait runs cmd to its end, passing signals on. serve, if not nil, runs as long as
// the program does. The error is an exitStatus.
func (h *handing) wait(ctx context.Context, cmd *exec.Cmd, serve func(context.Context) error) error {
	signals, stop := listen()
	defer stop()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %q: %w", h.program, err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // until the program ends: what ends us is passed on to it
	var wg sync.WaitGroup
	wg.Go(func() { // passes signals on, until the program has ended
		for {
			select {
			case s := <-signals:
				pass(cmd.Process, s)
			case <-ctx.Done():
				return
			}
		}
	})
	if serve != nil {
		wg.Go(func() { // ends when the program has read its settings, or has ended
			if err := serve(ctx); err != nil {
				fmt.Fprintln(h.streams.Err, "wormbell: hand over the tokens: "+plain.Text(err.Error()))
			}
		})
	}
	err := cmd.Wait()
	cancel()
	wg.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(status(exit.ProcessState))
	}
	return err
}
