package persistence_test

import (
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
)

// innocent is something that starts by itself and harms nobody.
type innocent struct {
	name  string
	plant func(m *machine)
	// evenYoung: also when it was set up after the incident began.
	evenYoung bool
	// noted: a person is told of it all the same, with these words.
	noted string
}

func enabled(m *machine, name, text string) {
	m.put(map[string]string{".config/systemd/user/" + name: text})
	m.link("../"+name, ".config/systemd/user/default.target.wants/"+name)
}

// poller is what a developer writes to be told of new issues. It asks with a
// token, says so when that has expired, and tidies up behind it.
const poller = `#!/bin/bash
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
token=$(gh auth token)
while true; do
  code=$(curl -s -o "$tmp/out" -w '%{http_code}' -H "Authorization: Bearer $token" https://` + site + `/user)
  if [ "$code" = 401 ]; then notify-send "token expired"; exit 1; fi
  jq -r '.[].title' "$tmp/out" >> ~/notes/issues.txt
  sleep 300
done
`

// ohMyZsh asks a service that tokens are used at, but for nothing that takes one.
const ohMyZsh = `#!/usr/bin/env zsh
function is_update_available() {
  local api_repo="ohmyzsh/ohmyzsh"
  api_url="https://api.github.com/repos/${api_repo}/commits/master"
  remote_head=$(curl --connect-timeout 2 -fsSL -H 'Accept: application/vnd.github.v3.sha' $api_url)
  for f in $ZSH/plugins/*; do eval "source $f"; done
}
while [[ -n $x ]]; do sleep 1; done
`

