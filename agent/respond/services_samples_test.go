package respond

import (
	"encoding/base64"
	"strings"
)

// dataSample is a file of a row with a token in it.
type dataSample struct {
	id    string // of the row
	path  string // with ~
	env   map[string]string
	text  string // of the file; TOKEN stands for the value, ALSO for what belongs to it
	mint  func() string
	wrap  func(string) string // how the value stands in the file; nil: as it is
	name  string              // of the token
	owner string
	site  bool // the service can be asked
	login bool // only a new login replaces it
	key   string
}

func dataHex(n int) string {
	return strings.Map(func(c rune) rune { return rune("0123456789abcdef"[int(c)%16]) }, testRandom(n))
}
func dataDigits(n int) string {
	return strings.Map(func(c rune) rune { return '0' + c%10 }, testRandom(n))
}
func dataMint(prefix string, n int) func() string {
	return func() string { return prefix + testRandom(n) }
}
func dataMintSlack() string {
	return "xoxp-" + dataDigits(12) + "-" + dataDigits(12) + "-" + dataDigits(12) + "-" + testRandom(32)
}

// dataPaste makes by row what a person could paste.
func dataPaste() map[string]func() string {
	return map[string]func() string{
		"slack": dataMintSlack, "vault": dataMint("hvs.", 95), "crates-io": dataMint("cio", 32), "vercel": dataMint("", 24),
		"pypi": dataMint("pypi-AgEIcHlwaS5vcmc", 120), "docker-hub": dataMint("dckr_pat_", 27), "stripe": dataMint("rk_live_", 60),
		"openai":    func() string { return "sk-proj-" + testRandom(40) + "T3BlbkFJ" + testRandom(40) },
		"anthropic": func() string { return "sk-ant-api03-" + testRandom(93) + "AA" }, "huggingface": dataMint("hf_", 34),
		"ssh": func() string {
			return "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + testRandom(40) + "\n-----END OPENSSH " + "PRIVATE KEY-----\n"
		},
		"kube":     func() string { return "k8s-aws-v1." + testRandom(80) },
		"azure":    func() string { return testRandom(3) + "8Q~" + testRandom(34) },
		"rubygems": func() string { return "rubygems_" + dataHex(48) },
	}
}

