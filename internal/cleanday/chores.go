package main

// chore is a piece of a working day: what a person types, or what runs by
// itself. It is done in a folder of its own, ~/work/NAME, and must succeed.
type chore struct {
	name  string
	needs []string          // programs; without one of them it is left out, and that is said
	net   bool              // it needs the npm registry that this machine uses
	files map[string]string // by path below the folder, or below the home with ~/: what lies there before
	alone bool              // nobody is at a terminal: cron, a timer
	types string            // bash, below a person's shell; $UPSTREAM is that registry, $REGISTRY the one on loopback, $TMP a folder outside the home
}

// home is what lies in the home before the day begins.
var home = map[string]string{
	"~/.npmrc":                "registry=$REGISTRY\n$HOST/:_authToken=$TOKEN\nfund=false\naudit=false\nupdate-notifier=false\nproxy=null\nhttps-proxy=null\n",
	"~/.aws/credentials":      "[default]\naws_access_key_id = AKIAZ7Q2X4M6B5C3D2E7\naws_secret_access_key = q0rT5vX9zB3dF7hJ1lN5pR9tV3xZ7bD1fH5jL9nP\n",
	"~/.aws/config":           "[default]\nregion = eu-central-1\n",
	"~/.config/gh/hosts.yml":  "github.example.com:\n    oauth_token: decoy\n    user: dev\n    git_protocol: https\n",
	"~/.config/gh/config.yml": "version: 1\ngit_protocol: https\n",
	"~/.git-credentials":      "https://dev:decoy@git.example.com\n",
	"~/.gitconfig":            "[user]\n\tname = dev\n\temail = dev@example.com\n[credential]\n\thelper = store\n[init]\n\tdefaultBranch = main\n",
	"~/.docker/config.json":   "{\"auths\":{\"registry.example.com\":{\"auth\":\"ZGVjb3k6ZGVjb3k=\"}}}\n",
	"~/.netrc":                "machine git.example.com login dev password decoy\n",
	"~/.bashrc":               "alias ll='ls -l'\n",
	"~/.profile":              "# mine\n",
}

// upstream has a project install from the registry that this machine uses.
const upstream = "registry=$UPSTREAM\n"

func project(scripts string) string {
	return `{"name":"app","version":"1.0.0","private":true,"scripts":{` + scripts + `}}` + "\n"
}

