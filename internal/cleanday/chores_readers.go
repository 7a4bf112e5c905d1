package main

// readers are the programs to which credentials belong.
var readers = []chore{
	{name: "git", needs: []string{"git"}, files: map[string]string{"a.txt": "a\n"},
		types: `git init -q && git add -A && git commit -qm one && printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null && git clone -q . ../git-clone && git log --oneline`},
	{name: "git-credentials", needs: []string{"git"}, types: `set -e
printf 'protocol=https\nhost=other.example.com\nusername=dev\npassword=decoy\n\n' | git credential approve
printf 'protocol=https\nhost=other.example.com\n\n' | git credential fill | grep -q decoy
printf 'protocol=https\nhost=other.example.com\nusername=dev\npassword=decoy\n\n' | git credential reject
! git ls-remote https://dev@git.example.com:9/none 2>/dev/null`},
	{name: "ssh", needs: []string{"ssh-keygen", "ssh", "ssh-agent"}, types: `set -e
mkdir -p ~/.ssh; chmod 700 ~/.ssh
ssh-keygen -q -t ed25519 -N '' -f id; ssh-keygen -y -f id >/dev/null
cp id ~/.ssh/id_work; ssh-keygen -lf ~/.ssh/id_work; ssh -G host.example.com >/dev/null
eval "$(ssh-agent -s)"; ssh-add ~/.ssh/id_work; ssh-add -l; ssh-add -D; kill $SSH_AGENT_PID
ssh-keygen -q -p -P '' -N 'a passphrase' -f ~/.ssh/id_work; ssh-keygen -q -p -P 'a passphrase' -N '' -f ~/.ssh/id_work
echo signed >text; ssh-keygen -q -Y sign -f ~/.ssh/id_work -n file text`},
	// A server of the day's own, on loopback. ssh takes a home from the list of users, so it is told where to look.
	{name: "sshd", slow: true, needs: []string{"ssh", "/usr/sbin/sshd", "git", "scp", "sftp", "rsync"}, types: `set -e
mkdir -p ~/.ssh /run/sshd; chmod 700 ~/.ssh; rm -f ~/.ssh/id_ed25519*
ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; ssh-keygen -q -t ed25519 -N '' -f hostkey
cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys; port=$((20000 + RANDOM % 20000))
/usr/sbin/sshd -D -e -f /dev/null -p $port -o ListenAddress=127.0.0.1 -h $PWD/hostkey -o PidFile=none -o StrictModes=no -o UsePAM=no -o PasswordAuthentication=no -o AuthorizedKeysFile=$HOME/.ssh/authorized_keys -o Subsystem='sftp internal-sftp' 2>sshd.log & server=$!
printf 'Host box\n HostName 127.0.0.1\n Port %s\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n StrictHostKeyChecking accept-new\n' $port ~/.ssh/id_ed25519 ~/.ssh/known_hosts >~/.ssh/config
for i in $(seq 50); do ssh -F ~/.ssh/config box true && break; sleep .1; done
ssh -F ~/.ssh/config box echo hello | grep -q hello
echo a >a.txt; scp -q -F ~/.ssh/config a.txt box:$PWD/b.txt; echo "get $PWD/b.txt c.txt" | sftp -q -F ~/.ssh/config -b - box; cmp a.txt c.txt
rsync -a -e "ssh -F $HOME/.ssh/config" a.txt box:$PWD/d.txt
git init -q --bare remote.git; git init -q repo; cd repo; git config core.sshCommand "ssh -F $HOME/.ssh/config"
echo 1 >f; git add f; git commit -qm one; git remote add origin box:$HOME/work/sshd/remote.git; git push -q -u origin main; git fetch -q; git pull -q
git -c core.sshCommand="ssh -F $HOME/.ssh/config" clone -q box:$HOME/work/sshd/remote.git ../again
npm init -y >/dev/null; npm install --no-package-lock "git+ssh://box$HOME/work/sshd/none.git" >/dev/null 2>&1 || true
kill $server; wait $server || true`},
	{name: "gh", needs: []string{"gh"}, types: `gh config list >/dev/null && gh auth token --hostname github.example.com >/dev/null && gh alias list >/dev/null`},
	{name: "aws", slow: true, needs: []string{"aws"}, types: `aws configure list >/dev/null && aws configure get region && aws configure set region eu-west-1 --profile work && ! AWS_MAX_ATTEMPTS=1 aws sts get-caller-identity --endpoint-url http://127.0.0.1:9 2>/dev/null`},
	{name: "docker", needs: []string{"docker"}, types: `docker context ls >/dev/null && docker logout other.example.com >/dev/null && grep -q registry.example.com ~/.docker/config.json; docker ps >/dev/null 2>&1; true`},
	{name: "kubectl", slow: true, needs: []string{"kubectl"}, files: map[string]string{"~/.kube/config": "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:9'}\nusers:\n- name: u\n  user: {token: decoy}\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\ncurrent-context: c\n"},
		types: `kubectl config view >/dev/null && kubectl config current-context && kubectl config set-context --current --namespace=work; kubectl --request-timeout=1s get pods >/dev/null 2>&1; true`},
	{name: "curl-netrc", needs: []string{"curl"}, types: `curl -sf --netrc $REGISTRY-/ping -o /dev/null`},
	{name: "gpg", needs: []string{"gpg", "gpgconf", "git"}, types: `set -e
export GNUPGHOME=$HOME/.gnupg; mkdir -p -m 700 $GNUPGHOME
gpg -q --batch --passphrase '' --quick-gen-key 'Signer <signer@example.com>' ed25519 sign never
git init -q; git config user.signingkey signer@example.com; echo 1 >f; git add f; git commit -q -S -m signed; git verify-commit HEAD; git tag -s v1 -m v1; git tag -v v1
gpg -q --batch --export-secret-keys signer@example.com | wc -c; gpg -q -K >/dev/null; gpgconf --kill all`},
	{name: "pass", slow: true, needs: []string{"pass", "gpg", "gpgconf", "git"}, types: `set -e
export GNUPGHOME=$HOME/.gnupg; mkdir -p -m 700 $GNUPGHOME
gpg -q --batch --passphrase '' --quick-gen-key 'Passer <passer@example.com>' default default never
pass init passer@example.com; printf 'decoy\n' | pass insert -m web/example; pass show web/example | grep -q decoy; pass ls; pass grep decoy; pass generate -n web/other 12 >/dev/null; gpgconf --kill all`},
	{name: "chromium", slow: true, needs: []string{"chromium"}, types: `set -e
for i in 1 2; do chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --user-data-dir=$HOME/.config/chromium --dump-dom $REGISTRY-/ping 2>/dev/null | grep -q '{}'; done; ls ~/.config/chromium/Default`},
	{name: "firefox", slow: true, needs: []string{"firefox-esr"}, types: `set -e
for i in 1 2; do rm -f shot.png; firefox-esr --headless --screenshot $PWD/shot.png $REGISTRY-/ping >/dev/null 2>&1; test -s shot.png; done; ls ~/.mozilla/firefox ~/.config/mozilla/firefox 2>/dev/null | grep -q .`},
	{name: "shells", needs: []string{"zsh"}, types: `HISTFILE=$HOME/.bash_history bash -i -c 'history -a; exit' 2>/dev/null; zsh -f -i -c 'HISTSIZE=9 SAVEHIST=9; print -s ls; fc -W ~/.zsh_history' && test -f ~/.zsh_history && bash -lc true`},

	// Containers that are given the person's own file, as a dev container's settings have it.
	{name: "container-bwrap", needs: []string{"bwrap"}, types: `bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /root --ro-bind ~/.npmrc /root/.npmrc --setenv HOME /root --setenv npm_config_cache /root/.npm --unshare-pid --chdir / npm whoami`},
	{name: "container-unshare", slow: true, needs: []string{"unshare", "mount"}, types: `mkdir -p in && touch in/.npmrc && unshare -m sh -c "mount --bind $HOME/.npmrc in/.npmrc && HOME=$PWD/in npm whoami && HOME=$PWD/in node -e 0 && umount in/.npmrc"`},
}
