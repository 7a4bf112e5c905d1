package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/decoy"
	"wormbell/internal/plain"
)

func (a *app) decoyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decoy",
		Short: "Plant files that only a thief reads",
		Long: `Plants files with credentials that look real and were never given out, beside the real
ones: an old .npmrc, AWS keys, a GitHub token, the environment of a deployment. No program
reads a file by such a name. Whoever opens one rings, whatever it is; backups and a search
of yours through whole folders are only listed.

The tokens are made up here and stand in these files alone. Nobody can log in with them.`,
	}
	cmd.AddCommand(a.decoyPlantCommand(), a.decoyListCommand(), a.decoyRemoveCommand())
	return cmd
}

// dialHidden connects to the agent after this program's memory was closed to the
// user's others: only then the agent tells it what it tells nobody else.
func (a *app) dialHidden(ctx context.Context) (Agent, error) {
	a.hide()
	return a.dial(ctx)
}

// planting are the flags of 'wormbell decoy plant'.
type planting struct {
	kinds    []string
	registry string
	plan     bool
}

func (a *app) decoyPlantCommand() *cobra.Command {
	var o planting
	cmd := &cobra.Command{
		Use:   "plant",
		Short: "Plant decoys in your home",
		Long: `Plants one decoy of each kind in your home, each in a new file of its own that only you can
read, and has the agent guard it. Nothing that is there is touched; nothing is planted where
it could be committed or published, which is in a git work tree or a project. What is
planted already is left as it is. 'wormbell decoy remove --all' takes all of it back.

Decoys are no secrets, but your own scanner of secrets will find them, too: 'wormbell decoy
list' says where they are. What speaks against one for GitHub, docs/decoys.md says.`,
		Example: `  wormbell decoy plant
  wormbell decoy plant --kind npm --kind aws`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plantDecoys(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.kinds, "kind", nil, "only this `KIND`: "+strings.Join(decoy.IDs(), ", ")+" (default: one of each)")
	f.StringVar(&o.registry, "registry", "", "`URL` of the registry that the npm token seems to be for (default: that of your npm)")
	f.BoolVar(&o.plan, "plan", false, "say what would be planted, and plant nothing")
	return cmd
}

// skipped is a kind of which no decoy was planted.
type skipped struct {
	Kind string `json:"kind"`
	Why  string `json:"why"`
}

func (a *app) plantDecoys(ctx context.Context, o planting) error {
	kinds, err := decoyKinds(o.kinds)
	if err != nil {
		return err
	}
	if u, err := url.Parse(o.registry); o.registry != "" && (err != nil || u.Host == "") {
		return hint(fmt.Errorf("%q is no URL of a registry", o.registry), "for example: --registry https://registry.example.com/")
	}
	home, err := ownHome()
	if err != nil {
		return err
	}
	c, err := a.dialHidden(ctx)
	if err != nil {
		return hint(err, "a decoy that nobody watches is worth nothing: start the agent first")
	}
	there, err := c.Decoys(ctx)
	var said *client.Error
	if errors.As(err, &said) && said.Status == http.StatusForbidden {
		there, err = nil, nil // whether it may plant is another question
	}
	if err != nil {
		return advise(err)
	}
	planted, skips := []wormbell.Decoy{}, []skipped{}
	facts := decoy.Facts{Registry: o.registry}
	if u, err := user.Current(); err == nil {
		facts.User = u.Username
	}
	for _, k := range kinds {
		if old := slices.IndexFunc(there, func(d wormbell.Decoy) bool {
			return d.Kind == k.ID && d.Home == home && d.State == wormbell.GuardOn
		}); old >= 0 {
			skips = append(skips, skipped{k.ID, "there is one already: " + there[old].Path})
			continue
		}
		if k.ID == "npm" && facts.Registry == "" {
			facts.Registry = npmRegistry(ctx, home)
		}
		d, err := a.plantDecoy(ctx, c, home, k, facts, o.plan)
		if ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			skips = append(skips, skipped{k.ID, err.Error()})
			continue
		}
		planted = append(planted, d)
	}
	note := ""
	if s, err := c.Status(ctx); err == nil && slices.ContainsFunc(s.Sensors, func(s wormbell.Sensor) bool { return s.Name == "credentials" && !s.Who }) {
		note = "This agent cannot tell who opens a file, so a backup of your home rings, too. One that root runs can: 'sudo wormbell install'."
	}
	if a.json {
		if err := a.print(map[string]any{"version": 1, "planted": planted, "skipped": skips, "plan": o.plan, "note": note}); err != nil {
			return err
		}
	} else {
		p := a.printer()
		p.planted(planted, skips, o.plan)
		if note != "" {
			p.line("%s %s", p.look(yellow, "!"), strings.Join(wrap(note, p.width-2), "\n  "))
		}
	}
	if len(planted) == 0 && slices.ContainsFunc(skips, func(s skipped) bool {
		return !strings.Contains(s.Why, "there is one already") && !strings.Contains(s.Why, "there is one of its kind already")
	}) {
		return hint(errors.New("no decoy was planted"), "what is in the way is said above")
	}
	return nil
}

