package main

// sshd starts a server on loopback that lets in who has the key in the home, and
// sets options for programs that are to reach it. It ends with the chore.
const sshd = `chmod 700 . && ssh-keygen -q -t ed25519 -N '' -f host && mkdir -p ~/.ssh && chmod 700 ~/.ssh && { [ -e ~/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; } &&
cat ~/.ssh/id_ed25519.pub >known && port=$((20000 + RANDOM % 20000)) && mkdir -p /run/sshd &&
printf 'Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/known\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n' $port $PWD $PWD >conf
/usr/sbin/sshd -D -f $PWD/conf 2>sshd.log & server=$!; trap 'kill $server' EXIT
options="-o Port=$port -o IdentityFile=$HOME/.ssh/id_ed25519 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=$PWD/hosts -o LogLevel=ERROR -F none"
for i in $(seq 100); do ssh $options root@127.0.0.1 true 2>/dev/null && break; sleep 0.05; done
`

// gnupg makes a key, and ends its agent with the chore.
const gnupg = `mkdir -p ~/.gnupg && chmod 700 ~/.gnupg && trap 'gpgconf --kill gpg-agent' EXIT
gpg --list-secret-keys dev@example.com >/dev/null 2>&1 || gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key 'dev <dev@example.com>' default default never
`

// chromium shows a page with the profile that a person's has.
const chromium = `timeout 60 chromium --headless=new --no-sandbox --disable-gpu --no-first-run --password-store=basic --user-data-dir=$HOME/.config/chromium --dump-dom `