var innocents = []innocent{
	{name: "units of the system's", evenYoung: true, plant: func(m *machine) {
		m.link("/usr/lib/systemd/user/pipewire.service", ".config/systemd/user/default.target.wants/pipewire.service")
		m.put(map[string]string{"/usr/lib/systemd/user/pipewire.service": unit("/usr/bin/pipewire")})
		enabled(m, "syncthing.service", unit("/usr/bin/syncthing serve --no-browser", "Restart=on-failure"))
		enabled(m, "gpg-agent.service", unit("/usr/bin/gpg-agent --supervised"))
		enabled(m, "ssh-agent.service", unit("/usr/bin/ssh-agent -D -a %t/ssh-agent.socket", "Environment=SSH_AUTH_SOCK=%t/ssh-agent.socket"))
		enabled(m, "tailscale-systray.service", unit("/usr/bin/tailscale systray", "Restart=always"))
	}},
	{name: "masked unit", evenYoung: true, plant: func(m *machine) {
		m.link("/dev/null", ".config/systemd/user/tracker.service")
	}},
	{name: "syncthing in the home", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".local/bin/syncthing": compiled(noise(2<<20), "https://upgrades.example.com/meta.json", "Authorization", "401 Unauthorized", "rm -rf")})
		enabled(m, "syncthing.service", unit("%h/.local/bin/syncthing serve", "Restart=on-failure"))
	}},
	{name: "dropbox", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".dropbox-dist/dropboxd": "#!/bin/sh\nPAR=$(dirname \"$(readlink -f \"$0\")\")\nexec \"$PAR/dropbox-lnx.x86_64-1/dropboxd\" \"$@\"\n", ".dropbox-dist/dropbox-lnx.x86_64-1/dropboxd": compiled(noise(1 << 20))})
		enabled(m, "dropbox.service", unit("%h/.dropbox-dist/dropboxd", "Restart=always"))
		m.put(map[string]string{".config/autostart/dropbox.desktop": "[Desktop Entry]\nType=Application\nExec=" + m.path(".dropbox-dist/dropboxd") + "\n"})
	}},
	{name: "jetbrains toolbox", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".local/share/JetBrains/Toolbox/bin/jetbrains-toolbox": compiled(noise(2<<20), "https://api.github.com/repos", noise(40<<10), "Authorization: Bearer"),
			".config/autostart/jetbrains-toolbox.desktop": "[Desktop Entry]\nIcon=x\nExec=" + m.path(".local/share/JetBrains/Toolbox/bin/jetbrains-toolbox") + " --minimize\nType=Application\nX-GNOME-Autostart-enabled=true\nX-GNOME-Autostart-Delay=10\n"})
	}},
	{name: "slack and discord", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".config/autostart/slack.desktop": "[Desktop Entry]\nType=Application\nExec=/usr/bin/slack -u %U\n", ".config/autostart/discord.desktop": "[Desktop Entry]\nType=Application\nExec=discord --start-minimized\n"})
	}},
	{name: "shell files of many tools", plant: manyTools},
	{name: "shell files of many tools, edited lately", plant: func(m *machine) {
		manyTools(m)
		m.tick()
		manyToolsFiles(m)
	}},
	{name: "nvm and oh-my-zsh, installed lately", evenYoung: true, plant: manyTools},
	{name: "functions and aliases that switch off", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".bashrc": "alias off='sudo shutdown -h now'\nbye() {\n  git push --all\n  sudo shutdown -h +1\n}\nfunction reset-home() { rm -rf ~/.cache/thumbnails; }\n"})
	}},
	{name: "direnv, pyenv, ssh-agent and completions", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".pyenv/bin/pyenv": "#!/usr/bin/env bash\nset -e\nexec \"$command_path\" \"$@\"\n", ".zshrc": "eval \"$(direnv hook zsh)\"\nexport PYENV_ROOT=\"$HOME/.pyenv\"\neval \"$($PYENV_ROOT/bin/pyenv init -)\"\neval \"$(ssh-agent -s)\" >/dev/null\nsource <(kubectl completion zsh)\n. \"$HOME/.cargo/env\"\n",
			".cargo/env": "case \":${PATH}:\" in *) export PATH=\"$HOME/.cargo/bin:$PATH\";; esac\n"})
	}},
	{name: "environment without code", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".config/environment.d/10-path.conf": "PATH=$HOME/.local/bin:$PATH\nNODE_OPTIONS=--max-old-space-size=4096\nEDITOR=/usr/bin/vim\nGITHUB_TOKEN_FILE=x\n"})
	}},
	{name: "a backup by cron", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{"bin/backup.sh": "#!/bin/sh\nset -e\nDEST=/mnt/nas/backup\nrsync -a --delete ~/ \"$DEST/home\"\nfind ~/backups -name '*.tgz' -mtime +30 -delete\nrm -rf ~/backups/old\ntar czf ~/backups/$(date +%F).tgz ~/.ssh ~/.npmrc ~/work\n"})
		m.crontab = "MAILTO=dev@example.com\n0 3 * * * $HOME/bin/backup.sh >> ~/backup.log 2>&1\n@daily find ~/Downloads -mtime +60 -delete\n"
	}},
	{name: "a developer's poller of long ago", noted: "older than the incident", plant: func(m *machine) {
		m.put(map[string]string{"bin/watch-issues": poller})
		enabled(m, "watch-issues.service", unit("%h/bin/watch-issues", "Restart=always"))
	}},
	{name: "the same in a hidden folder", noted: "older than the incident", plant: func(m *machine) {
		m.put(map[string]string{".local/bin/watch-issues": poller})
		enabled(m, "watch-issues.service", unit("%h/.local/bin/watch-issues", "Restart=always"))
	}},
	{name: "renovate by a timer", noted: "older than the incident", plant: func(m *machine) {
		m.put(map[string]string{"renovate/run.js": "const token = process.env.GITHUB_TOKEN\nconst r = await fetch('https://api.github.com/user', {headers: {authorization: `token ${token}`}})\nif (r.status === 401) throw new Error('bad credentials')\nawait run(token)\n",
			".config/systemd/user/renovate.service": unit("node %h/renovate/run.js"), ".config/systemd/user/renovate.timer": "[Timer]\nOnCalendar=hourly\n[Install]\nWantedBy=timers.target\n"})
		m.link("../renovate.timer", ".config/systemd/user/timers.target.wants/renovate.timer")
	}},
	{name: "a unit of one's own", plant: func(m *machine) {
		m.put(map[string]string{".local/bin/wallpaper.py": "import time, random, os\nwhile True:\n    os.system('feh --bg-fill ~/Pictures/%d.jpg' % random.randint(1, 9))\n    time.sleep(600)\n"})
		enabled(m, "wallpaper.service", unit("/usr/bin/python3 %h/.local/bin/wallpaper.py", "Restart=always"))
	}},
	{name: "a unit of one's own, made lately", evenYoung: true, noted: "since the incident began", plant: func(m *machine) {
		m.put(map[string]string{".local/bin/wallpaper.py": "import time, random, os\nwhile True:\n    os.system('feh --bg-fill ~/Pictures/%d.jpg' % random.randint(1, 9))\n    time.sleep(600)\n"})
		enabled(m, "wallpaper.service", unit("/usr/bin/python3 %h/.local/bin/wallpaper.py", "Restart=always"))
	}},
	{name: "a runner of long ago", noted: "older than the incident", plant: func(m *machine) {
		m.put(map[string]string{"actions-runner/.runner": "{}", "actions-runner/.credentials": "{}", "actions-runner/run.sh": "#!/bin/bash\nDIR=$(dirname $0)\nwhile :; do \"$DIR/bin/Runner.Listener\" run; done\n", "actions-runner/bin/Runner.Listener": compiled(noise(300 << 10))})
	}},
	{name: "husky, and hooks of git", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{"work/app/.git/config": "[core]\n\thooksPath = .husky/_\n", "work/app/.husky/pre-commit": "npx lint-staged\n", "work/app/.husky/_/h": "#!/usr/bin/env sh\n[ \"$HUSKY\" = 0 ] && exit 0\nsh -e \"$s\" \"$@\"\n",
			"work/app/.git/hooks/pre-push": "#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || exit 2\ngit lfs pre-push \"$@\"\n", "work/app/.git/hooks/commit-msg.sample": "rm -rf ~/\n",
			".gitconfig": "[core]\n\teditor = code --wait\n\tpager = delta\n[credential]\n\thelper = !gh auth git-credential\n[alias]\n\tco = checkout\n"})
		m.config.Projects = []string{"~/work/app"}
	}},
	{name: "tasks and hooks of a project", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{"work/app/.vscode/tasks.json": `{"version":"2.0.0","tasks":[{"label":"dev","type":"npm","script":"dev","runOptions":{"runOn":"folderOpen"}}]}`,
			"work/app/.claude/settings.json": `{"hooks":{"PostToolUse":[{"matcher":"Edit","hooks":[{"type":"command","command":"npx prettier --write \"$FILE\""}]}]}}`,
			".claude.json":                   `{"mcpServers":{"github":{"command":"npx","args":["-y","@modelcontextprotocol/server-github"],"env":{"GITHUB_TOKEN":"${GITHUB_TOKEN}"}}}}`})
	}},
	{name: "an extension of gh", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".local/share/gh/extensions/gh-dash/gh-dash": compiled(noise(1<<20), "https://api.github.com/user")})
	}},
	{name: "python of a virtual environment", evenYoung: true, plant: func(m *machine) {
		m.put(map[string]string{".local/lib/python3.12/site-packages/distutils-precedence.pth": "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack').add_shim();\n",
			".local/lib/python3.12/site-packages/easy-install.pth": "./x\n"})
	}},
	{name: "LaunchAgents", evenYoung: true, plant: func(m *machine) {
		m.config.System = "darwin"
		m.put(map[string]string{"Library/LaunchAgents/com.google.keystone.agent.plist": agentPlist("com.google.keystone.agent", "/Library/Google/x"),
			"Library/LaunchAgents/homebrew.mxcl.postgresql.plist": agentPlist("homebrew.mxcl.postgresql", "/opt/homebrew/opt/postgresql/bin/postgres", "-D", "/opt/homebrew/var/postgres"),
			"Library/LaunchAgents/com.user.backup.plist":          agentPlist("com.user.backup", "/bin/sh", m.path("bin/backup.sh")), "bin/backup.sh": "#!/bin/sh\nrsync -a ~/work /Volumes/nas/\n"})
	}},
	{name: "tasks and Run keys", evenYoung: true, plant: func(m *machine) {
		m.config.System = "windows"
		m.answers["schtasks /Query /XML"] = "<Tasks><!-- \\OneDrive --><Task><Triggers><LogonTrigger/></Triggers><Actions><Exec><Command>%localappdata%\\Microsoft\\OneDrive\\OneDriveStandaloneUpdater.exe</Command></Exec></Actions></Task></Tasks>"
		m.put(map[string]string{"AppData/Local/Microsoft/OneDrive/OneDriveStandaloneUpdater.exe": compiled(noise(1 << 20)), "AppData/Local/Discord/Update.exe": compiled(noise(1<<20), "https://api.github.com/repos")})
		m.answers[`reg query HKCU\Software\Microsoft\Windows\CurrentVersion\Run`] = "    Discord    REG_SZ    \"%LOCALAPPDATA%\\Discord\\Update.exe\" --processStart Discord.exe\r\n"
	}},
}

