package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What is most used, by the downloads that the npm registry counts and without
// what only comes along as a dependency of a dependency; some have install scripts.
//
//go:embed most-used.txt
var mostUsed string

// most is it as words of a command line.
var most = strings.Join(strings.Fields(mostUsed), " ")

// agreed are versions of what brings a program for each system. Yarn wants all of
// those, and a copy of the registry may lack the newest for a system of others.
var agreed = map[string]string{
	"next": "15.5.4", "rollup": "4.50.0", "esbuild": "0.25.9", "@swc/core": "1.13.5", "unrs-resolver": "1.11.1",
	"lightningcss": "1.30.1", "@tailwindcss/oxide": "4.1.13", "@parcel/watcher": "2.5.1",
}

// mostAgreed is most with those versions.
var mostAgreed = func() string {
	words := strings.Fields(mostUsed)
	for i, name := range words {
		if v, ok := agreed[name]; ok {
			words[i] += "@" + v
		}
	}
	return strings.Join(words, " ")
}()

// agreedProject is a project in which also what comes along is of those versions.
var agreedProject = func() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(agreed)) {
		list = append(list, fmt.Sprintf("%q:%q", name, agreed[name]))
	}
	return `{"name":"app","version":"1.0.0","private":true,"resolutions":{` + strings.Join(list, ",") + "}}\n"
}()

// installs are the most used packages and what they bring along, by every
// client, with their scripts run. Each client is one that a person installed for
// themselves, into ~/.tools-NAME, and keeps what it fetches from day to day.
var installs = []chore{
	{name: "most-npm", net: true, files: map[string]string{".npmrc": upstream, "package.json": project("")}, types: `set -e
npm install --foreground-scripts ` + most + `
test -d node_modules/express && test -x node_modules/.bin/esbuild
npm ls --all >/dev/null; npm outdated >/dev/null || true
npm rebuild esbuild core-js`},
	{name: "most-pnpm", net: true, files: map[string]string{".npmrc": upstream, "package.json": project("")}, types: `set -e
npm install -g --registry $UPSTREAM --prefix ~/.tools-pnpm pnpm@10; PATH=~/.tools-pnpm/bin:$PATH
export npm_config_store_dir=$CACHE/pnpm/store npm_config_cache_dir=$CACHE/pnpm/cache
pnpm add --config.dangerouslyAllowAllBuilds=true ` + most + `
test -d node_modules/express; pnpm exec esbuild --version; pnpm list >/dev/null; pnpm why ms >/dev/null; pnpm store path
rm -rf node_modules`},
	{name: "most-yarn-classic", net: true, files: map[string]string{".npmrc": upstream, ".yarnrc": "registry \"$UPSTREAM\"\n", "package.json": agreedProject}, types: `set -e
npm install -g --registry $UPSTREAM --prefix ~/.tools-yarn yarn@1; PATH=~/.tools-yarn/bin:$PATH
export YARN_CACHE_FOLDER=$CACHE/yarn
yarn add --mutex file:$CACHE/yarn.mutex --non-interactive --ignore-engines ` + mostAgreed + `
test -d node_modules/express; yarn -s esbuild --version; yarn why ms >/dev/null
rm -rf node_modules`},
	{name: "most-yarn-berry", net: true, files: map[string]string{
		".yarnrc.yml": "npmRegistryServer: \"$UPSTREAM\"\nenableTelemetry: false\nenableScripts: true\nnodeLinker: node-modules\n", ".npmrc": upstream,
		"package.json": agreedProject, "yarn.lock": ""}, types: `set -e
npm install -g --registry $UPSTREAM --prefix ~/.tools-berry @yarnpkg/cli-dist@4; PATH=~/.tools-berry/bin:$PATH; export YARN_GLOBAL_FOLDER=$CACHE/berry
yarn add ` + mostAgreed + `
test -d node_modules/express; yarn esbuild --version; yarn npm info ms --fields version
rm -rf node_modules`},
	{name: "most-bun", net: true, files: map[string]string{".npmrc": upstream, "package.json": project("")}, types: `set -e
npm install -g --registry $UPSTREAM --prefix ~/.tools-bun bun@1; PATH=~/.tools-bun/bin:$PATH; export BUN_INSTALL_CACHE_DIR=$CACHE/bun
bun add --trust ` + most + `
test -d node_modules/express; bun pm ls >/dev/null; bunx esbuild --version
rm -rf node_modules`},
}

