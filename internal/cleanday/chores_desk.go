package main

// refuses is a proxy and a service that answer nothing: what would speak with a
// service finds nobody.
const refuses = `set -e
export HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1,localhost
`

// lock has another day that is had at the same time wait: what is installed into
// the folder that stays is installed once.
const lock = `set -e
exec 9>$CACHE/lock; flock 9`

// codeServer installs VS Code's server into the folder that stays, and from there
// into the home. Its own script would download a program from elsewhere, so what it
// does is done here; ripgrep, which finds files, is left out.
const codeServer = lock + `
dir=$CACHE/code-server-4.99.4
if ! test -f $dir/installed; then
  rm -rf $dir; mkdir -p $dir; cd $dir; echo '{}' >package.json
  export npm_config_registry=$UPSTREAM npm_config_ignore_scripts=true
  npm install code-server@4.99.4
  (cd node_modules/code-server/lib/vscode && npm install --omit=dev && cd extensions && npm install --omit=dev)
  unset npm_config_ignore_scripts
  node=$(dirname "$(dirname "$(realpath "$(command -v node)")")"); test ! -d $node/include/node || export npm_config_nodedir=$node
  npm rebuild argon2
  (cd node_modules/code-server/lib/vscode && npm rebuild node-pty @vscode/spdlog native-watchdog @parcel/watcher)
  touch installed
fi
exec 9>&-
mkdir -p ~/.local/lib; cp -a $dir ~/.local/lib/code-server`

// kept installs a package into the folder that stays, and from there into the
// home as ~/.tools-NAME.
func kept(name, pkg string) string {
	return lock + `
test -f $CACHE/` + name + `/installed || (rm -rf $CACHE/` + name + `; npm install -g --no-fund --no-audit --registry $UPSTREAM --prefix $CACHE/` + name + ` ` + pkg + `; touch $CACHE/` + name + `/installed)
exec 9>&-
cp -a $CACHE/` + name + ` ~/.tools-` + name
}

// desk is what stands open all day: an editor with its extension host, and the
// command lines of agents. They were installed on a day before.
var desk = []chore{
	{name: "code-server", net: true, needs: []string{"chromium", "git"},
		files:  map[string]string{"app/package.json": project(`"build":"node -e 0","dev":"node -e 0"`), "app/.env": "API_TOKEN=decoy\n", "app/.npmrc": "fund=false\n", "app/a.js": "module.exports = 1\n"},
		before: codeServer,
		types: refuses + `cd app; git init -q; git add -A; git commit -qm one; echo 2 >>a.js
~/.local/lib/code-server/node_modules/.bin/code-server --auth none --disable-workspace-trust --bind-addr 127.0.0.1:0 --disable-telemetry --disable-update-check . >../server.log 2>&1 & server=$!
for i in $(seq 300); do url=$(grep -om1 'http://127.0.0.1:[0-9]*' ../server.log) && break; sleep .1; done
unset HTTPS_PROXY HTTP_PROXY
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --user-data-dir=$TMP/code-profile --window-size=1200,800 --remote-debugging-port=0 "$url/?folder=$PWD" >/dev/null 2>&1 & page=$!
for i in $(seq 1500); do grep -qs git ~/.local/share/code-server/logs/*/exthost1/vscode.git/Git.log && break; sleep .1; done
sleep 5; kill $page; wait $page || true
kill $server; wait $server || true
grep -q git ~/.local/share/code-server/logs/*/exthost1/vscode.git/Git.log; grep -q vscode.npm ~/.local/share/code-server/logs/*/exthost1/remoteexthost.log`},
	{name: "claude", net: true, before: kept("claude", "@anthropic-ai/claude-code"),
		files: map[string]string{"~/.claude/.credentials.json": `{"claudeAiOauth":{"accessToken":"decoy","refreshToken":"decoy","expiresAt":1,"scopes":["user:inference"]}}`, "CLAUDE.md": "Be kind.\n", ".env": "API_TOKEN=decoy\n"},
		types: refuses + `export ANTHROPIC_BASE_URL=http://127.0.0.1:9; PATH=~/.tools-claude/bin:$PATH
claude --version; claude --help >/dev/null; claude mcp list; claude plugin list || true
! timeout --foreground 15 claude -p hi </dev/null`},
	{name: "codex", net: true, before: kept("codex", "@openai/codex"),
		files: map[string]string{"~/.codex/auth.json": `{"OPENAI_API_KEY":"decoy"}`, "AGENTS.md": "Be kind.\n"},
		types: refuses + `export OPENAI_BASE_URL=http://127.0.0.1:9/v1; PATH=~/.tools-codex/bin:$PATH
codex --version; codex --help >/dev/null; codex login status; codex mcp list
! timeout --foreground 10 codex exec --skip-git-repo-check hi </dev/null`},
	{name: "gemini", net: true, before: kept("gemini", "@google/gemini-cli"),
		files: map[string]string{"~/.gemini/oauth_creds.json": `{"access_token":"decoy","refresh_token":"decoy","expiry_date":1}`, "~/.gemini/settings.json": `{"security":{"auth":{"selectedType":"oauth-personal"}}}`, "GEMINI.md": "Be kind.\n"},
		types: refuses + `export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9; PATH=~/.tools-gemini/bin:$PATH
gemini --version; gemini --help >/dev/null; gemini mcp list; gemini extensions list
! timeout --foreground 15 gemini -p hi </dev/null`},
}