// chores are the day. What they do with credentials is what real tools do.
var chores = []chore{
	// npm, and what it starts
	{name: "npm-install", net: true, files: map[string]string{".npmrc": upstream, "package.json": project("")},
		types: `npm install --no-package-lock lodash chalk react react-dom axios express commander debug fs-extra uuid glob yargs dotenv rxjs moment semver ws zod`},
	{name: "npm-install-scripts", net: true, files: map[string]string{".npmrc": upstream, "package.json": project("")},
		types: `npm install --foreground-scripts esbuild core-js@3 @parcel/watcher protobufjs`},
	{name: "npm-ci-build-test", net: true, files: map[string]string{".npmrc": upstream,
		"package.json": project(`"build":"esbuild a.js --bundle --outfile=out.js","test":"node --test"`),
		"a.js":         "export const a = 1\n", "a.test.js": "require('node:test')('a', () => {})\n"},
		types: `npm install -D esbuild && rm -rf node_modules && npm ci && npm run build && npm test`},
	{name: "npx", net: true, files: map[string]string{".npmrc": upstream}, types: `npx --yes cowsay hello && npx --yes prettier --version`},
	{name: "pnpm", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(`"build":"node -e 0"`)},
		types: `npx --yes pnpm@10 install && npx --yes pnpm@10 add is-odd && npx --yes pnpm@10 run build`},
	{name: "yarn-classic", net: true, files: map[string]string{".npmrc": upstream, ".yarnrc": "registry \"$UPSTREAM\"\n", "package.json": project(`"build":"node -e 0"`)},
		types: `npx --yes yarn@1.22.22 add is-odd && npx --yes yarn@1.22.22 build`},
	{name: "bun", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(`"build":"node -e 0"`)},
		types: `npm install -D bun && npx bun install && npx bun add is-odd && npx bun run build`},
	{name: "npm-account", types: `npm whoami && npm ping && npm config list >/dev/null && npm config get registry`},
	{name: "publish-one", files: map[string]string{"package.json": `{"name":"publish-one","version":"1.0.0"}`}, types: `npm publish --dry-run && npm publish && npm version patch --no-git-tag-version && npm publish`},
	{name: "publish-workspaces", files: map[string]string{
		"package.json":            `{"name":"many","private":true,"workspaces":["packages/*"]}`,
		"packages/a/package.json": `{"name":"many-a","version":"1.0.0"}`, "packages/b/package.json": `{"name":"many-b","version":"1.0.0"}`,
		"packages/c/package.json": `{"name":"many-c","version":"1.0.0"}`, "packages/d/package.json": `{"name":"many-d","version":"1.0.0"}`},
		types: `npm publish --workspaces && npm version minor --workspaces --no-git-tag-version && npm publish --workspaces`},
	{name: "changesets", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream,
		"package.json":            `{"name":"cs","private":true,"workspaces":["packages/*"]}`,
		"packages/a/package.json": `{"name":"cs-a","version":"1.0.0","publishConfig":{"registry":"$REGISTRY"}}`, "packages/b/package.json": `{"name":"cs-b","version":"1.0.0","publishConfig":{"registry":"$REGISTRY"}}`,
		".changeset/config.json": `{"access":"public","baseBranch":"main","commit":false}`, ".changeset/one.md": "---\n\"cs-a\": patch\n\"cs-b\": minor\n---\nA change.\n",
		".gitignore": "node_modules\n"},
		types: `git init -q && git add -A && git commit -qm one && npm install -D @changesets/cli@2 && npx changeset version && git add -A && git commit -qm two && npx changeset publish`},
	{name: "lerna", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, ".gitignore": "node_modules\n",
		"package.json": `{"name":"le","private":true,"workspaces":["packages/*"]}`, "lerna.json": `{"version":"1.0.0","npmClient":"npm"}`,
		"packages/a/package.json": `{"name":"le-a","version":"1.0.0"}`, "packages/b/package.json": `{"name":"le-b","version":"1.0.0"}`},
		types: `git init -q && npm install -D lerna@8 && git add -A && git commit -qm one && git tag -a v1.0.0 -m v1 && npx lerna publish from-package --yes --registry $REGISTRY --no-verify-access`},
	{name: "flag-by-hand", files: map[string]string{"package.json": project("")}, types: `sed -i 's/"private":true,//' package.json && npm pkg set private=true --json`},
	{name: "own-hooks", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, "package.json": project(`"prepare":"husky"`)},
		types: `git init -q && npm install -D husky@9 && npm run prepare && echo true >.husky/pre-commit && git add -A && git commit -qm one`},
	{name: "dotenv", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(`"dev":"node dev.js"`), ".env": "API_TOKEN=decoy\n",
		"dev.js": "require('dotenv').config(); if (process.env.API_TOKEN !== 'decoy') process.exit(1)\n"}, types: `npm install dotenv && npm run dev && node --env-file=.env -e 0`},

	// a person's own look at files
	{name: "look", types: `cat ~/.npmrc >/dev/null && head -1 ~/.aws/credentials && wc -c <~/.netrc && grep -c auth ~/.npmrc && sed -n 1p ~/.git-credentials && less ~/.npmrc </dev/null >/dev/null`},
	{name: "search", types: `grep -rl registry ~ --include='.*' --exclude-dir=work >/dev/null; find ~ -maxdepth 2 -name '.npmrc' -exec grep -c registry {} +`},
	{name: "edit-sed", types: `cp -p ~/.npmrc ~/.npmrc.old && sed -i 's/fund=false/fund=true/' ~/.npmrc && mv ~/.npmrc.old ~/.npmrc`},
	{name: "edit-vim", needs: []string{"vim.tiny"}, types: `vim.tiny -es -c 's/$/ /' -c 's/ $//' -c wq ~/.npmrc </dev/null`},
	{name: "edit-npm", types: `npm config set save-exact true && npm config delete save-exact && npm config set //registry.example.com/:_authToken decoy && npm logout --registry http://registry.example.com/ 2>/dev/null; true`},

	// other tools and what is theirs
	{name: "git", needs: []string{"git"}, files: map[string]string{"a.txt": "a\n"},
		types: `git init -q && git add -A && git commit -qm one && printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null && git clone -q . ../git-clone && git log --oneline`},
	{name: "ssh", needs: []string{"ssh-keygen", "ssh"}, types: `ssh-keygen -q -t ed25519 -N '' -f id && ssh-keygen -y -f id >/dev/null && mkdir -p ~/.ssh && cp id ~/.ssh/id_ed25519 && ssh-keygen -lf ~/.ssh/id_ed25519 && ssh -G host.example.com >/dev/null`},
	{name: "gh", needs: []string{"gh"}, types: `gh config list >/dev/null; gh auth token --hostname github.example.com >/dev/null; gh alias list >/dev/null; true`},
	{name: "aws", needs: []string{"aws"}, types: `aws configure list >/dev/null && aws configure get region`},
	{name: "stow", needs: []string{"stow"}, files: map[string]string{"dotfiles/.npmrc-work": "fund=false\n"}, types: `stow -d . -t ~ dotfiles && stow -D -d . -t ~ dotfiles`},
	{name: "curl-netrc", needs: []string{"curl"}, types: `curl -s --netrc $REGISTRY-/ping -o /dev/null`},

	// backups and indexes, by a person and by a timer
	{name: "tar", types: `tar -C ~ -czf $TMP/backup.tgz --exclude=work --exclude=.npm .`},
	{name: "rsync", needs: []string{"rsync"}, types: `rsync -a --exclude=work --exclude=.npm ~/ $TMP/copy/`},
	{name: "restic", needs: []string{"restic"}, types: `RESTIC_PASSWORD=decoy restic -q -r $TMP/restic init && RESTIC_PASSWORD=decoy restic -q -r $TMP/restic backup ~ --exclude ~/work --exclude ~/.npm`},
	{name: "cron-tar", alone: true, types: `tar -C ~ -cf $TMP/cron.tar --exclude=work --exclude=.npm .`},
	{name: "cron-rsync", alone: true, needs: []string{"rsync"}, types: `rsync -a --exclude=work --exclude=.npm ~/ $TMP/cron-copy/`},
	{name: "cron-updatedb", alone: true, needs: []string{"updatedb"}, types: `updatedb -l 0 -U ~ -o $TMP/locate.db --prunepaths ''`},
	{name: "cron-git", alone: true, needs: []string{"git"}, types: `git -C ~ ls-files >/dev/null 2>&1; printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null`},
}