// projects are real ones: scaffolded, or a package with its own tests; installed, built and tested.
var projects = []chore{
	{name: "project-vite", net: true, files: map[string]string{"web/.env": "VITE_NAME=wormbell\nAPI_TOKEN=decoy\n"}, types: `set -e
export npm_config_registry=$UPSTREAM
npx --yes create-vite@6 app --template react-ts </dev/null
mv app/* app/.gitignore web/; cd web
npm install; npm run build; npm run lint; ls dist/index.html
npm run dev -- --port 0 --strictPort=false >dev.log 2>&1 & dev=$!
for i in $(seq 300); do url=$(grep -om1 'http://localhost:[0-9]*' dev.log) && break; sleep .2; done
curl -sf "$url/src/main.tsx" >/dev/null
kill $dev; wait $dev || true`},
	{name: "project-angular", slow: true, net: true, types: `set -e
export npm_config_registry=$UPSTREAM NG_CLI_ANALYTICS=false
npx --yes @angular/cli@20.0.0 new site --defaults --skip-git --ssr=false </dev/null
cd site
npx ng build; ls dist/site/browser/index.html
npx ng update`},
	{name: "askers", net: true, types: `set -e
export npm_config_registry=$UPSTREAM WRANGLER_SEND_METRICS=false TURBO_TELEMETRY_DISABLED=1
npx --yes create-turbo@2 mono -m npm --skip-install </dev/null || true # it has its template from elsewhere
npm install -g --no-fund --no-audit --prefix ~/.tools-askers serve@14; npm install -g --no-fund --no-audit --prefix ~/.tools-askers wrangler@4
echo hello >index.html; ~/.tools-askers/bin/serve -l tcp://127.0.0.1:0 . >serve.log 2>&1 & serve=$!
for i in $(seq 300); do url=$(grep -om1 'http://127.0.0.1:[0-9]*' serve.log) && break; sleep .2; done
curl -sf "$url/" | grep -q hello; kill $serve; wait $serve || true
~/.tools-askers/bin/wrangler whoami </dev/null || true`},
	{name: "project-next", net: true, types: `set -e
export npm_config_registry=$UPSTREAM NEXT_TELEMETRY_DISABLED=1
npx --yes create-next-app@15 site --ts --no-eslint --no-tailwind --app --no-src-dir --turbopack --use-npm --yes --disable-git --import-alias '@/*' </dev/null
cd site
printf 'export default function L({children}: {children: React.ReactNode}) { return <html><body>{children}</body></html> }\n' >app/layout.tsx
printf 'export default function P() { return <p>{process.env.NAME}</p> }\n' >app/page.tsx
printf 'NAME=from-dotenv\nAPI_TOKEN=decoy\n' >.env.local
npm run build; grep -rq from-dotenv .next/server/app
npx next start --port 0 >start.log 2>&1 & start=$!
for i in $(seq 300); do url=$(grep -om1 'http://localhost:[0-9]*' start.log) && curl -sf "$url" >/dev/null && break; sleep .2; done
curl -sf "$url" | grep -q from-dotenv
kill $start; wait $start || true`},
	{name: "project-nest", net: true, types: `set -e
export npm_config_registry=$UPSTREAM
npx --yes @nestjs/cli@11 new api -p npm --skip-git --strict </dev/null
cd api; npm run build; npm test; ls dist/main.js`},
	{name: "project-qs", net: true, needs: []string{"tar"}, files: map[string]string{".npmrc": upstream}, types: `set -e
npm pack qs@6.13.0; tar xzf qs-6.13.0.tgz; cd package; cp ../.npmrc .
npm pkg delete devDependencies.evalmd # brings along a package from a git server
npm install --force; npx tape 'test/**/*.js' >tap.log; tail -3 tap.log`},
	{name: "project-svelte", net: true, types: `set -e
export npm_config_registry=$UPSTREAM
npx --yes sv@0.8 create app --template minimal --types ts --no-add-ons --no-install </dev/null
cd app; npm install; npm install -D vitest@3; npm run build; npm run check
printf "import {test, expect} from 'vitest'\ntest('adds', () => expect(1 + 1).toBe(2))\n" >src/a.test.ts
npx vitest run`},
}