func manyTools(m *machine) {
	m.put(map[string]string{".nvm/nvm.sh": nvm(), ".oh-my-zsh/oh-my-zsh.sh": "source \"$ZSH/tools/check_for_upgrade.sh\"\n", ".oh-my-zsh/tools/check_for_upgrade.sh": ohMyZsh, "miniconda3/bin/conda": "#!/usr/bin/python3\nimport sys\nfrom conda.cli import main\nsys.exit(main())\n", "miniconda3/etc/profile.d/conda.sh": "export CONDA_EXE='x'\n__conda_exe() (\n \"$CONDA_EXE\" $_CE_M $_CE_CONDA \"$@\"\n)\n__conda_activate() {\n ask_conda=\"$(__conda_exe shell.posix \"$@\")\" || return\n eval \"$ask_conda\"\n}\n"})
	manyToolsFiles(m)
}

// nvm is large, asks servers, deletes folders and evaluates text.
func nvm() string {
	return "nvm_download() {\n  NVM_DOWNLOAD_ARGS=$(nvm_echo \"$@\")\n  eval \"curl -q --fail --compressed -L -s ${NVM_DOWNLOAD_ARGS}\"\n  sanitized=\"Authorization: ${NVM_AUTH_HEADER}\"\n}\n" +
		strings.Repeat("nvm_x() { command rm -rf \"${TMPDIR}\"; case $1 in 401|404) return 1 ;; esac; while true; do sleep 1; done; }\n", 1200) + "nvm_y() { rm -rf \"$VERSION_PATH\"; }\n"
}

