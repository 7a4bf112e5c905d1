package main

// two are the packages of a small monorepo, published to the registry on loopback.
func two(prefix, root string, more map[string]string) map[string]string {
	files := map[string]string{
		"package.json":            root,
		".npmrc":                  upstream,
		".gitignore":              "node_modules\n",
		"packages/a/package.json": `{"name":"` + prefix + `-a","version":"1.0.0","license":"MIT","publishConfig":{"registry":"$REGISTRY"}}` + "\n",
		"packages/b/package.json": `{"name":"` + prefix + `-b","version":"1.0.0","license":"MIT","publishConfig":{"registry":"$REGISTRY"}}` + "\n",
		"packages/c/package.json": `{"name":"` + prefix + `-c","version":"1.0.0","license":"MIT","publishConfig":{"registry":"$REGISTRY"}}` + "\n",
	}
	for p, text := range more {
		files[p] = text
	}
	return files
}

// releases publish as people and their tools do.
var releases = []chore{
	{name: "publish-one", files: map[string]string{"package.json": `{"name":"publish-one","version":"1.0.0"}`}, types: `npm publish --dry-run && npm publish && npm version patch --no-git-tag-version && npm publish`},
	{name: "publish-workspaces", slow: true, files: map[string]string{
		"package.json":            `{"name":"many","private":true,"workspaces":["packages/*"]}`,
		"packages/a/package.json": `{"name":"many-a","version":"1.0.0"}`, "packages/b/package.json": `{"name":"many-b","version":"1.0.0"}`,
		"packages/c/package.json": `{"name":"many-c","version":"1.0.0"}`, "packages/d/package.json": `{"name":"many-d","version":"1.0.0"}`},
		types: `npm publish --workspaces && npm version minor --workspaces --no-git-tag-version && npm publish --workspaces`},
	{name: "publish-tarball", files: map[string]string{"package.json": `{"name":"publish-tarball","version":"1.0.0"}`}, types: `npm pack && npm publish publish-tarball-1.0.0.tgz && npm view publish-tarball version && npm dist-tag ls publish-tarball`},
	{name: "changesets", net: true, needs: []string{"git"}, files: two("cs", `{"name":"cs","private":true,"workspaces":["packages/*"]}`, map[string]string{
		".changeset/config.json": `{"access":"public","baseBranch":"main","commit":false}`, ".changeset/one.md": "---\n\"cs-a\": patch\n\"cs-b\": minor\n---\nA change.\n"}),
		types: `git init -q && git add -A && git commit -qm one && npm install -D @changesets/cli@2 && npx changeset status && npx changeset version && git add -A && git commit -qm two && npx changeset publish && npm view cs-b version --registry $REGISTRY`},
	{name: "lerna", net: true, needs: []string{"git"}, files: two("le", `{"name":"le","private":true,"workspaces":["packages/*"]}`, map[string]string{"lerna.json": `{"version":"1.0.0","npmClient":"npm"}`}),
		types: `git init -q && npm install -D lerna@8 && git add -A && git commit -qm one && git tag -a v1.0.0 -m v1 && npx lerna publish from-package --yes --registry $REGISTRY --no-verify-access && npm view le-b version --registry $REGISTRY`},
	{name: "pnpm-recursive", net: true, needs: []string{"git"}, files: two("pr", `{"name":"pr","private":true}`, map[string]string{"pnpm-workspace.yaml": "packages:\n  - packages/*\n"}),
		types: `git init -q && git add -A && git commit -qm one && npm install -g --registry $UPSTREAM --prefix ~/.tools-pnpm-r pnpm@10 && ~/.tools-pnpm-r/bin/pnpm install && ~/.tools-pnpm-r/bin/pnpm -r publish --no-git-checks && npm view pr-c version --registry $REGISTRY`},
	{name: "semantic-release", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, ".gitignore": "node_modules\n",
		"package.json": `{"name":"semrel","version":"0.0.0-development","license":"MIT","publishConfig":{"registry":"$REGISTRY"},"release":{"branches":["main"],"plugins":["@semantic-release/commit-analyzer","@semantic-release/release-notes-generator","@semantic-release/npm"]}}`},
		types: `set -e
git init -q --bare $TMP/semrel.git; git init -q; git remote add origin file://$TMP/semrel.git
npm install -D semantic-release@24; git add -A; git commit -qm 'feat: begin'; git push -q -u origin main
npx semantic-release --no-ci --dry-run --repository-url file://$TMP/semrel.git
npx semantic-release --no-ci --repository-url file://$TMP/semrel.git
npm view semrel version --registry $REGISTRY; git ls-remote --tags origin | grep -q v1.0.0`},
	{name: "release-it", net: true, needs: []string{"git"}, files: map[string]string{".npmrc": upstream, ".gitignore": "node_modules\n",
		"package.json": `{"name":"relit","version":"1.0.0","license":"MIT","publishConfig":{"registry":"$REGISTRY"}}`},
		types: `set -e
git init -q --bare $TMP/relit.git; git init -q; git remote add origin file://$TMP/relit.git
npm install -D release-it@17; git add -A; git commit -qm one; git push -q -u origin main
npx release-it minor --ci --npm.skipChecks --no-github.release
npm view relit version --registry $REGISTRY`},
	{name: "updates", net: true, files: map[string]string{".npmrc": upstream, "package.json": `{"name":"app","private":true,"dependencies":{"ms":"2.0.0"}}`},
		types: `npx --yes npm-check-updates@17 -u && grep -q '"ms": "[^"]*2.1' package.json && npm audit --audit-level=none >/dev/null; npm outdated >/dev/null; npm fund >/dev/null; npm doctor registry >/dev/null 2>&1; true`},
	{name: "login", needs: []string{"curl"}, types: `set -e
npm login --registry $LOGIN >login.log 2>&1 & login=$!
for i in $(seq 300); do url=$(grep -om1 'http://127[^ ]*/login[^ ]*' login.log) && break; sleep .1; done
cat login.log; curl -sf "$url" >/dev/null; wait $login
npm whoami --registry $LOGIN; npm token list --registry $LOGIN
npm logout --registry $LOGIN
! npm whoami --registry $LOGIN 2>/dev/null`},
}
