package procs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretsOf reads an environment as the worker does.
func secretsOf(vars ...string) *Env {
	buf := make([]byte, 64<<10)
	var p envParser
	p.take(buf, copy(buf, strings.Join(vars, "\x00")+"\x00"))
	return p.end(buf)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	const value = "s3cretValueOfSome"
	for want, names := range map[bool]string{
		true: `NPM_TOKEN NODE_AUTH_TOKEN GITHUB_TOKEN GH_TOKEN npm_config_//registry.example.com/:_authToken npm_config_//registry.example.com/:_password
			npm_config__auth npm_config__authToken NPM_CONFIG__PASSWORD YARN_NPM_AUTH_TOKEN BUN_AUTH_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
			GOOGLE_APPLICATION_CREDENTIALS OPENAI_API_KEY ANTHROPIC_API_KEY STRIPE_SECRET_KEY MYAPIKEY SOME_APIKEY DB_PASSWORD PGPASSWORD MYSQL_PWD DB_PASS GITHUB_PAT
			AZURE_DEVOPS_EXT_PAT AZURE_CLIENT_SECRET VAULT_TOKEN CI_JOB_TOKEN ACTIONS_ID_TOKEN_REQUEST_TOKEN SLACK_WEBHOOK GPG_PASSPHRASE
			DOCKER_PASSWD SERVICE_JWT TOKENS API_TOKEN_2 SSH_KEY ENCRYPTION_KEYS`,
		false: `PATH HOME PWD OLDPWD SSH_AUTH_SOCK GPG_AGENT_INFO GPG_KEY XDG_SESSION_ID XDG_CURRENT_DESKTOP XDG_TOKEN TERM_SESSION_ID COLORTERM MY_KEYMAP KEYMAP KEYBOARD
			npm_package_name npm_package_config_token npm_config_registry npm_config_userconfig npm_config_cache npm_config_noproxy npm_lifecycle_event npm_config_auth_type
			TOKENIZERS_PARALLELISM AWS_REGION AWS_PROFILE AWS_WEB_IDENTITY_TOKEN_FILE ACTIONS_ID_TOKEN_REQUEST_URL SSH_ASKPASS GIT_ASKPASS BYPASS COMPASS LS_COLORS
			MAX_THINKING_TOKENS TOKEN_LIMIT SECRETARY PASSWORDLESS_ENABLED DBUS_SESSION_BUS_ADDRESS XAUTHORITY DISPLAY LANG EDITOR NODE_OPTIONS PATIENCE KEYRING GNOME_KEYRING_CONTROL
			MONKEY TURKEY HISTIGNORE DOCKER_HOST`,
	} {
		for name := range strings.FieldsSeq(names) {
			got := secretsOf(name + "=" + value).Secrets()
			if (len(got) == 1 && got[0] == name) != want || !want && got != nil {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

func TestSecretsByValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kv   string
		want bool
	}{
		{"NPM_TOKEN=", false},
		{"NPM_TOKEN", false},
		{"USE_TOKEN=true", false},
		{"API_KEY=0", false},
		{"MAX_TOKENS=32000", false},
		{"API_KEY=0123456789", true},
		{"DATABASE_URL=postgres://app:hunter2@db.example.com/app", true},
		{"DATABASE_URL=postgres://app@db.example.com/app", false},
		{"DATABASE_URL=postgres://db.example.com/app?x=a:b@c", false},
		{"REDIS=redis://:hunter2@127.0.0.1:6379", true},
		{"https_proxy=http://me:hunter2@proxy.example.com:3128/", true},
		{"HOMEPAGE=http://example.com/a:b@c", false},
		{"A=://a:b@c", false},
		{"A B_TOKEN=hunter2x", false},
		{"\x1b[2JTOKEN=hunter2x", false},
		{"TOKEN\n=hunter2x", false},
		{"TÖKEN_TOKEN=hunter2x", false},
	} {
		if got := secretsOf(tc.kv).Secrets(); (len(got) > 0) != tc.want {
			t.Errorf("%q: %q", tc.kv, got)
		}
	}
}

// What is kept is bounded, in order, and never a value.
func TestSecretsBounds(t *testing.T) {
	t.Parallel()
	long := "npm_config_//" + strings.Repeat("a", 100) + ".example.com/:_authToken"
	vars := []string{"Z_TOKEN=canary", "A_TOKEN=canary", "A_TOKEN=canary", long + "=canary"}
	e := secretsOf(vars...)
	want := []string{"A_TOKEN", "Z_TOKEN", long[:61] + "…"}
	if d := cmp.Diff(e.Secrets(), want); d != "" {
		t.Error(d)
	}
	for i := range 1000 {
		vars = append(vars, fmt.Sprintf("B%d_TOKEN=canary%d", i, i))
	}
	e = secretsOf(vars...)
	got := e.Secrets()
	if len(got) > secretsMax || !slices.Contains(got, "Z_TOKEN") || !slices.IsSorted(got) {
		t.Errorf("%d names: %q", len(got), got)
	}
	if all := fmt.Sprintf("%+v", *e); strings.Contains(all, "canary") {
		t.Errorf("a value is kept: %s", all)
	}
	if n := len(e.SecretNames); n > secretsMax*(secretNameMax+1) {
		t.Errorf("%d bytes are kept", n)
	}
}

func FuzzSecrets(f *testing.F) {
	f.Add([]byte("NPM_TOKEN"), []byte("x"))
	f.Add([]byte("A"), []byte("postgres://a:b@c"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var e Env
		for range 3 {
			e.secret(key, value)
		}
		for _, name := range e.Secrets() {
			if len(name) > secretNameMax || strings.ContainsAny(name, "=\n\x1b ") || !strings.HasPrefix(string(key), strings.TrimSuffix(name, "…")) {
				t.Errorf("%q of %q", name, key)
			}
		}
	})
}

func BenchmarkEnv(b *testing.B) {
	var vars []string
	for i := range 60 {
		vars = append(vars, fmt.Sprintf("SOME_VARIABLE_%d=/usr/lib/some/path/of/it", i))
	}
	vars = append(vars, "NPM_TOKEN=x1234567", "GITHUB_TOKEN=x1234567", "SSH_AUTH_SOCK=/run/x")
	text := strings.Join(vars, "\x00") + "\x00"
	buf := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		var p envParser
		p.take(buf, copy(buf, text))
		p.end(buf)
	}
}