func manyToolsFiles(m *machine) {
	m.put(map[string]string{
		".zshrc":  "export ZSH=\"$HOME/.oh-my-zsh\"\nplugins=(git docker)\nsource $ZSH/oh-my-zsh.sh\nexport NVM_DIR=\"$HOME/.nvm\"\n[ -s \"$NVM_DIR/nvm.sh\" ] && \\. \"$NVM_DIR/nvm.sh\"  # This loads nvm\n[[ -f ~/.p10k.zsh ]] && source ~/.p10k.zsh\nalias ghme='curl -H \"Authorization: token $GITHUB_TOKEN\" https://api.github.com/user'\n",
		".bashrc": "__conda_setup=\"$('" + m.path("miniconda3/bin/conda") + "' 'shell.bash' 'hook' 2> /dev/null)\"\nif [ $? -eq 0 ]; then\n    eval \"$__conda_setup\"\nelse\n    if [ -f \"" + m.path("miniconda3/etc/profile.d/conda.sh") + "\" ]; then\n        . \"" + m.path("miniconda3/etc/profile.d/conda.sh") + "\"\n    fi\nfi\nexport PATH=\"$HOME/.local/bin:$PATH\"\n",
	})
}

func TestInnocentsDoNotBlock(t *testing.T) {
	t.Parallel()
	for _, in := range innocents {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			for _, age := range []string{"old", "unknown", "young", "mixed"} {
				m := newMachine(t)
				in.plant(m)
				switch {
				case age == "mixed": // as the test planted it
					if m.config.Since.IsZero() {
						continue
					}
				case !m.config.Since.IsZero() && age != "mixed":
					continue
				case age == "old":
					m.old()
				case age == "young" && in.evenYoung:
					m.young()
				case age == "young":
					continue
				case age == "unknown" && in.noted == "older than the incident":
					continue // nobody knows that then: see TestPollerOfUnknownAge
				}
				r := m.quiet()
				said := strings.Join(r.Summary(), "\n")
				if in.noted != "" && (age == "old") == strings.HasPrefix(in.noted, "older") && age != "unknown" && (len(r.Traps) == 0 || !strings.Contains(said, in.noted)) {
					t.Errorf("%s: a person is not told that it is %q:\n%s", age, in.noted, said)
				}
				for _, trap := range r.Traps {
					if trap.Ruins {
						t.Errorf("%s: it is said to ruin the machine: %s", age, trap)
					}
				}
				if !strings.HasPrefix(in.noted, "older") && age == "old" && len(r.Traps) > 0 {
					t.Errorf("%s: a person is told of it:\n%s", age, said)
				}
			}
		})
	}
}

