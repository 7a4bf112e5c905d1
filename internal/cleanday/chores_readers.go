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
	{name: "gh", needs: []string{"gh"}, types: `gh config list >/dev/null && gh auth token --hostname github.example.com >/dev/null && gh alias list >/dev/null`},
	{name: "aws", slow: true, needs: []string{"aws"}, types: `aws configure list >/dev/null && aws configure get region && aws configure set region eu-west-1 --profile work && ! AWS_MAX_ATTEMPTS=1 aws sts get-caller-identity --endpoint-url http://127.0.0.1:9 2>/dev/null`},
	{name: "docker", needs: []string{"docker"}, types: `docker context ls >/dev/null && docker logout other.example.com >/dev/null && grep -q registry.example.com ~/.docker/config.json; docker ps >/dev/null 2>&1; true`},
	{name: "kubectl", slow: true, needs: []string{"kubectl"}, files: map[string]string{"~/.kube/config": "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:9'}\nusers:\n- name: u\n  user: {token: decoy}\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\ncurrent-context: c\n"},
		types: `kubectl config view >/dev/null && kubectl config current-context && kubectl config set-context --current --namespace=work; kubectl --request-timeout=1s get pods >/dev/null 2>&1; true`},
	{name: "curl-netrc", needs: []string{"curl"}, types: `curl -sf --netrc $REGISTRY-/ping -o /dev/null`},

	// Containers that are given the person's own file, as a dev container's settings have it.
	{name: "container-bwrap", needs: []string{"bwrap"}, types: `bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /root --ro-bind ~/.npmrc /root/.npmrc --setenv HOME /root --setenv npm_config_cache /root/.npm --unshare-pid --chdir / npm whoami`},
	{name: "container-unshare", slow: true, needs: []string{"unshare", "mount"}, types: `mkdir -p in && touch in/.npmrc && unshare -m sh -c "mount --bind $HOME/.npmrc in/.npmrc && HOME=$PWD/in npm whoami && HOME=$PWD/in node -e 0 && umount in/.npmrc"`},
}
