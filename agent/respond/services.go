package respond

import (
	"regexp"
	"time"

	"wormbell/agent/respond/edit"
)

// dataKinds are the kinds that are rows of [services].
func dataKinds() []Kind {
	rows := services()
	foreign := []*regexp.Regexp{regexp.MustCompile(`\A(?:npm_|gh[pousr]_|github_pat_|glpat-|A(?:KIA|SIA)[A-Z2-7]{16}\z|AIza|ya29\.)`)}
	for _, s := range rows {
		if s.pattern != "" {
			foreign = append(foreign, regexp.MustCompile(`\A(?:`+s.pattern+`)\z`))
		}
	}
	var kinds []Kind
	for i := range rows {
		kinds = append(kinds, rows[i].kind(foreign))
	}
	return kinds
}

// What tokens look like where a file holds other things, too.
var (
	dataPyPI     = regexp.MustCompile(`\A` + dataPyPILook)
	dataHugging  = regexp.MustCompile(`\Ahf_`)
	dataRubyGems = regexp.MustCompile(`\Arubygems_`)
	dataStripe   = regexp.MustCompile(`\A[sr]k_(?:test|live|prod)_[a-zA-Z0-9]+\z`) // others are shown in part only
	dataOpenAI   = regexp.MustCompile(`\Ask-`)
)

const dataPyPILook = `pypi-(?:AgEIcHlwaS5vcmc|AgENdGVzdC5weXBpLm9yZ)`

// dockerHosts are the names that Docker's own registry has in its file.
func dockerHosts() []string {
	return []string{"https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"}
}

func dockerSpots() (spots []spot) {
	for _, path := range []string{"~/.docker/config.json", "~/.config/containers/auth.json"} {
		at := spot{path: path, format: edit.JSON, name: "hub", user: true}
		if path == "~/.docker/config.json" {
			at.env = "DOCKER_CONFIG ~/.docker"
		}
		helper := at
		helper.user, helper.empty, helper.name, helper.tell = false, true, "helper", dockerTell
		for _, host := range dockerHosts() {
			at.key = []string{"auths", host, "auth"}
			helper.key = []string{"credHelpers", host}
			spots = append(spots, at, helper)
		}
		helper.key = []string{"credsStore"}
		spots = append(spots, helper)
	}
	return spots
}

func kubeSpots() (spots []spot) {
	const renew = "get new credentials for the cluster and put them into the file"
	at := spot{path: "~/.kube/config", env: "KUBECONFIG", format: edit.YAML, name: "user", tell: kubeTell}
	for _, k := range []struct {
		key   []string
		empty bool
		login string
	}{
		{key: []string{"token"}},
		{key: []string{"password"}},
		{key: []string{"client-key-data"}, login: renew},
		{key: []string{"auth-provider", "config", "refresh-token"}, login: "log in to the cluster's identity provider again"},
		{key: []string{"client-key"}, empty: true},
		{key: []string{"tokenFile"}, empty: true},
		{key: []string{"exec", "command"}, empty: true},
	} {
		s := at
		s.key, s.empty, s.login = append([]string{"users", "*", "user"}, k.key...), k.empty, k.login
		spots = append(spots, s)
	}
	return spots
}

