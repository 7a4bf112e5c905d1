package main

// homeTools are what nobody vouches for and people use all the same: tools that are
// fetched to be run once, that mount themselves, that came by other ways than the
// system's packages, or in surroundings that are half set up.
var homeTools = []chore{
	{name: "npx-env", net: true, files: map[string]string{".npmrc": upstream, ".env": "API_TOKEN=decoy\n"},
		types: `npx --yes dotenv-cli -- node -e 'process.exit(process.env.API_TOKEN === "decoy" ? 0 : 1)'`},
	{name: "claude-sdk", slow: true, net: true, before: lock + `
test -f $CACHE/claude-sdk/installed || (rm -rf $CACHE/claude-sdk; mkdir -p $CACHE/claude-sdk; cd $CACHE/claude-sdk; echo '{}' >package.json; npm install --no-fund --no-audit --registry $UPSTREAM @anthropic-ai/claude-agent-sdk; touch installed)
exec 9>&-
mkdir -p ~/work/claude-sdk && cp -a $CACHE/claude-sdk/node_modules ~/work/claude-sdk/`,
		files: map[string]string{"~/.claude/.credentials.json": `{"claudeAiOauth":{"accessToken":"decoy","refreshToken":"decoy","expiresAt":1,"scopes":["user:inference"]}}`,
			"agent.mjs": "import {query} from '@anthropic-ai/claude-agent-sdk'\nfor await (const m of query({prompt: 'hi', options: {maxTurns: 1}})) console.log(m.type)\n"},
		types: refuses + `export ANTHROPIC_BASE_URL=http://127.0.0.1:9
timeout --foreground 20 node agent.mjs </dev/null || true; rm -rf node_modules`},
	{name: "appimage", needs: []string{"nvim", "mksquashfs", "squashfuse", "fusermount3", "git"},
		types: `set -e
mkdir -p app/usr/bin app/usr/lib; cp "$(realpath "$(command -v nvim)")" app/usr/bin/nvim; mksquashfs app nvim.AppImage -quiet -no-progress >/dev/null
mount=$(mktemp -d /tmp/.mount_nvimXXXXXX); squashfuse nvim.AppImage $mount; trap "fusermount3 -u $mount; rmdir $mount" EXIT
export LD_LIBRARY_PATH=$mount/usr/lib:$LD_LIBRARY_PATH APPDIR=$mount
$mount/usr/bin/nvim --headless --clean -c '$put =\";app\"' -c wq ~/.npmrc; grep -q ';app' ~/.npmrc; $mount/usr/bin/nvim --headless --clean -c 'g/;app/d' -c wq ~/.npmrc
npm whoami; printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null`},
	{name: "library-path", needs: []string{"git", "python3", "script"}, files: map[string]string{"~/.python_history": "1 + 1\n"},
		types: `set -e
export LD_LIBRARY_PATH=/usr/local/cuda/lib64:$LD_LIBRARY_PATH
npm whoami; printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null; cat ~/.npmrc >/dev/null
(sleep 1; printf '2+2\n'; sleep 1; printf '\x04') | TERM=xterm timeout --foreground 20 script -qec python3 /dev/null >/dev/null`},
	{name: "borg-in-home", needs: []string{"borg"},
		types: `set -e
mkdir -p ~/.local/bin; cp "$(command -v borg)" ~/.local/bin/borg; export BORG_BASE_DIR=$TMP/borg-home
~/.local/bin/borg init -e none $TMP/borg-in-home; ~/.local/bin/borg create $TMP/borg-in-home::one ~/.npmrc ~/.aws ~/.config ~/.netrc; rm ~/.local/bin/borg`},
	{name: "deno", net: true, before: lock + `
test -f $CACHE/deno/installed || (rm -rf $CACHE/deno; npm install -g --no-fund --no-audit --registry $UPSTREAM --prefix $CACHE/deno deno; touch $CACHE/deno/installed)
exec 9>&-
mkdir -p ~/.deno/bin && cp $CACHE/deno/lib/node_modules/deno/node_modules/@deno/linux-x64-glibc/deno ~/.deno/bin/deno`,
		files: map[string]string{"package.json": `{"dependencies":{"is-odd":"*"}}`, ".npmrc": upstream, "a.ts": "console.log(1)\n"},
		types: `export DENO_NO_UPDATE_CHECK=1; ~/.deno/bin/deno install && ~/.deno/bin/deno run -A a.ts`},
}
