package checkup_test

import (
	"fmt"
	"os"
	"strings"
)

// innocent is a home of a developer, with all that looks like a worm and is none.
func innocent(m *machine) {
	// Tools that set themselves up in a home.
	m.write("~/.bashrc", "export NVM_DIR=\"$HOME/.nvm\"\n[ -s \"$NVM_DIR/nvm.sh\" ] && \\. \"$NVM_DIR/nvm.sh\"\neval \"$(direnv hook bash)\"\nexport PATH=\"$HOME/.bun/bin:$PATH\"\nalias off='sudo shutdown -h now'\n")
	m.write("~/.nvm/nvm.sh", "nvm() { curl -q --fail https://nodejs.example.com/; }\n")
	m.write("~/.gitconfig", "[user]\n\tname = Dev\n[init]\n\tdefaultBranch = main\n")
	m.write("~/.npmrc", "//registry.example.com/:_authToken=${NPM_TOKEN}\nignore-scripts=true\nmin-release-age=3\n")
	m.write("~/.config/systemd/user/restic.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/restic backup %h\n")
	m.write("~/.config/systemd/user/restic.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n")
	if err := os.MkdirAll(m.path("~/.config/systemd/user/timers.target.wants"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink("../restic.timer", m.path("~/.config/systemd/user/timers.target.wants/restic.timer")); err != nil {
		m.t.Fatal(err)
	}
	// A project with husky, tasks, an environment without secrets and a release.
	m.write("~/work/shop/package.json", `{"name":"shop","private":true,"scripts":{"prepare":"husky"}}`)
	m.write("~/work/shop/.git/config", "[core]\n\thooksPath = .husky/_\n")
	m.write("~/work/shop/.husky/pre-commit", "npm test\n")
	m.write("~/work/shop/.husky/_/pre-commit", "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"\n")
	m.write("~/work/shop/.vscode/tasks.json", `{"version":"2.0.0","tasks":[{"label":"build","type":"npm","script":"build"}]}`)
	m.write("~/work/shop/.npmrc", "registry=https://registry.example.com/\n//registry.example.com/:_authToken=${NPM_TOKEN}\n")
	m.write("~/work/shop/.env", "PORT=3000\nDEBUG=true\nDATABASE_URL=${DB}\n")
	m.write("~/work/shop/.env.example", "API_KEY=sk_live_your_key_here\n")
	m.write("~/work/shop/tea.yaml", "version: 1.0.0\nquorum: 1\n")
	m.write("~/work/shop/release.mjs", "import {execSync} from 'node:child_process'\nimport fs from 'node:fs'\nfor (let dir of fs.readdirSync('packages')) {\n  const p = JSON.parse(fs.readFileSync(`packages/${dir}/package.json`))\n  p.version = next(p.version)\n  fs.writeFileSync(`packages/${dir}/package.json`, JSON.stringify(p))\n  execSync('npm publish', {cwd: `packages/${dir}`})\n}\n")
	m.write("~/work/shop/auto.js", "console.log('automatic doors')\n")
	m.write("~/work/shop/.github/workflows/release.yml", "on:\n  push:\n    branches: [main]\njobs:\n  release:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: npm publish\n        env:\n          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}\n      - run: curl -f https://status.example.com/\n")
	m.write("~/work/shop/.github/workflows/chat.yml", "on: [discussion]\njobs:\n  greet:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n")
	// Packages that honestly run scripts, or have a worm's file names.
	project(m, "~/work/shop", "esbuild", `{"postinstall":"node install.js"}`, map[string]string{
		"install.js": "const fs=require('fs'),cp=require('child_process')\nconst registry = process.env.npm_config_registry\nhttps.get('https://registry.example.com/@esbuild/linux-x64')\nfs.readFileSync('.npmrc')\nconst auth = process.env.GITHUB_TOKEN\n"})
	project(m, "~/work/bun", "bun", `{"postinstall":"node install.js"}`, map[string]string{"install.js": "fetch('https://github.com/oven-sh/bun/releases/latest')\n"})
	project(m, "~/work/motion", "motion-dom", `{"build":"x"}`, map[string]string{"setup.mjs": "export const setup = 1\n", "bundle.js": strings.Repeat("x", 100_000)})
	project(m, "~/work/native", "better-sqlite3", `{"install":"prebuild-install || node-gyp rebuild --release"}`, nil)
	// Releases of a monorepo, as npm logs them.
	for i := range 6 {
		name := fmt.Sprintf("@acme/part-%d", i)
		m.write(fmt.Sprintf("~/.npm/_logs/2026-11-21T21_32_5%d_450Z-debug-0.log", i), publishLog(name, fmt.Sprintf("%s/work/shop/packages/part-%d", m.home, i), ""))
	}
	m.write("~/.npm/_logs/2026-11-21T21_33_00_450Z-debug-0.log", "8 verbose argv \"publish\" \"--dry-run\"\n20 notice name: x\n38 verbose exit 0\n")
	// What was typed, and looks like more.
	m.write("~/.bash_history", "npm config set //registry.example.com/:_authToken=$NPM_TOKEN\nexport GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\ngit push\nnpm publish\n")
	m.write("~/.config/gh/config.yml", "git_protocol: https\n")
	m.write("~/.config/some-app/token", "x") // nothing beside it waits for its end
	m.write("~/.cache/node/corepack/v1/yarn/yarn.js", "x")
	m.write("/tmp/list.txt", "/home/dev/work/shop/package.json\n/home/dev/.bashrc\n/home/dev/notes.txt\n")
	m.write("/tmp/npm-update/package.json", "{}")
	// A release under two names, as for a second registry.
	m.write("~/work/shop/two-names.js", "const fs=require('fs'),{execSync}=require('child_process')\nconst dirs=fs.readdirSync('packages')\nfor (let i = 0; i < dirs.length; i++) {\n  const f='packages/'+dirs[i]+'/package.json', p=JSON.parse(fs.readFileSync(f))\n  delete p.private\n  for (const name of [p.name, '@acme/'+p.name]) {\n    p.name = name\n    fs.writeFileSync(f, JSON.stringify(p))\n    execSync('npm publish', {cwd: 'packages/'+dirs[i]})\n  }\n}\n")
	// A person's own programs, a scanner for secrets among them.
	for _, name := range []string{"jq", "fd", "rg", "gitleaks", "trufflehog", "age", "yq"} {
		m.write("~/.bin/"+name, "\x7fELF")
	}
	// Frameworks of shells that update themselves, services of a person's own.
	m.write("~/.zshrc", "export ZSH=\"$HOME/.oh-my-zsh\"\nplugins=(git)\nsource $ZSH/oh-my-zsh.sh\nexport NODE_OPTIONS=\"--max-old-space-size=4096\"\nssh-add -l >/dev/null || eval \"$(ssh-agent -s)\"\n")
	m.write("~/.oh-my-zsh/oh-my-zsh.sh", "source \"$ZSH/tools/check_for_upgrade.sh\"\n")
	m.write("~/.oh-my-zsh/tools/check_for_upgrade.sh", "is_update_available() {\n  local auth; [[ -n $GITHUB_TOKEN ]] && auth=\"Authorization: token $GITHUB_TOKEN\"\n  curl --connect-timeout 2 -fsSL -H \"$auth\" $api_url\n}\nupdate_ohmyzsh() { zsh -f \"$ZSH/tools/upgrade.sh\"; rm -rf \"$ZSH/log/update.lock\"; }\n( is_update_available && update_ohmyzsh ) &|\n")
	m.write("~/.pm2/dump.pm2", "[]")
	m.enabled("pm2-dev.service", "[Service]\nType=forking\nEnvironment=PM2_HOME=%h/.pm2\nRestart=on-failure\nExecStart=/usr/bin/node %h/.npm-global/lib/node_modules/pm2/bin/pm2 resurrect\n[Install]\nWantedBy=default.target\n")
	m.write("~/.npm-global/lib/node_modules/pm2/bin/pm2", "#!/usr/bin/env node\nrequire('../lib/binaries/CLI.js')\n")
	m.write("~/bin/ci-watch.sh", "#!/bin/sh\nwhile true; do\n  s=$(curl -s -H \"Authorization: Bearer $(cat ~/.config/ci/token)\" https://ci.example.com/api/builds/latest)\n  case $s in *failed*) notify-send 'build failed';; esac\n  sleep 60\ndone\n")
	m.enabled("ci-watch.service", unit("/bin/bash %h/bin/ci-watch.sh"))
	m.write("~/bin/backup.sh", "#!/bin/bash\nset -e\nrestic backup ~ --exclude ~/.cache\nrestic forget --keep-daily 7 --prune\nfind ~/.cache -mtime +30 -delete\nrm -rf ~/tmp/*\ncurl -fsS -m 10 https://hc.example.com/uuid >/dev/null\n")
	m.enabled("backup.service", unit("/bin/bash %h/bin/backup.sh"))
}