// storeChores open what is in the stores whose programs open it all day.
var storeChores = []chore{
	// ssh
	{name: "ssh-server", needs: []string{"ssh", "/usr/sbin/sshd", "ssh-agent"}, types: sshd + `
		ssh $options root@127.0.0.1 true && scp -q $options conf root@127.0.0.1:$TMP/copied && echo ls | sftp -q $options root@127.0.0.1 >/dev/null &&
		ssh-keygen -y -f ~/.ssh/id_ed25519 >/dev/null && eval $(ssh-agent) >/dev/null && ssh-add -q ~/.ssh/id_ed25519 && ssh-add -l && ssh-agent -k >/dev/null`},
	{name: "ssh-git", needs: []string{"ssh", "/usr/sbin/sshd", "git", "rsync"}, types: sshd + `
		git init -q repo && git -C repo commit -q --allow-empty -m one && GIT_SSH_COMMAND="ssh $options" git clone -q root@127.0.0.1:$PWD/repo clone && GIT_SSH_COMMAND="ssh $options" git -C clone fetch &&
		rsync -a -e "ssh $options" conf root@127.0.0.1:$TMP/synced`},
	{name: "ssh-script", needs: []string{"ssh", "/usr/sbin/sshd"}, files: map[string]string{
		"package.json": project(`"deploy":"node deploy.js"`), "deploy.js": "require('child_process').execSync('ssh ' + process.env.OPTIONS + ' root@127.0.0.1 true')\n"},
		types: sshd + `OPTIONS=$options npm run deploy`},
	{name: "ssh-npm", needs: []string{"ssh", "/usr/sbin/sshd", "git"}, files: map[string]string{"package.json": project(""), ".npmrc": "fund=false\n"},
		types: sshd + `git init -q dep && echo '{"name":"dep","version":"1.0.0"}' >dep/package.json && git -C dep add -A && git -C dep commit -qm one && GIT_SSH_COMMAND="ssh $options" npm install "git+ssh://root@127.0.0.1:$port$PWD/dep"`},
	{name: "ssh-ansible", needs: []string{"ssh", "/usr/sbin/sshd", "ansible"}, types: sshd + `echo "box ansible_host=127.0.0.1 ansible_port=$port ansible_user=root ansible_ssh_common_args='$options'" >hosts.ini && ansible -i hosts.ini box -m raw -a true`},

	// projects' secrets
	{name: "env-tools", needs: []string{"git", "make", "python3"}, files: map[string]string{".env": "API_TOKEN=decoy\n", ".env.local": "API_TOKEN=decoy\n", "sub/.env.production": "API_TOKEN=decoy\n",
		"Makefile": "include .env\nall:\n\t@test $(API_TOKEN) = decoy\n", "a.py": "assert open('.env').read().strip() == 'API_TOKEN=decoy'\n", "run.sh": "#!/bin/sh\nset -a\n. ./.env\nnode -e 'process.exit(process.env.API_TOKEN === \"decoy\" ? 0 : 1)'\n"},
		types: `set -a && . ./.env && set +a && ./run.sh && make && python3 a.py && python3 -c 'open(".env").read()' && node -p 'require("fs").readFileSync(".env").length' && perl -ne 1 .env && grep -r API_TOKEN . >/dev/null && cat .env* >/dev/null &&
			git init -q && git add -A && git status --short >/dev/null && git commit -qm one && cp .env .env.new && mv .env.new .env && sed -i 's/decoy/decoy/' .env && cp -a . $TMP/env-copy`},
	{name: "env-go", needs: []string{"go"}, files: map[string]string{".env": "API_TOKEN=decoy\n", "go.mod": "module app\n\ngo 1.22\n",
		"main.go":      "package main\n\nimport \"os\"\n\nfunc main() {\n\tif _, err := os.ReadFile(\".env\"); err != nil {\n\t\tpanic(err)\n\t}\n}\n",
		"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestMain_(t *testing.T) { main() }\n"},
		types: `export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off && go run . && go test ./... && go test -count=1 ./... && go build -o app . && ./app`},
	{name: "env-direnv", needs: []string{"direnv"}, files: map[string]string{".env": "API_TOKEN=decoy\n", ".envrc": "dotenv\n"}, types: `direnv allow . && direnv exec . sh -c 'test $API_TOKEN = decoy'`},
	{name: "env-dotenv-python", needs: []string{"python3"}, files: map[string]string{".env": "API_TOKEN=decoy\n", "a.py": "try:\n    from dotenv import load_dotenv\n    load_dotenv()\nexcept ImportError:\n    open('.env').read()\n"},
		types: `python3 -m venv --without-pip --system-site-packages .venv && .venv/bin/python a.py`},
	{name: "env-vite", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(`"build":"vite build","dev":"vite"`), ".env": "VITE_A=decoy\n", ".env.production": "VITE_A=decoy\n",
		"index.html": "<script type=module src=/a.js></script>\n", "a.js": "console.log(import.meta.env.VITE_A)\n"}, types: `npm install vite && npm run build && npx vite build --mode production`},
	{name: "env-tasks", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, "package.json": project(`"a":"dotenv -- node -e 0","b":"env-cmd -f ./.env -- node -e 0","c":"tsx a.ts"`), ".env": "A=decoy\n", "a.ts": "process.loadEnvFile?.('.env')\n"},
		types: `npm install dotenv-cli env-cmd tsx && npm run a && npm run b && npm run c && npx dotenvx --version >/dev/null 2>&1; true`},
	{name: "env-hook", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, "package.json": `{"name":"app","private":true,"scripts":{"prepare":"husky"},"lint-staged":{"*":"git add"}}`, ".env.development": "A=decoy\n", ".gitignore": "node_modules\n"},
		types: `git init -q && npm install -D husky@9 lint-staged@15 && npm run prepare && echo 'npx lint-staged' >.husky/pre-commit && git add -A && git commit -qm one`},
	{name: "env-prisma", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(""), ".env": "DATABASE_URL=file:./dev.db\n",
		"prisma/schema.prisma": "datasource db {\n  provider = \"sqlite\"\n  url = env(\"DATABASE_URL\")\n}\ngenerator client {\n  provider = \"prisma-client-js\"\n}\nmodel A {\n  id Int @id\n}\n"},
		types: `npm install prisma@6 @prisma/client@6`},
	{name: "env-sentry", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(""), ".env": "SENTRY_DSN=decoy\n"}, types: `npm install @sentry/cli@2`},

	// keys and passwords
	{name: "gpg", needs: []string{"gpg", "gpg-agent", "git"}, types: gnupg + `
		echo a >a && gpg --batch --quiet --yes --sign a && gpg --batch --quiet --yes -e -r dev@example.com a && gpg --batch --quiet --yes -d a.gpg >/dev/null && gpg --batch --quiet --yes --export-secret-keys dev@example.com >/dev/null &&
		git init -q && git -c commit.gpgsign=true -c user.signingkey=dev@example.com commit -q --allow-empty -m one && git verify-commit HEAD`},
	{name: "gpg-script", needs: []string{"gpg", "gpg-agent", "git"}, files: map[string]string{"a.js": "require('child_process').execSync('git init -q && git -c commit.gpgsign=true -c user.signingkey=dev@example.com commit -q --allow-empty -m one')\n"},
		types: gnupg + `gpgconf --kill gpg-agent; node a.js`},
	{name: "pass", needs: []string{"pass", "gpg-agent"}, types: gnupg + `
		pass init dev@example.com && echo decoy | pass insert -e web/example && pass web/example && pass ls && pass grep decoy && pass generate -n other 12 >/dev/null && pass mv other web/other && pass rm -f web/other`},
	{name: "keepassxc", needs: []string{"keepassxc-cli"}, types: `printf 'decoy\ndecoy\n' | keepassxc-cli db-create -p ~/mine.kdbx && echo decoy | keepassxc-cli ls ~/mine.kdbx`},
	{name: "keyring", needs: []string{"gnome-keyring-daemon", "secret-tool", "dbus-run-session"},
		types: `export XDG_RUNTIME_DIR=$TMP/keyring && mkdir -p -m 700 $XDG_RUNTIME_DIR && for i in 1 2; do dbus-run-session -- bash -c 'echo decoy | gnome-keyring-daemon --unlock --components=secrets >/dev/null && echo decoy | secret-tool store --label=a k v$RANDOM && secret-tool search k v >/dev/null 2>&1; true'; done; ls ~/.local/share/keyrings`},
	{name: "electrum", needs: []string{"electrum"}, types: `mkdir -p -m 700 ~/.electrum/wallets && electrum --offline create --wallet ~/.electrum/wallets/default_wallet >/dev/null && electrum --offline --wallet ~/.electrum/wallets/default_wallet listaddresses >/dev/null`},

	// browsers
	{name: "chromium", needs: []string{"chromium"}, types: `for i in 1 2; do ` + chromium + `'data:text/html,hello' | grep -q hello || exit; done; test -s ~/.config/chromium/Default/Cookies`},
	{name: "chromium-script", needs: []string{"chromium"}, files: map[string]string{"a.js": "require('child_process').execSync(process.env.LINE, {stdio: 'inherit'})\n"}, types: `LINE="` + chromium + `about:blank" node a.js`},
	{name: "firefox", needs: []string{"firefox-esr"}, types: `firefox-esr --headless --no-remote -CreateProfile mine >/dev/null 2>&1; for i in 1 2; do timeout 60 firefox-esr --headless --no-remote -P mine --screenshot $TMP/a.png 'data:text/html,hello' >/dev/null 2>&1; done; test -s $TMP/a.png`},

	// histories
	{name: "shells", files: map[string]string{"rc": "HISTFILE=~/.bash_history\nPROMPT_COMMAND='history -a; history -n'\n"}, types: `for i in 1 2; do printf 'true\nhistory\nexit\n' | script -qec 'bash --rcfile rc -i' /dev/null >/dev/null; done; test -s ~/.bash_history && cat ~/.bash_history >/dev/null && tail -1 ~/.bash_history`},
	{name: "shells-others", needs: []string{"zsh", "fish"}, files: map[string]string{
		"~/.local/share/fish/generated_completions/true.fish": "", // fish would make them of all manuals at its first start, for a minute
		"home/.zshrc": "HISTFILE=~/.zsh_history\nSAVEHIST=100\nHISTSIZE=100\nsetopt share_history\n"},
		types: `for i in 1 2; do printf 'true\ntrue\nexit\n' | ZDOTDIR=$PWD/home script -qec 'zsh -i' /dev/null >/dev/null; ZDOTDIR=$PWD/home zsh -ic true; printf 'true\nexit\n' | script -qec 'fish -i' /dev/null >/dev/null; done; ls ~/.zsh_history`},
	{name: "repls", needs: []string{"python3"}, types: `for i in 1 2; do printf '1+1\n.exit\n' | script -qec node /dev/null >/dev/null; printf '1+1\nexit()\n' | script -qec python3 /dev/null >/dev/null; done; ls ~/.node_repl_history`},
	{name: "fzf", needs: []string{"fzf"}, types: `echo true >>~/.bash_history; fzf -f true <~/.bash_history`},

	// all at once
	{name: "cron-everything", alone: true, needs: []string{"rsync"}, types: `cp -a ~ $TMP/all 2>/dev/null; rm -rf $TMP/all; tar -C ~ --ignore-failed-read -cf $TMP/all.tar . 2>/dev/null; rm $TMP/all.tar; rsync -a ~/ $TMP/all-synced/ 2>/dev/null; rm -rf $TMP/all-synced`}, // one after the other: each is as large as the home
	{name: "search-everything", types: `grep -rIl decoy ~ >/dev/null 2>&1; find ~ -name '.env*' -not -path '*/node_modules/*' -exec head -c 1 {} + >/dev/null; true`},
	{name: "borg", needs: []string{"borg"}, types: `export BORG_BASE_DIR=$TMP/borg-base && borg init -e none $TMP/borg && borg create $TMP/borg::a ~ --exclude ~/work`},
}
