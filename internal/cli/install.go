package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/agent/respond"
	"wormbell/installer"
	"wormbell/internal/plain"
)

// installing are the flags of commands that change what is installed.
type installing struct {
	dryRun, yes, quiet bool
}

func (i *installing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&i.dryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVarP(&i.yes, "yes", "y", false, "agree to the plan without being asked")
	cmd.Flags().BoolVarP(&i.quiet, "quiet", "q", false, "say nothing unless something is wrong")
}

func (a *app) installCommand() *cobra.Command {
	var i installing
	var prefix string
	var noTray, noStart, noCheckup bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install Wormbell on this machine, or upgrade it",
		Long: `Puts the programs that lie beside this one on the machine, has the agent started now and at
every boot, and the tray in every desktop, also in those that run now. Shows the plan and
asks first. What is there already stays as it is: the same command again has nothing to do.

Over an older version it keeps alerts, trust rows and settings. If the new agent does not
answer within 30 seconds, all is put back as it was and the old one started again.

Where a package of the system has put the programs, it starts what they need, and changes
no file. It ends with a look at what the machine has gone through already.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			m, err := a.installer("install")
			if err != nil {
				return err
			}
			source := a.source
			if a.target == nil {
				if source, err = beside(); err != nil {
					return err
				}
			}
			if prefix == "" {
				prefix = m.DefaultPrefix()
			}
			share, err := shared(cmd.Root(), source, filepath.Join(prefix, "bin"))
			if err != nil {
				return err
			}
			c := installer.Config{Source: source, Prefix: prefix, Tray: !noTray, Start: !noStart, Share: share}
			plan, err := m.Install(ctx, c)
			if i.dryRun && errors.Is(err, installer.ErrNoManager) {
				missing := notStarted(err)
				c.Start = false // what could be done all the same
				if plan, err = m.Install(ctx, c); err == nil {
					plan.Notes = append(plan.Notes, missing...)
				}
			}
			if err != nil {
				return advised(err)
			}
			done, err := a.carryOut(ctx, i, plan, "Install it?")
			if err != nil || i.dryRun || !done && !plan.Nothing() {
				return err
			}
			if !noStart && !noCheckup && !i.quiet && !a.json {
				self, err := os.Executable()
				return a.firstLook(ctx, cmd.Root(), plan.Program, err == nil && rootsOwn(self))
			}
			return nil
		},
	}
	i.flags(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "put the programs into `DIR`/bin (default /usr/local)")
	cmd.Flags().BoolVar(&noTray, "no-tray", false, "put nothing that shows in desktops")
	cmd.Flags().BoolVar(&noStart, "no-start", false, "put the files, and start nothing now")
	cmd.Flags().BoolVar(&noCheckup, "no-checkup", false, "do not look at what the machine has gone through already")
	return cmd
}

func (a *app) uninstallCommand() *cobra.Command {
	var i installing
	var r installer.Removal
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove what 'wormbell install' has put on this machine",
		Long: `Stops the agent and the tray, and removes the files that 'wormbell install' has put, and
nothing else. Alerts, trust rows and settings stay, unless --purge is given. What a package
of the system has put, the package manager removes.

If users have tokens in a vault, it offers to put them back into their files first: nothing
else hands them to a package manager. Decoys that users have planted are removed, unless
--leave-decoys is given; one that somebody has written to stays.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			m, err := a.installer("uninstall")
			if err != nil {
				return err
			}
			plan, err := m.Uninstall(ctx, r)
			var vaults *installer.VaultsError
			if errors.As(err, &vaults) {
				if i.dryRun {
					r.LeaveVaults = true
				} else if err := a.emptyVaults(ctx, i, vaults); err != nil {
					return err
				}
				plan, err = m.Uninstall(ctx, r)
				if i.dryRun && err == nil {
					plan.Notes = append(plan.Notes, "Not yet: "+vaults.Error()+". You are asked first whether to put them back.")
				}
			}
			if errors.As(err, &vaults) { // not all could be put back
				return vaultsLeft(vaults)
			}
			if err != nil {
				return advised(err)
			}
			_, err = a.carryOut(ctx, i, plan, "Remove it?")
			return err
		},
	}
	i.flags(cmd)
	cmd.Flags().BoolVar(&r.Purge, "purge", false, "also remove alerts, trust rows and settings")
	cmd.Flags().BoolVar(&r.LeaveVaults, "leave-vaults", false, "go on although tokens of users are in a vault; they stay in the keychain")
	cmd.Flags().BoolVar(&r.LeaveDecoys, "leave-decoys", false, "leave decoys where they are, though nobody watches them then")
	return cmd
}