// services is the table. Sources: the services' own API documentation and the
// source of crates.io; where the files are, the tools' documentation. A row
// without calls is one whose service documents none.
func services() []service {
	return []service{
		{
			id: "slack", title: "Slack token", site: "https://slack.com", owner: slackOwner, revoke: slackRevoke,
			spots: []spot{{path: "~/.slack/credentials.json", format: edit.JSON, key: []string{"*", "token"}, name: "*",
				also: []string{"refresh_token"}, login: "run slack login", tell: slackTell}},
			pattern: `xox[pe](?:-[0-9]{10,13}){3}-[a-zA-Z0-9-]{28,34}|xoxb-[0-9]{10,13}-[0-9]{10,13}[a-zA-Z0-9-]*|xoxe\.xox[bp]-\d-[a-zA-Z0-9]{20,300}|xoxe-\d-[a-zA-Z0-9]{20,300}`,
			pages: []Page{
				{URL: "https://api.slack.com/apps", Title: "Slack: revoke the token", Steps: []string{
					"Choose the app that the token is for, then OAuth & Permissions.", "Press Revoke All OAuth Tokens; for an app-level token, Basic Information and the token's Revoke."}},
				{URL: "https://api.slack.com/apps", Title: "Slack: new token", Steps: []string{
					"Choose the app, then Install App, and reinstall it to the workspace.", "For the Slack CLI, run slack login instead.", "Put the new token where the old one stood."}},
			},
		},
		{
			id: "vault", title: "Vault token", stores: []string{"vault"}, owner: vaultOwner, revoke: vaultRevoke, show: vaultShow,
			spots:   []spot{{path: "~/.vault-token", format: dataWhole, key: []string{dataWholeKey}, name: "server", login: "run vault login (OpenBao: bao login)", tell: vaultTell}},
			pattern: `hvs\.[\w-]{24,300}|s\.[A-Za-z0-9]{24}|hvb\.[\w-]{100,400}|hvr\.[\w-]{24,300}`,
			notice:  []string{"Vault kills what was made with the token too: its child tokens and its leases."},
			pages: []Page{
				{URL: "https://developer.hashicorp.com/vault/docs/commands/token/revoke", Title: "Vault: revoke the token", Steps: []string{
					"Run vault token revoke -self with VAULT_ADDR set to its server; if that is denied, ask who runs the server to revoke it by its accessor.",
					"Do not make a child token of it for later: children die with it."}},
				{URL: "https://developer.hashicorp.com/vault/docs/commands/login", Title: "Vault: new token", Steps: []string{"Run vault login in the way that your server wants (for OpenBao bao login)."}},
			},
		},
		{
			id: "crates-io", title: "crates.io token", stores: []string{"cargo"}, site: "https://crates.io", owner: cratesOwner, revoke: cratesRevoke, show: cratesShow,
			spots: []spot{
				{path: "~/.cargo/credentials.toml", env: "CARGO_HOME ~/.cargo", format: edit.TOML, key: []string{"registry", "token"}, name: "crates.io"},
				{path: "~/.cargo/credentials", env: "CARGO_HOME ~/.cargo", format: edit.TOML, key: []string{"registry", "token"}, name: "crates.io"},
				{path: "~/.cargo/credentials.toml", env: "CARGO_HOME ~/.cargo", format: edit.TOML, key: []string{"registries", "*", "token"}, name: "*", away: true, tell: cratesTell},
				{path: "~/.cargo/credentials", env: "CARGO_HOME ~/.cargo", format: edit.TOML, key: []string{"registries", "*", "token"}, name: "*", away: true, tell: cratesTell},
			},
			pattern: `cio[A-Za-z0-9]{32}|cio_tp_[A-Za-z0-9]{20,80}`,
			notice:  []string{"crates.io lets only tokens without scopes revoke themselves; for the others a person opens its page."},
			pages: []Page{
				{URL: "https://crates.io/settings/tokens", Title: "crates.io: revoke the token", Steps: []string{
					"Sign in, find the token and press Revoke. cargo logout alone leaves it alive.", "Look at your crates for versions that you did not publish, and yank them."}},
				{URL: "https://crates.io/settings/tokens/new", Title: "crates.io: new token", Steps: []string{
					"Give it a short life, the scopes it needs and the names of your crates.", "Copy it: it is shown once.", "Better, for a crate that CI publishes: trusted publishing, which needs no token."}},
			},
		},
		{
			id: "vercel", title: "Vercel token", stores: []string{"vercel"}, site: "https://api.vercel.com",
			owner: vercelOwner, create: vercelCreate, lost: vercelLost, revoke: vercelRevoke,
			spots: []spot{
				{path: "~/.local/share/com.vercel.cli/auth.json", env: "XDG_DATA_HOME ~/.local/share", format: edit.JSON, key: []string{"token"}, name: "cli", also: []string{"refreshToken"}, tell: vercelTell},
				{path: "~/Library/Application Support/com.vercel.cli/auth.json", format: edit.JSON, key: []string{"token"}, name: "cli", also: []string{"refreshToken"}, tell: vercelTell},
			},
			pattern: `[A-Za-z0-9]{24}|vc[a-z]_[A-Za-z0-9]{20,120}|vercel_[A-Za-z0-9]{24,64}`,
			pages: []Page{
				{URL: "https://vercel.com/account/tokens", Title: "Vercel: revoke the token", Steps: []string{"Find the token by its name and when it was last used, and delete it."}},
				{URL: "https://vercel.com/account/tokens", Title: "Vercel: new token", Steps: []string{"Choose the one team that needs it and a date on which it expires.", "Copy it: it is shown once."}},
			},
			logins: []Page{
				{URL: "https://vercel.com/account/tokens", Title: "Vercel: end the login", Steps: []string{"Delete the entries of the Vercel CLI.", "Then run vercel logout."}},
				{URL: "https://vercel.com/docs/cli/login", Title: "Vercel: log in again", Steps: []string{"Run vercel login."}},
			},
		},
		{
			id: "pypi", title: "PyPI token", stores: []string{"pypi"},
			spots: []spot{
				{path: "~/.pypirc", format: dataINI, key: []string{"*", "password"}, name: "*", like: dataPyPI},
				{path: "~/.config/pypoetry/auth.toml", env: "XDG_CONFIG_HOME ~/.config", format: edit.TOML, key: []string{"pypi-token", "*"}, name: "*", like: dataPyPI},
			},
			pattern: dataPyPILook + `[\w-]{50,1000}`,
			mute:    "PyPI has no call that says whose a token is or whether it is alive.",
			pages: []Page{
				{URL: "https://pypi.org/manage/account/token/", Title: "PyPI: remove the token", Steps: []string{
					"Sign in, find the token under API tokens by its name and when it was last used, and choose Remove token. A token for TestPyPI is on test.pypi.org.",
					"Look at the history of your projects for releases that you did not make, and yank them."}},
				{URL: "https://pypi.org/manage/account/token/", Title: "PyPI: new token", Steps: []string{
					"Choose one project as its scope.", "Copy it: it is shown once.", "Better, for a project that CI publishes: trusted publishing, which needs no token."}},
			},
		},
		{
			id: "docker-hub", title: "Docker Hub login", stores: []string{"docker"}, site: "https://hub.docker.com", owner: dockerOwner, show: dockerShow,
			spots:   dockerSpots(),
			pattern: `dckr_[a-z]{3}_[\w-]{27,60}`,
			pages: []Page{
				{URL: "https://app.docker.com/settings/personal-access-tokens", Title: "Docker Hub: delete the access token", Steps: []string{
					"Sign in as {owner}, find the token by when it was last used, and delete it.", "If the file held the account's password, change the password instead.",
					"Look at your repositories for images that you did not push."}},
				{URL: "https://app.docker.com/settings/personal-access-tokens/create", Title: "Docker Hub: new access token", Steps: []string{
					"Give it a date on which it expires and only the permissions that it needs.", "Copy it: it is shown once."}},
			},
		},
		{
			id: "stripe", title: "Stripe key", stores: []string{"vercel"}, site: "https://api.stripe.com", owner: stripeOwner,
			spots: []spot{
				{path: "~/.config/stripe/config.toml", env: "XDG_CONFIG_HOME ~/.config", format: edit.TOML, key: []string{"*", "live_mode_api_key"}, name: "*-live", like: dataStripe, tell: stripeTell},
				{path: "~/.config/stripe/config.toml", env: "XDG_CONFIG_HOME ~/.config", format: edit.TOML, key: []string{"*", "test_mode_api_key"}, name: "*-test", like: dataStripe, tell: stripeTell},
			},
			pattern: `(?:sk|rk)_(?:test|live|prod)_[a-zA-Z0-9]{10,250}`,
			pages: []Page{
				{URL: "https://dashboard.stripe.com/apikeys", Title: "Stripe: expire the key", Steps: []string{
					"Find the key by its last characters; those of the Stripe CLI are restricted keys with its name.", "Choose Roll key and let it expire now, or Delete key.", "For a test key, switch to test mode first.", "Look at the logs for what was done with it."}},
				{URL: "https://dashboard.stripe.com/apikeys/create", Title: "Stripe: new key", Steps: []string{"Make a restricted key with only the rights that it needs.", "Or run stripe login, which makes one that lives for 90 days."}},
			},
			diesWithin: 5 * time.Minute, // a rolled key "may work a short while"
		},
		{
			id: "openai", title: "OpenAI key", stores: []string{"codex"}, site: "https://api.openai.com", owner: openAIOwner,
			spots: []spot{
				{path: "~/.codex/auth.json", env: "CODEX_HOME ~/.codex", format: edit.JSON, key: []string{"OPENAI_API_KEY"}, name: "codex-key", like: dataOpenAI},
				{path: "~/.codex/auth.json", env: "CODEX_HOME ~/.codex", format: edit.JSON, key: []string{"tokens", "refresh_token"}, name: "codex-login",
					also: []string{"access_token", "id_token"}, away: true, login: "run codex login", tell: codexTell},
			},
			pattern: `sk-(?:proj|svcacct|admin)-[\w-]{16,120}T3BlbkFJ[\w-]{16,120}|sk-[a-zA-Z0-9]{20}T3BlbkFJ[a-zA-Z0-9]{20}`,
			pages: []Page{
				{URL: "https://platform.openai.com/api-keys", Title: "OpenAI: delete the key", Steps: []string{"Choose the project, find the key by its last characters, and delete it.", "Look at Usage for what was done with it."}},
				{URL: "https://platform.openai.com/api-keys", Title: "OpenAI: new key", Steps: []string{"Make a restricted key in the one project that needs it.", "Copy it: it is shown once."}},
			},
			logins: []Page{
				{URL: "https://chatgpt.com/#settings/Security", Title: "ChatGPT: end all sessions", Steps: []string{
					"Log out of all devices. That this ends the login of Codex too is likely, but not documented; nothing here can check it.", "Then run codex logout."}},
				{URL: "https://developers.openai.com/codex/auth", Title: "Codex: log in again", Steps: []string{"Run codex login."}},
			},
		},
		{
			id: "anthropic", title: "Anthropic key or Claude login", stores: []string{"claude"},
			spots: []spot{{path: "~/.claude/.credentials.json", env: "CLAUDE_CONFIG_DIR ~/.claude", format: edit.JSON, key: []string{"claudeAiOauth", "refreshToken"}, name: "claude-login",
				also: []string{"accessToken"}, login: "run claude and type /login", tell: claudeTell}},
			pattern: `sk-ant-(?:api03|admin01)-[\w-]{93}AA`,
			mute:    "Anthropic has no call that says whose a key is.",
			pages: []Page{
				{URL: "https://console.anthropic.com/settings/keys", Title: "Anthropic: disable the key", Steps: []string{"Find the key by its last characters and delete it.", "Look at Usage for what was done with it."}},
				{URL: "https://console.anthropic.com/settings/keys", Title: "Anthropic: new key", Steps: []string{"Make it in the one workspace that needs it.", "Copy it: it is shown once."}},
			},
			logins: []Page{
				{URL: "https://claude.ai/settings", Title: "Claude: end the login", Steps: []string{
					"Look for Claude Code's authorisations in the settings and remove those that you do not use; else log out of all devices.",
					"What that does to a stolen login is not documented, and nothing here can check it.", "Then type /logout in Claude Code."}},
				{URL: "https://claude.ai/login", Title: "Claude: log in again", Steps: []string{"Run claude and type /login."}},
			},
		},
		{
			id: "huggingface", title: "Hugging Face token", stores: []string{"netrc", "git"}, site: "https://huggingface.co", owner: huggingFaceOwner,
			spots: []spot{
				{path: "~/.cache/huggingface/token", env: "HF_HOME ~/.cache/huggingface", format: dataWhole, key: []string{dataWholeKey}, name: "token", like: dataHugging},
				{path: "~/.cache/huggingface/stored_tokens", env: "HF_HOME ~/.cache/huggingface", format: dataINI, key: []string{"*", "hf_token"}, name: "*", like: dataHugging},
				{path: "~/.huggingface/token", format: dataWhole, key: []string{dataWholeKey}, name: "token", like: dataHugging},
				{path: "~/.netrc", env: "NETRC", format: dataNetrc, key: []string{"huggingface.co", "*", "password"}, name: "netrc", like: dataHugging},
				{path: "~/_netrc", format: dataNetrc, key: []string{"huggingface.co", "*", "password"}, name: "netrc", like: dataHugging},
				{path: "~/.git-credentials", format: dataGit, key: []string{"https://huggingface.co", "*"}, name: "git", like: dataHugging},
			},
			pattern: `hf_[A-Za-z0-9]{34,40}`,
			pages: []Page{
				{URL: "https://huggingface.co/settings/tokens", Title: "Hugging Face: invalidate the token", Steps: []string{
					"Find the token, open Manage and choose Invalidate and refresh, which also shows its successor, or Delete. hf auth logout alone leaves it alive."}},
				{URL: "https://huggingface.co/settings/tokens/new?tokenType=fineGrained", Title: "Hugging Face: new token", Steps: []string{"Choose fine-grained, and only the repositories that it needs.", "Copy it: it is shown once."}},
			},
		},
		{
			id: "ssh", title: "SSH key", stores: []string{"ssh"}, find: sshFind, keeps: true,
			pattern: `(?s)\s*-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY-----.*`,
			mute:    "Each server that has the key's public half in a list lets it in; there is nobody to ask.",
			notice:  []string{"A key dies only where its public half is taken off the list: on each site and in each server's authorized_keys."},
			pages: []Page{
				{URL: "https://github.com/settings/keys", Title: "SSH: take the key off the lists", Steps: []string{
					"Delete the key with the fingerprint {id}, under signing keys too; the same on GitLab (User settings, SSH keys) and every other site.",
					"On each server, delete its line from ~/.ssh/authorized_keys; ssh-keygen -lf ~/.ssh/authorized_keys shows the fingerprints.",
					"First see to it that the new key lets you in: the order decides whether you are locked out."}},
				{URL: "https://github.com/settings/ssh/new", Title: "SSH: new key", Steps: []string{
					"Run ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519_new and give it a passphrase.", "Add ~/.ssh/id_ed25519_new.pub on each site and server.",
					"Try it: ssh -i ~/.ssh/id_ed25519_new -o IdentitiesOnly=yes -T git@HOST.", "Then put it in the place of the old one."}},
			},
		},
		{
			id: "kube", title: "Kubernetes login", stores: []string{"kube"}, spots: kubeSpots(),
			mute: "A cluster has a certificate authority of its own; ask it yourself with kubectl auth whoami.",
			pages: []Page{
				{URL: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/", Title: "Kubernetes: revoke the login {name}", Steps: []string{
					"A service account's token from a Secret: delete that Secret. One that is bound to an object: delete the object or the service account, or wait until it expires.",
					"A client certificate: take away its user's role bindings; it cannot be revoked.", "A login by a cloud's program: revoke that cloud's login."}},
				{URL: "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_create/kubectl_create_token/", Title: "Kubernetes: new login", Steps: []string{
					"Ask the cluster's administrator, or make a short-lived token with kubectl create token.", "Better: a login by an exec plugin, with no secret in the file."}},
			},
		},
		{
			id: "azure", title: "Azure login", stores: []string{"azure"},
			spots: []spot{
				{path: "~/.azure/msal_token_cache.json", env: "AZURE_CONFIG_DIR ~/.azure", format: edit.JSON, key: []string{"RefreshToken", "*", "secret"}, name: "login", login: "run az login", tell: azureTell},
				{path: "~/.azure/service_principal_entries.json", env: "AZURE_CONFIG_DIR ~/.azure", format: edit.JSON, key: []string{"*", "client_secret"}, name: "application", tell: azureSecretTell},
			},
			pattern: `[a-zA-Z0-9_~.]{3}\dQ~[a-zA-Z0-9_~.-]{31,34}`,
			mute:    "Azure tells nothing of a login's refresh token or an application's secret without using it.",
			notice:  []string{"Access tokens that were made of it go on for about an hour."},
			pages: []Page{
				{URL: "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade", Title: "Azure: remove the application's secret", Steps: []string{
					"Choose the application {id}, then Certificates & secrets, and delete the secret.",
					"Or: az ad app credential list --id {id}, then az ad app credential delete --id {id} --key-id KEY-ID."}},
				{URL: "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade", Title: "Azure: new secret", Steps: []string{"az ad app credential reset --id {id} --append, and only then remove the old one."}},
			},
			logins: []Page{
				{URL: "https://mysignins.microsoft.com/", Title: "Azure: sign out everywhere", Steps: []string{
					"Sign in as {owner} and choose Sign out everywhere.", "Or: az rest --method POST --url https://graph.microsoft.com/v1.0/me/revokeSignInSessions. For a work or school account only; it takes some minutes.",
					"Then run az account clear: az logout alone is local."}},
				{URL: "https://learn.microsoft.com/cli/azure/authenticate-azure-cli", Title: "Azure: log in again", Steps: []string{"Run az login."}},
			},
			diesWithin: 10 * time.Minute,
		},
		{
			id: "rubygems", title: "RubyGems key", stores: []string{"gem"},
			spots: []spot{
				{path: "~/.gem/credentials", format: edit.YAML, key: []string{"*"}, name: "*", like: dataRubyGems},
				{path: "~/.local/share/gem/credentials", env: "XDG_DATA_HOME ~/.local/share", format: edit.YAML, key: []string{"*"}, name: "*", like: dataRubyGems},
			},
			pattern: `rubygems_[a-f0-9]{48}`,
			mute:    "RubyGems has no call that says whose a key is.",
			pages: []Page{
				{URL: "https://rubygems.org/profile/api_keys", Title: "RubyGems: delete the key", Steps: []string{"Sign in, find the key by its name and when it was last used, and delete it.", "Look at your gems for versions that you did not push, and yank them."}},
				{URL: "https://rubygems.org/profile/api_keys/new", Title: "RubyGems: new key", Steps: []string{"Give it only the scopes and the one gem that it needs, a date on which it expires, and MFA.", "Copy it: it is shown once."}},
			},
		},
	}
}
