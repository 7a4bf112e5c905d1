package watchers

import (
	"slices"
	"testing"

	"wormbell"
)

// TestAutostart: whatever way a file comes to a place from where something
// starts, it is told of, with who did it where the system says; what lies
// elsewhere is not.
func TestAutostart(t *testing.T) {
	for backend := range treeBackends {
		t.Run(backend, func(t *testing.T) {
			r := startTree(t, backend, `mkdir -p .config/systemd/user .config/autostart app/.vscode app/.git/hooks app/node_modules/x/.vscode; echo x >.bashrc`, 0, watchAutostart)
			pid := r.sh(`
echo x >>.bashrc
echo x >.config/systemd/user/a.service
mkdir .config/systemd/user/default.target.wants; ln -s ../a.service .config/systemd/user/default.target.wants/a.service
echo x >tmp; mv tmp .config/autostart/b.desktop
echo x >notes.txt
echo x >c.service
echo x >app/node_modules/x/.vscode/tasks.json`)
			want := []string{"~/.bashrc", "~/.config/autostart/b.desktop", "~/.config/systemd/user/a.service", "~/.config/systemd/user/default.target.wants/a.service"}
			if backend == "fanotify" { // else only the folders that are looked at anyway
				r.sh(`
echo x >app/.git/hooks/pre-commit; echo x >app/.git/hooks/pre-commit.sample
mkdir -p new/.github/workflows; echo x >new/.github/workflows/x.yml
mkdir claude; echo x >claude/settings.json; echo x >claude/other; mv claude app/.claude`)
				want = append(want, "~/app/.claude/settings.json", "~/app/.git/hooks/pre-commit", "~/new/.github/workflows/x.yml")
			}
			var got []string
			r.until("the writes", func(events []wormbell.Event) bool {
				got = nil
				for _, e := range events {
					if e.Kind != wormbell.FileWrite {
						t.Fatalf("%s of %s", e.Kind, e.Path)
					}
					if backend == "fanotify" && (e.Process == nil || e.Path == "~/.bashrc" && e.Process.PID != pid) {
						t.Errorf("%s was written by %v, want %d", e.Path, e.Process, pid)
					}
					if backend != "fanotify" && e.Process != nil {
						t.Errorf("%s by %v", e.Path, e.Process)
					}
					got = append(got, e.Path)
				}
				slices.Sort(got)
				got = slices.Compact(got)
				return slices.Equal(got, want) || len(got) > len(want)
			})
			if !slices.Equal(got, want) {
				t.Errorf("told of %q, want %q", got, want)
			}
		})
	}
}

// TestAutostartLinks: places that are links, or lie behind one, are told of by
// their own names when what they lead to is written; links that come later, too.
func TestAutostartLinks(t *testing.T) {
	for _, backend := range []string{"fanotify", "fsnotify"} {
		t.Run(backend, func(t *testing.T) {
			r := startTree(t, backend, `mkdir -p dotfiles/config/fish/conf.d dotfiles/sys .config out; echo x >dotfiles/bashrc; echo x >dotfiles/other
ln -s dotfiles/bashrc .bashrc; ln -s "$PWD/dotfiles/config/fish" .config/fish; ln -s ../dotfiles/sys .config/systemd; mkdir dotfiles/sys/user
ln -s loop .zshrc; ln -s .zshrc loop; ln -s /etc/hostname .profile; ln -s nowhere .zprofile`, 0, watchAutostart)
			r.sh(`echo x >>.bashrc; echo x >>dotfiles/other; echo x >.config/fish/conf.d/a.fish; echo x >dotfiles/sys/user/b.service; echo x >nowhere`)
			want := []string{"~/.bashrc", "~/.config/fish/conf.d/a.fish", "~/.config/systemd/user/b.service", "~/.zprofile"}
			expect := func(what string, want []string) {
				var got []string
				r.until(what, func(events []wormbell.Event) bool {
					got = nil
					for _, e := range events {
						got = append(got, e.Path)
					}
					slices.Sort(got)
					got = slices.Compact(got)
					return slices.Equal(got, want) || len(got) > len(want)
				})
				if !slices.Equal(got, want) {
					t.Errorf("told of %q, want %q", got, want)
				}
			}
			expect("writes behind links", want)
			r.sh(`ln -sf dotfiles/other .zshenv`)
			expect("a new link", []string{"~/.zshenv"})
			r.sh(`echo x >>dotfiles/other`)
			expect("a write behind it", []string{"~/.zshenv"})
		})
	}
}