func dataSamples() []dataSample {
	docker := func(path string) dataSample {
		return dataSample{id: "docker-hub", path: path, mint: dataMint("dckr_pat_", 27), name: "docker-hub:hub", owner: "alice", site: true,
			text: "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {\"auth\": \"Ym9iOm90aGVy\"},\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"TOKEN\"\n\t\t}\n\t},\n\t\"detachKeys\": \"ctrl-z\"\n}\n",
			wrap: func(v string) string { return base64.StdEncoding.EncodeToString([]byte("alice:" + v)) },
			key:  "auths.https://index.docker.io/v1/.auth"}
	}
	vercel := func(path string) dataSample {
		return dataSample{id: "vercel", path: path, mint: dataMint("vcp_", 56), name: "vercel:cli", site: true,
			text: "{\n  \"// Note\": \"This is your Vercel credentials file.\",\n  \"token\": \"TOKEN\"\n}\n", key: "token"}
	}
	kube := func(field, name string, login bool) dataSample {
		return dataSample{id: "kube", path: "~/.kube/config", mint: dataMint("eyJ", 200), name: "kube:bob@prod", owner: "bob@prod", login: login, key: "users.1.user." + field,
			text: "apiVersion: v1\nkind: Config\nusers:\n- name: other\n  user: {}\n# mine\n- name: bob@prod\n  user:\n    " + name + "TOKEN # keep\ncurrent-context: prod\n"}
	}
	return []dataSample{
		{id: "slack", path: "~/.slack/credentials.json", mint: dataMint("xoxe.xoxp-1-", 160), name: "slack:acme", owner: "U042", site: true, login: true, key: "T0123ABC.token",
			text: `{"T0123ABC":{"token":"TOKEN","team_domain":"acme","team_id":"T0123ABC","user_id":"U042","refresh_token":"ALSO","exp":1700000000}}`},
		{id: "vault", path: "~/.vault-token", env: map[string]string{"VAULT_ADDR": "https://vault.example.com:8200/", "VAULT_NAMESPACE": "team"}, mint: dataMint("hvs.", 95),
			name: "vault:vault.example.com:8200", site: true, login: true, text: "TOKEN", key: "token"},
		{id: "crates-io", path: "~/.cargo/credentials.toml", mint: dataMint("cio", 32), name: "crates-io:crates.io", site: true, key: "registry.token",
			text: "# mine\n[registry]\ntoken = \"TOKEN\" # do not share\n"},
		{id: "crates-io", path: "~/rust/credentials", env: map[string]string{"CARGO_HOME": "/~/rust"}, mint: dataMint("cio", 32), name: "crates-io:crates.io", site: true, key: "registry.token",
			text: "[registry]\ntoken = 'TOKEN'\n"},
		{id: "crates-io", path: "~/.cargo/credentials.toml", mint: dataMint("", 40), name: "crates-io:acme", key: "registries.acme.token",
			text: "[registries.acme]\ntoken = \"TOKEN\"\n"},
		vercel("~/.local/share/com.vercel.cli/auth.json"),
		vercel("~/Library/Application Support/com.vercel.cli/auth.json"),
		{id: "vercel", path: "~/.local/share/com.vercel.cli/auth.json", mint: dataMint("vca_", 56), name: "vercel:cli", site: true, login: true, key: "token",
			text: `{"token":"TOKEN","userId":"u1","refreshToken":"ALSO","expiresAt":1700000000}`},
		{id: "pypi", path: "~/.pypirc", mint: dataMint("pypi-AgEIcHlwaS5vcmc", 120), name: "pypi:pypi", key: "pypi.password",
			text: "[distutils]\nindex-servers =\n    pypi\n    private\n\n[pypi]\nusername = __token__\npassword = TOKEN\n\n[private]\nrepository = https://pypi.example.com\nusername = bob\npassword = a-password\n"},
		{id: "pypi", path: "~/.config/pypoetry/auth.toml", mint: dataMint("pypi-AgEIcHlwaS5vcmc", 120), name: "pypi:pypi", key: "pypi-token.pypi",
			text: "[pypi-token]\npypi = \"TOKEN\"\n"},
		docker("~/.docker/config.json"),
		docker("~/.config/containers/auth.json"),
		{id: "stripe", path: "~/.config/stripe/config.toml", mint: dataMint("rk_test_", 90), name: "stripe:default-test", owner: "acct_1", site: true, key: "default.test_mode_api_key",
			text: "color = \"\"\n\n[default]\n  account_id = \"acct_1\"\n  device_name = \"laptop\"\n  live_mode_api_key = \"rk_live_*********abcd\"\n  test_mode_api_key = \"TOKEN\"\n"},
		{id: "stripe", path: "~/.config/stripe/config.toml", mint: dataMint("sk_live_", 90), name: "stripe:shop-live", site: true, key: "shop.live_mode_api_key",
			text: "[shop]\nlive_mode_api_key = 'TOKEN'\n"},
		{id: "openai", path: "~/.codex/auth.json", mint: dataPaste()["openai"], name: "openai:codex-key", site: true, key: "OPENAI_API_KEY",
			text: "{\n  \"OPENAI_API_KEY\": \"TOKEN\",\n  \"tokens\": null\n}"},
		{id: "openai", path: "~/.codex/auth.json", mint: dataMint("rt_", 80), name: "openai:codex-login", login: true, key: "tokens.refresh_token",
			text: `{"OPENAI_API_KEY":null,"tokens":{"id_token":"","access_token":"ALSO","refresh_token":"TOKEN","account_id":"abc"},"last_refresh":"2026-01-01T00:00:00Z"}`},
		{id: "anthropic", path: "~/.claude/.credentials.json", mint: dataMint("sk-ant-ort01-", 80), name: "anthropic:claude-login", login: true, key: "claudeAiOauth.refreshToken",
			text: `{"claudeAiOauth":{"accessToken":"ALSO","refreshToken":"TOKEN","expiresAt":1700000000000,"scopes":["user:inference"]}}`},
		{id: "huggingface", path: "~/.cache/huggingface/token", mint: dataMint("hf_", 34), name: "huggingface:token", site: true, text: "TOKEN\n", key: "token"},
		{id: "huggingface", path: "~/.cache/huggingface/stored_tokens", mint: dataMint("hf_", 34), name: "huggingface:laptop", site: true, text: "[laptop]\nhf_token = TOKEN\n\n", key: "laptop.hf_token"},
		{id: "huggingface", path: "~/.huggingface/token", mint: dataMint("hf_", 34), name: "huggingface:token", site: true, text: "TOKEN", key: "token"},
		{id: "huggingface", path: "~/.netrc", mint: dataMint("hf_", 34), name: "huggingface:netrc", site: true, key: "huggingface.co.alice.password",
			text: "machine example.com login x password y\nmachine huggingface.co\n  login alice\n  password TOKEN\n"},
		{id: "huggingface", path: "~/.git-credentials", mint: dataMint("hf_", 34), name: "huggingface:git", site: true, key: "https://huggingface.co.alice",
			text: "https://bob:pw@git.example.com\nhttps://alice:TOKEN@huggingface.co\n"},
		kube("token", "token: ", false),
		{id: "kube", path: "~/work/prod.yaml", env: map[string]string{"KUBECONFIG": "relative|/~/work/none.yaml|/~/work/prod.yaml"}, mint: dataMint("eyJ", 200),
			name: "kube:a", owner: "a", key: "users.0.user.token", text: "users:\n- name: a\n  user: {token: TOKEN}\n"},
		kube("password", "password: ", false),
		kube("client-key-data", "client-key-data: ", true),
		{id: "azure", path: "~/.azure/msal_token_cache.json", mint: dataMint("0.AX", 120), name: "azure:alice@example.com", owner: "alice@example.com", login: true,
			key:  "RefreshToken.u.t-login.windows.net-refreshtoken-1--.secret",
			text: `{"Account":{"u.t-login.windows.net-organizations":{"home_account_id":"u.t","username":"alice@example.com"}},"RefreshToken":{"u.t-login.windows.net-refreshtoken-1--":{"credential_type":"RefreshToken","secret":"TOKEN","home_account_id":"u.t","client_id":"04b0"}}}`},
		{id: "azure", path: "~/.azure/service_principal_entries.json", mint: dataPaste()["azure"], name: "azure:11111111-2222", owner: "11111111-2222", key: "0.client_secret",
			text: `[{"client_id": "11111111-2222", "tenant": "t", "client_secret": "TOKEN"}]`},
		{id: "rubygems", path: "~/.gem/credentials", mint: dataPaste()["rubygems"], name: "rubygems:rubygems_api_key", key: ":rubygems_api_key",
			text: "---\n:rubygems_api_key: TOKEN\n"},
	}
}