// decoyKinds returns the kinds that somebody has named, all if none.
func decoyKinds(ids []string) ([]decoy.Kind, error) {
	if len(ids) == 0 {
		return decoy.Kinds, nil
	}
	var kinds []decoy.Kind
	for _, id := range ids {
		k, ok := decoy.ByID(id)
		if !ok {
			return nil, hint(fmt.Errorf("there is no decoy of the kind %q", id), "there are "+strings.Join(decoy.IDs(), ", "))
		}
		if !slices.ContainsFunc(kinds, func(o decoy.Kind) bool { return o.ID == id }) {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

// ownHome is the home of who runs this, without links. Behind sudo it is root's,
// which is not meant.
func ownHome() (string, error) {
	if os.Geteuid() == 0 && behindSudo() != "" {
		return "", hint(errors.New("decoys are planted in your own home, and with sudo that is root's"), "run it without sudo")
	}
	home, err := os.UserHomeDir()
	if err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	if err != nil {
		return "", fmt.Errorf("find your home: %w", err)
	}
	return home, nil
}

// plantDecoy plants one decoy and has it guarded. With plan it says only where the
// first free place is.
func (a *app) plantDecoy(ctx context.Context, c Agent, home string, k decoy.Kind, facts decoy.Facts, plan bool) (d wormbell.Decoy, err error) {
	why := errors.New("every place for it is taken")
	for _, p := range k.Pick() {
		d = wormbell.Decoy{Home: home, Path: p, Kind: k.ID}
		if plan {
			if _, err := os.Lstat(filepath.Join(home, strings.TrimPrefix(p, "~/"))); errors.Is(err, fs.ErrNotExist) {
				return d, nil
			}
			continue
		}
		put, err := decoy.Plant(home, p, k.Text(facts), decoy.Age(time.Now()))
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case errors.Is(err, decoy.ErrUnfit):
			why = err
			continue
		case err != nil:
			return d, err
		}
		d.Made = put.Made
		// To the end, whoever wants to stop: a file that nobody knows of must not stay.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), agentTime)
		defer cancel()
		if d, err = c.PlantDecoy(within, d); err != nil {
			if undo := decoy.Remove(home, p, put); undo != nil {
				err = fmt.Errorf("%w; and the file stays: %w", err, undo)
			}
			return d, err
		}
		return d, nil
	}
	return d, why
}

// npmRegistry is the registry that the person's npm uses, "" if it does not say.
func npmRegistry(ctx context.Context, home string) string {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, agentTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "config", "get", "registry")
	cmd.Dir = home
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	u, perr := url.Parse(strings.TrimSpace(string(out)))
	if err != nil || perr != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.String()
}

// planted writes what was planted where.
func (p *printer) planted(planted []wormbell.Decoy, skips []skipped, plan bool) {
	for _, d := range planted {
		k, _ := decoy.ByID(d.Kind)
		p.line("%s %s, with %s", p.look(green, ifs(plan, "·", "✓")), plain.Text(d.Path), k.Title)
	}
	for _, s := range skips {
		p.line("%s %s: %s", p.look(yellow, "!"), s.Kind, strings.Join(wrap(plain.Text(s.Why), p.width-len(s.Kind)-4), "\n  "))
	}
	switch {
	case len(planted) == 0:
	case plan:
		p.line("Nothing was planted. By which of several names a decoy goes is left to chance each time.")
	default:
		p.line("Whoever opens one of these rings. 'wormbell decoy remove --all' takes them back.")
	}
}

func ifs[T any](is bool, a, b T) T {
	if is {
		return a
	}
	return b
}

func (a *app) decoyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Where decoys lie, and who opened them last",
		Long: `Lists the decoys in your home; root sees everybody's. It is told to you in a terminal, and
to nothing that a script of a package or another program of yours has started.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dialHidden(cmd.Context())
			if err != nil {
				return err
			}
			decoys, err := c.Decoys(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if a.json {
				return a.print(list("decoys", decoys))
			}
			p := a.printer()
			if len(decoys) == 0 {
				p.line("There are no decoys. 'wormbell decoy plant' plants some.")
				return nil
			}
			homes := map[string]bool{}
			for _, d := range decoys {
				homes[d.Home] = true
			}
			var rows [][]string
			for _, d := range decoys {
				name := plain.Text(d.Path)
				if len(homes) > 1 {
					name = plain.Text(filepath.Join(d.Home, strings.TrimPrefix(d.Path, "~/")))
				}
				state, read := plain.Text(d.State), ""
				if d.Why != "" {
					state += " (" + plain.Text(d.Why) + ")"
				}
				if d.LastRead != nil {
					read = p.ago(*d.LastRead) + " by " + plain.Text(d.LastBy)
				}
				rows = append(rows, []string{name, plain.Text(d.Kind), p.at(d.Planted), state, read})
			}
			p.table([]string{"FILE", "KIND", "PLANTED", "STATE", "LAST OPENED"}, rows)
			return nil
		},
	}
}

func (a *app) decoyRemoveCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "remove [FILE…]",
		Short: "Take decoys back",
		Long: `Removes the named decoys of yours, or all of them. Only a file that is still the one that was
planted is removed; one that somebody has written to, or another one by its name, is left
where it is and no longer taken for a decoy.`,
		Example: `  wormbell decoy remove --all
  wormbell decoy remove ~/.npmrc.old`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return hint(errors.New("name the decoys to remove, or give --all"), "'wormbell decoy list' lists them")
			}
			return a.removeDecoys(cmd.Context(), args, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all decoys of yours")
	return cmd
}

// leftDecoy is a file that was not removed.
type leftDecoy struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

func (a *app) removeDecoys(ctx context.Context, names []string, all bool) error {
	home, err := ownHome()
	if err != nil {
		return err
	}
	c, err := a.dialHidden(ctx)
	if err != nil {
		return err
	}
	decoys, err := c.Decoys(ctx)
	if err != nil {
		return advise(err)
	}
	decoys = slices.DeleteFunc(decoys, func(d wormbell.Decoy) bool { return d.Home != home })
	chosen := decoys
	if !all {
		chosen = nil
		for _, name := range names {
			i := slices.IndexFunc(decoys, func(d wormbell.Decoy) bool { return decoyNamed(d, name) })
			if i < 0 {
				return hint(fmt.Errorf("there is no decoy %q in your home", name), "'wormbell decoy list' lists them")
			}
			chosen = append(chosen, decoys[i])
		}
	}
	removed, left := []string{}, []leftDecoy{}
	for _, d := range chosen {
		why, err := a.removeDecoy(ctx, c, d)
		if err != nil {
			return err
		}
		if why != "" {
			left = append(left, leftDecoy{d.Path, why})
		} else {
			removed = append(removed, d.Path)
		}
	}
	if a.json {
		if err := a.print(map[string]any{"version": 1, "removed": removed, "left": left}); err != nil {
			return err
		}
	} else {
		p := a.printer()
		for _, r := range removed {
			p.line("%s %s is gone.", p.look(green, "✓"), plain.Text(r))
		}
		for _, l := range left {
			p.line("%s %s stays, and is no decoy any more: %s.", p.look(yellow, "!"), plain.Text(l.Path), plain.Text(l.Why))
		}
		if len(chosen) == 0 {
			p.line("There are no decoys in your home.")
		}
	}
	if len(left) > 0 {
		return hint(fmt.Errorf("%s not removed", ifs(len(left) == 1, "1 file was", fmt.Sprintf("%d files were", len(left)))), "look at what is in it, and remove it yourself if it is not yours")
	}
	return nil
}

// decoyNamed reports whether somebody who says name means d: its path, with ~ or
// without, or its ID.
func decoyNamed(d wormbell.Decoy, name string) bool {
	if name == d.ID || name == d.Path {
		return true
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return false
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	return abs == filepath.Join(d.Home, strings.TrimPrefix(d.Path, "~/"))
}

// removeDecoy takes one decoy back. why says why its file stays, "" if it is gone.
func (a *app) removeDecoy(ctx context.Context, c Agent, d wormbell.Decoy) (why string, err error) {
	check := decoy.Check(d.Home, d.Path, d.File)
	gone := errors.Is(check, fs.ErrNotExist)
	if check != nil && !gone && !errors.Is(check, decoy.ErrChanged) {
		return "", fmt.Errorf("remove %q: %w", d.Path, check) // it stays a decoy: nobody could remove it
	}
	// The agent first: what it does not let go is not to be removed, and what it
	// has let go is no more than a file.
	if err := c.ForgetDecoy(ctx, d.ID); err != nil {
		return "", advise(err)
	}
	switch {
	case gone:
		return "", nil
	case check != nil:
		return check.Error(), nil
	}
	if err := decoy.Remove(d.Home, d.Path, decoy.Put{File: d.File, Made: d.Made}); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err.Error(), nil
	}
	return "", nil
}