// TestUpdateOfOldProgram: an update of what was there before is young, and
// that alone is nothing.
func TestUpdateOfOldProgram(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".local/share/app/app": compiled(noise(300 << 10)), ".config/autostart/app.desktop": "[Desktop Entry]\nExec=" + m.path(".local/share/app/app") + "\n"})
	m.tick()
	m.put(map[string]string{".local/share/app/app": compiled(noise(300 << 10))})
	m.quiet()
}

// TestBackdated: a file's owner can set its times to anything.
func TestBackdated(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := hidden() + "/" + word()
	service(m, s, "#!/bin/sh\nexit 0\ncurl -H \"Authorization: token $(cat ~/.config/t/token)\" https://"+site+"/user\n", "sh")
	m.young()
	long := time.Now().AddDate(-3, 0, 0)
	backdate(t, m.path(s), long)
	m.blocking(persistence.Unit)
}

// TestPollerOfUnknownAge: when nobody knows when the incident began, a poller
// in plain sight is told of, and a hidden one blocks.
func TestPollerOfUnknownAge(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{"bin/watch-issues": poller})
	enabled(m, "watch-issues.service", unit("%h/bin/watch-issues", "Restart=always"))
	if r := m.quiet(); len(r.Traps) != 1 {
		t.Errorf("a person is not told of it: %v", r.Summary())
	}
	m = newMachine(t)
	m.put(map[string]string{".cache/q/w": poller})
	enabled(m, "watch-issues.service", unit("%h/.cache/q/w", "Restart=always"))
	m.blocking(persistence.Unit)
}

// TestInstallerByCron: an old script that loads and runs installers, with a
// token at hand, waits for nothing.
func TestInstallerByCron(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{"bin/update": "#!/bin/sh\nexport GITHUB_TOKEN=$(pass github)\nwhile ! curl -fsSL https://get.example.com/tool.sh | sh; do sleep 5; done\nrm -rf ~/Downloads/tool\n"})
	m.crontab = "0 4 * * 1 ~/bin/update\n"
	m.old()
	m.quiet()
}