// installer returns this machine for who may change it.
func (a *app) installer(what string) (*installer.Machine, error) {
	if a.target != nil {
		return a.target, nil
	}
	if runtime.GOOS != "windows" && os.Geteuid() != 0 {
		return nil, hint(fmt.Errorf("to %s changes the whole machine: it needs root", what), "run it as 'sudo wormbell "+what+"'")
	}
	m, err := installer.Local(systemAgent)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// systemAgent asks the agent of the whole machine who it is.
func systemAgent(ctx context.Context) (version string, pid int, err error) {
	c, err := client.Dial(client.Config{Socket: wormbell.SystemSocket})
	if err != nil {
		return "", 0, err
	}
	defer c.Release()
	s, err := c.Status(ctx)
	return s.Version, s.PID, err
}

// beside is the folder of this program, where the others lie, too.
func beside() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return filepath.Dir(self), nil
}

// shared are the files for the prefix's share: completions, made of our own
// commands, and what a release has beside its programs.
func shared(root *cobra.Command, source, bin string) ([]installer.File, error) {
	var files []installer.File
	for _, one := range []struct {
		path string
		make func(io.Writer) error
	}{
		{"bash-completion/completions/wormbell", func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
		{"zsh/site-functions/_wormbell", root.GenZshCompletion}, // zsh looks for vendors' below /usr alone
		{"fish/vendor_completions.d/wormbell.fish", func(w io.Writer) error { return root.GenFishCompletion(w, true) }},
	} {
		var b bytes.Buffer
		if err := one.make(&b); err != nil {
			return nil, fmt.Errorf("make the completions: %w", err)
		}
		files = append(files, installer.File{Path: filepath.FromSlash(one.path), Data: b.Bytes()})
	}
	more, err := installer.Brought(source, bin)
	if err != nil {
		return nil, fmt.Errorf("read what lies beside the programs: %w", err)
	}
	return append(files, more...), nil
}

// notStarted are the notes of a plan that is one of files alone, because of err.
func notStarted(err error) []string {
	notes := []string{"This would be done with --no-start; without it, nothing would be: " + err.Error() + "."}
	var told *installer.AdviceError
	if errors.As(err, &told) {
		for _, advice := range told.Advice {
			notes = append(notes, advice+".")
		}
	}
	return notes
}

// advised is err with what the installer says can be done about it.
func advised(err error) error {
	var told *installer.AdviceError
	var failed *installer.FailedError
	switch {
	case errors.As(err, &told):
		return hint(err, told.Advice...)
	case errors.As(err, &failed) && len(failed.Log) > 0:
		hints := make([]string, 0, len(failed.Log))
		for _, l := range failed.Log {
			hints = append(hints, "its log: "+plain.Text(l))
		}
		if runtime.GOOS == "linux" {
			hints = append(hints, "'journalctl -u wormbelld' has all of it")
		}
		return hint(err, hints...)
	case errors.Is(err, installer.ErrNotInstalled):
		return hint(err, "'wormbell status' says whether an agent runs")
	}
	return err
}

// carryOut shows a plan, asks, and does it. done says that something was done.
func (a *app) carryOut(ctx context.Context, i installing, plan *installer.Plan, question string) (done bool, err error) {
	show := !i.quiet && !a.json
	p := a.printer()
	if show {
		p.installation(plan)
	}
	report := func() error {
		if !a.json {
			return nil
		}
		return a.print(map[string]any{"version": 1, "steps": some(plan.Steps), "there": some(plan.There), "notes": some(plan.Notes), "program": plan.Program, "done": done})
	}
	if i.dryRun || plan.Nothing() {
		return false, report()
	}
	if !i.yes {
		yes, err := a.newTypist(responding{}).confirm(ctx, question)
		if errors.Is(err, respond.ErrNobody) {
			return false, hint(errors.New("nothing was done: nobody agreed to the plan"), "agree with --yes, or run it in a terminal")
		} else if ctx.Err() != nil {
			return false, errUntouched
		} else if err != nil {
			return false, err
		}
		if err := agreed(yes); err != nil {
			return false, err
		}
	}
	notes := len(plan.Notes)
	if err := plan.Do(ctx); err != nil {
		return false, advised(err)
	}
	done = true
	if show {
		for _, n := range plan.Notes[notes:] { // of what came up on the way
			p.line("%s %s", p.look(yellow, "!"), plain.Text(n))
		}
		p.line("%s Done.", p.look(green, "✓"))
	}
	return true, report()
}

// installation writes what there is and what would be done.
func (p *printer) installation(plan *installer.Plan) {
	for _, s := range plan.There {
		p.line("%s %s", p.look(green, "✓"), strings.Join(wrap(plain.Text(s), p.width-2), "\n  "))
	}
	for _, s := range plan.Notes {
		p.line("%s %s", p.look(yellow, "!"), strings.Join(wrap(plain.Text(s), p.width-2), "\n  "))
	}
	if plan.Nothing() {
		p.line("There is nothing to do.")
		return
	}
	p.plan(plan.Plan, nil)
}

// vaultsLeft says what to do about tokens in vaults.
func vaultsLeft(vaults *installer.VaultsError) error {
	return hint(vaults, append(vaults.Advice(), "'wormbell uninstall --leave-vaults' goes on all the same: what is in a vault stays in that user's keychain")...)
}

// child is a program to run as another user.
type child struct {
	program string
	args    []string
	env     []string  // more of it, NAME=VALUE
	out     io.Writer // takes what it writes instead of our output; it then has no input
	err     io.Writer // takes its complaints, if out is not nil; nil is for ours
	alone   bool      // in no group but the user's first
}

// emptyVaults offers to put the tokens of vaults back where they stood.
func (a *app) emptyVaults(ctx context.Context, i installing, vaults *installer.VaultsError) error {
	refuse := vaultsLeft(vaults)
	if i.yes || a.json {
		return refuse
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	t := a.newTypist(responding{})
	for _, v := range vaults.Vaults {
		if v.Broken != nil {
			continue // it cannot be put back, and the next look at the vaults says so
		}
		yes, err := t.confirm(ctx, fmt.Sprintf("Tokens of %s are in the vault. Put them back into their files first?", v.User))
		if err != nil || !yes {
			return refuse
		}
		u, err := user.Lookup(v.User)
		if err == nil {
			var status int
			if status, err = a.asUser(ctx, u, child{program: self, args: []string{"vault", "npm", "--restore"}}); err == nil && status != exitFine {
				err = exitStatus(status)
			}
		}
		if err != nil {
			return hint(fmt.Errorf("put the tokens of %s back: %w", v.User, err), "nothing was removed", "put them back as that user, where the keychain is open: 'wormbell vault npm --restore'")
		}
	}
	return nil
}

// firstLookCommand is the command that an installation ends with.
const firstLookCommand = "checkup"

// firstLook runs the installed program's checkup as the person behind sudo: what
// it reads is theirs. vouched says that nobody but root can have put this program
// where it is.
func (a *app) firstLook(ctx context.Context, root *cobra.Command, program string, vouched bool) error {
	cmd, _, err := root.Find([]string{firstLookCommand})
	if err != nil || cmd.Name() != firstLookCommand || program == "" {
		return nil
	}
	name := behindSudo()
	if name == "" {
		a.printer().line("Run '%s %s' as yourself: it looks at what the machine has gone through already.", plain.Text(program), firstLookCommand)
		return nil
	}
	a.printer().line("")
	if !vouched {
		// The agent sees what is above it, a program that anybody may have put there, and would refuse it.
		a.printer().line("Now type '%s' yourself: it looks at what the machine has gone through already.", "wormbell "+firstLookCommand)
		return nil
	}
	u, err := user.Lookup(name)
	if err == nil {
		_, err = a.asUser(ctx, u, child{program: program, args: []string{firstLookCommand}})
	}
	if err != nil {
		// The installation went well all the same.
		fmt.Fprintf(a.streams.Err, "wormbell: run %s as %s: %s\n", firstLookCommand, plain.Text(name), plain.Text(err.Error()))
	}
	return nil
}

// rootsOwn reports whether nobody but root can put something else in the place of
// the file.
func rootsOwn(file string) bool {
	real, err := filepath.EvalSymlinks(file)
	for p := real; err == nil; p = filepath.Dir(p) {
		info, err := os.Lstat(p)
		if err != nil || owner(info) != 0 || info.Mode().Perm()&0o022 != 0 {
			return false
		}
		if p == filepath.Dir(p) {
			return true
		}
	}
	return false
}
