package main

import "slices"

// chores are the day. What they do with credentials is what real tools do.
var chores = slices.Concat(clients, installs, projects, releases, ownFiles, readers, desk, homeTools)

// chore is a piece of a working day: what a person types, or what runs by
// itself. It is done in a folder of its own, ~/work/NAME, and must succeed.
type chore struct {
	name   string
	needs  []string          // programs; without one of them it is left out, and that is said
	net    bool              // it needs the npm registry that this machine uses
	files  map[string]string // by path below the folder, or below the home with ~/: what lies there before
	alone  bool              // nobody is at a terminal: cron, a timer
	slow   bool              // not in the shorter day of the tests
	before string            // bash, before the agent starts: what was installed on a day before
	// bash, below a person's shell. $UPSTREAM is that registry, $REGISTRY the one on loopback, $LOGIN another there with
	// accounts, $TMP a folder outside the home, $CACHE one that stays from day to day.
	types string
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

// clients are npm and the others on small projects.
var clients = []chore{
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
	{name: "flag-by-hand", files: map[string]string{"package.json": project("")}, types: `sed -i 's/"private":true,//' package.json && npm pkg set private=true --json`},
	{name: "own-hooks", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, "package.json": project(`"prepare":"husky"`)},
		types: `git init -q && npm install -D husky@9 && npm run prepare && echo true >.husky/pre-commit && git add -A && git commit -qm one`},
	{name: "dotenv", net: true, files: map[string]string{".npmrc": upstream, "package.json": project(`"dev":"node dev.js"`), ".env": "API_TOKEN=decoy\n",
		"dev.js": "require('dotenv').config(); if (process.env.API_TOKEN !== 'decoy') process.exit(1)\n"}, types: `npm install dotenv && npm run dev && node --env-file=.env -e 0`},
}
