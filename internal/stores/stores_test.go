package stores_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"wormbell/internal/stores"
)

func TestOf(t *testing.T) {
	for _, test := range []struct{ path, want string }{
		{"~/.npmrc", "npm"},
		{"~/app/.npmrc", ""},
		{"~/.npmrc.bak", ""},
		{"~/.aws/credentials", "aws"},
		{"~/.aws/config", ""},
		{"~/.aws/sso/cache/0123.json", "aws"},
		{"~/.aws/sso/cache/deep/0123.json", ""},
		{"~/.config/gh/hosts.yml", "gh"},
		{"~/.netrc", "netrc"},
		{"~/.git-credentials", "git"},
		{"~/.yarnrc.yml", "yarn"},
		{"~/.bunfig.toml", "bun"},
		{"~/.config/pnpm/rc", "pnpm"},
		{"~/.claude/.credentials.json", "claude"},
		{"~/.codex/auth.json", "codex"},
		{"~/.ssh/id_ed25519", "ssh"},
		{"~/.ssh/id_ed25519.pub", ""},
		{"~/.ssh/id_ed25519-cert.pub", ""},
		{"~/.ssh/work.pem", "ssh"},
		{"~/.ssh/server_rsa", "ssh"},
		{"~/.ssh/known_hosts", ""},
		{"~/.ssh/config", ""},
		{"~/.ssh/authorized_keys", ""},
		{"~/.env", "env"},
		{"~/work/app/.env", "env"},
		{"~/work/app/.env.production", "env"},
		{"~/a/b/c/d/e/.env", "env"},
		{"~/a/b/c/d/e/f/.env", ""},
		{"~/work/app/.env.example", ""},
		{"~/work/app/.env.local.sample", ""},
		{"~/work/app/.env.template", ""},
		{"~/work/app/.environment", ""},
		{"~/.cache/app/.env", ""},
		{"~/.continue/.env", "continue"},
		{"~/.gnupg/private-keys-v1.d/0123.key", "gpg"},
		{"~/.gnupg/pubring.kbx", ""},
		{"~/.config/mozilla/firefox/x.default/key4.db", "browser"},
		{"~/.config/solana/id.json", "solana"},
		{"/home/me/.npmrc", ""},
		{"", ""},
	} {
		got := ""
		if s := stores.Of(test.path); s != nil {
			got = s.ID
		}
		if got != test.want {
			t.Errorf("Of(%q) = %q, want %q", test.path, got, test.want)
		}
	}
}

func TestOn(t *testing.T) {
	on, off := stores.Store{ID: "a"}, stores.Store{ID: "b", Off: true}
	for _, test := range []struct {
		list string
		a, b bool
	}{{"", true, false}, {"b", true, true}, {"-a", false, false}, {"-a b", false, true}, {"-a a", true, false}, {"b -b", true, false}, {"-", true, false}} {
		if list := strings.Fields(test.list); on.On(list) != test.a || off.On(list) != test.b {
			t.Errorf("%q: %v, %v", test.list, on.On(list), off.On(list))
		}
	}
}

// TestAll checks what every row must keep to.
func TestAll(t *testing.T) {
	if !slices.IsSortedFunc(stores.All, func(a, b stores.Store) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("All is not sorted by ID")
	}
	owner := map[string]string{}
	for _, s := range stores.All {
		if s.Kind == "" || len(s.Paths) == 0 || len(s.Readers) == 0 {
			t.Errorf("%s: a row needs a kind, paths and readers", s.ID)
		}
		if stores.ByID(s.ID) == nil || stores.ByID(s.ID).Kind != s.Kind {
			t.Errorf("ByID(%q) finds another row", s.ID)
		}
		for _, p := range s.Paths {
			if !strings.HasPrefix(p, "~/") || strings.Contains(p, `\`) {
				t.Errorf("%s: %q must begin with ~/ and be slash-separated", s.ID, p)
			}
			if _, err := path.Match(p, ""); err != nil {
				t.Errorf("%s: %q: %v", s.ID, p, err)
			}
			// The search matches the last name by its beginning, and the rest by Holds.
			if begin, _ := strings.CutSuffix(path.Base(p), "*"); s.Search && strings.ContainsAny(begin, `*?[\`) {
				t.Errorf("%s: %q: the search wants a name, or the beginning of one and a star", s.ID, p)
			}
			if other, ok := owner[p]; ok {
				t.Errorf("%q is in %s and in %s", p, other, s.ID)
			}
			owner[p] = s.ID
			// A file must lead back to its own row, else the rows of two stores overlap.
			file := strings.NewReplacer("[^.]*", "x", ".*", ".x", "*", "x").Replace(p)
			if of := stores.Of(file); of == nil || of.ID != s.ID {
				t.Errorf("%s: %q leads to %v", s.ID, file, of)
			}
		}
	}
	for _, id := range []string{"ssh", "env", "browser", "editor", "wallet", "gpg", "password-manager", "history", "npm", "yarn", "pnpm", "bun", "gh", "git", "netrc", "aws", "gcloud", "azure", "docker", "kube", "vault", "pypi", "claude", "codex", "gemini", "copilot"} {
		if s := stores.ByID(id); s == nil || s.Off {
			t.Errorf("%s must be guarded by default", id)
		}
	}
	if stores.ByID("nothing") != nil {
		t.Error("ByID of an unknown ID is not nil")
	}
}
