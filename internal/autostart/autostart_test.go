package autostart_test

import (
	"path"
	"slices"
	"testing"

	"wormbell/internal/autostart"
)

func TestOf(t *testing.T) {
	for _, test := range []struct{ path, what, project string }{
		{"~/.bashrc", autostart.Shell, ""},
		{"~/app/.bashrc", "", ""},
		{"~/.config/fish/conf.d/x.fish", autostart.Shell, ""},
		{"~/.config/fish/conf.d/x.txt", "", ""},
		{"~/.config/systemd/user/x.service", autostart.Unit, ""},
		{"~/.config/systemd/user/default.target.wants/x.service", autostart.Unit, ""},
		{"~/.config/systemd/user/x.service.d/override.conf", autostart.Unit, ""},
		{"~/.config/systemd/user/deep/er/x.service", "", ""},
		{"~/.local/share/systemd/user/x.timer", autostart.Unit, ""},
		{"~/app/x.service", "", ""},
		{"~/.config/autostart/x.desktop", autostart.Autostart, ""},
		{"~/.config/autostart.sh", autostart.Session, ""},
		{"~/.config/plasma-workspace/env/autostart.sh", autostart.Autostart, ""},
		{"~/.ssh/authorized_keys", autostart.SSH, ""},
		{"~/.ssh/id_ed25519", "", ""},
		{"~/.gitconfig", autostart.GitHook, ""},
		{"~/.config/git/config", autostart.GitHook, ""},
		{"~/app/.git/hooks/pre-commit", autostart.GitHook, "~/app"},
		{"~/app/.git/hooks/pre-commit.sample", "", ""},
		{"~/app/.git/config", "", ""},
		{"~/src/a/b/.husky/pre-push", autostart.GitHook, "~/src/a/b"},
		{"~/app/.vscode/tasks.json", autostart.EditorTask, "~/app"},
		{"~/app/.vscode/settings.json", "", ""},
		{"~/.claude/settings.json", autostart.AIHook, ""},
		{"~/app/.claude/settings.json", autostart.AIHook, "~/app"},
		{"~/app/.cursor/rules/setup.mdc", autostart.AIHook, "~/app"},
		{"~/app/.github/workflows/x.yml", autostart.Workflow, "~/app"},
		{"~/app/.github/dependabot.yml", "", ""},
		{"~/app/node_modules/x/.github/workflows/ci.yml", "", ""},
		{"~/app/node_modules/x/.vscode/tasks.json", "", ""},
		{"~/.cache/x/.github/workflows/ci.yml", "", ""},
		{"~/.dev-env/.runner", autostart.Runner, "~/.dev-env"},
		{"~/app/node_modules/x/.runner", "", ""},
		{"~/Library/LaunchAgents/com.user.x.plist", autostart.Agent, ""},
		{"~/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/x.lnk", autostart.Autostart, ""},
		{"/etc/cron.d/x", "", ""},
		{"~", "", ""},
		{"", "", ""},
	} {
		place, project, ok := autostart.Of(test.path)
		if place.What != test.what || project != test.project || ok != (test.what != "") {
			t.Errorf("Of(%q) = %q, %q, %v, want %q, %q", test.path, place.What, project, ok, test.what, test.project)
		}
		if windows := path.Ext(test.path) == ".lnk"; ok && !windows && !autostart.Name([]byte(path.Base(test.path))) {
			t.Errorf("%s is a place, and its name is not asked for", test.path)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]bool{".bashrc": true, "x.service": true, "ci.yml": true, "pre-commit": true, "index.js": false, "package.json": false, "README.md": false, "": false, ".": false, "x.": false,
		"a.d.ts": false, ".service": false} {
		if autostart.Name([]byte(name)) != want {
			t.Errorf("Name(%q) is not %v", name, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { autostart.Name([]byte("index.js")); autostart.Name([]byte("x.service")) }); n > 0 {
		t.Errorf("Name allocates %v times", n)
	}
}

func TestHolds(t *testing.T) {
	for p, want := range map[string]bool{"~/.config": true, "~/.config/systemd": true, "~/.config/systemd/user": true, "~/.config/gtk": false, "~/app": false, "~/app/.vscode": true, "~/app/.github": true,
		"~/app/.github/workflows": true, "~/app/src": false, "~/app/.git": true, "~/app/.git/objects": false, "~/.config/systemd/user/x.service.d": true, "/tmp/.vscode": false} {
		if autostart.Holds(p) != want {
			t.Errorf("Holds(%q) is not %v", p, want)
		}
	}
}

func TestFolders(t *testing.T) {
	dirs := autostart.Folders()
	for _, want := range []string{".", ".config/systemd/user", ".config/autostart", ".ssh"} {
		if !slices.Contains(dirs, want) {
			t.Errorf("%q is not among %q", want, dirs)
		}
	}
	if !slices.IsSorted(dirs) || slices.Contains(dirs, ".vscode") {
		t.Errorf("folders: %q", dirs)
	}
}

func TestHomes(t *testing.T) {
	all := autostart.Homes()
	for _, want := range []string{".bashrc", ".config/systemd/user", ".ssh/authorized_keys"} {
		if !slices.Contains(all, want) {
			t.Errorf("%q is not among %q", want, all)
		}
	}
	if slices.Contains(all, ".") || slices.Contains(all, ".vscode") {
		t.Errorf("places: %q", all)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("~/.git/hooks/pre-commit")
	f.Fuzz(func(t *testing.T, p string) {
		autostart.Of(p)
		autostart.Holds(p)
		autostart.Name([]byte(p))
	})
}
