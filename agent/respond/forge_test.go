package respond

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForgeRead reads each format, replaces what was found and reads it again.
func TestForgeRead(t *testing.T) {
	t.Parallel()
	token, fresh := "ghp_"+testRandom(36), "glpat-"+testRandom(20)+"."+testRandom(9)
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		file, text string
		want       []string // key, scheme://host, user
	}{
		{"~/.npmrc", "//npm.example.com/:_authToken=" + token + "\nregistry=https://r.example.com\n_authToken=" + token + "\n", []string{"//npm.example.com/:_authToken", "https://npm.example.com", ""}},
		{"~/.npmrc", "//npm.example.com:8443/a/b/:_password=\"" + basic(token) + "\"\n//npm.example.com:8443/a/b/:username=" + token, []string{"//npm.example.com:8443/a/b/:_password", "https://npm.example.com:8443", ""}},
		{"~/.config/pnpm/auth.ini", "//npm.example.com/:_auth=" + basic("me:"+token) + "\n", []string{"//npm.example.com/:_auth", "https://npm.example.com", "me"}},
		{"~/.npmrc", "//npm.example.com/:_auth=no base64\n", nil},
		{"~/.git-credentials", "http://me:" + token + "@Example.com:8080/a.git\r\n", []string{"http://Example.com:8080 me", "http://example.com:8080", "me"}},
		{"~/.config/git/credentials", "\n#c\nhttps://" + token + ":x-oauth-basic@example.com\n", []string{"https://example.com user name", "https://example.com", ""}},
		{"~/.git-credentials", "https://" + token + "@example.com", []string{"https://example.com user name", "https://example.com", ""}},
		{"~/.netrc", "default login a password b machine Example.com\n\tlogin me\n\tpassword " + token, []string{"Example.com me password", "https://example.com", "me"}},
		{"~/_netrc", "machine example.com password " + token + "\n", []string{"example.com  password", "https://example.com", ""}},
		{"~/.docker/config.json", `{"auths":{"https://Example.com/v2/":{"auth":"` + basic("me:"+token) + `"}},"proxies":{"a":{"auth":"` + basic("me:"+token) + `"}}}`, []string{"auths https://Example.com/v2/ auth", "https://example.com", "me"}},
		{"~/.docker/config.json", `{"auths":{"example.com":{"auth":"` + basic(token) + `"}}}`, nil},
		{"~/.config/gh/hosts.yml", "example.com:\n  user: me\n  oauth_token: " + token + "\n", []string{"example.com oauth_token", "https://example.com", "me"}},
		{"~/.config/glab-cli/config.yml", "token: x\nhosts:\n  Example.com:\n    user: me\n    token: !!null " + token + "\n", []string{"hosts Example.com token", "https://example.com", "me"}},
		{"~/.yarnrc.yml", "npmRegistries:\n  \"//example.com/npm\":\n    npmAuthToken: \"" + token + "\"\n", []string{"npmRegistries //example.com/npm npmAuthToken", "https://example.com", ""}},
		{"~/.yarnrc.yml", "npmRegistryServer: http://example.com\nnpmAuthToken: " + token + "\n", []string{"npmAuthToken", "http://example.com", ""}},
		{"~/.bunfig.toml", "[install.registry]\nurl = \"https://u:p@example.com/npm\"\ntoken = '" + token + "'\n", []string{"install registry token", "https://example.com", ""}},
	} {
		held, err := forgeRead(c.file, []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		var got []string
		for _, h := range held {
			if h.value != token {
				continue
			}
			got = append(got, h.key, h.scheme+"://"+h.host, h.user)
			change, err := h.put([]byte(c.text), fresh)
			if err != nil || change.Old != c.text[change.From:change.To] {
				t.Errorf("%s: %v", c.file, err)
				continue
			}
			after := c.text[:change.From] + change.New + c.text[change.To:]
			again, err := forgeRead(c.file, []byte(after))
			found := false
			for _, n := range again {
				found = found || n.key == h.key && n.value == fresh
			}
			if err != nil || !found {
				t.Errorf("%s: after it was replaced, it is not there: %v", c.file, err)
			}
		}
		if d := cmp.Diff(got, c.want); d != "" {
			t.Errorf("%s: %s", c.file, strings.ReplaceAll(d, token, "TOKEN"))
		}
	}
}

// FuzzForgeRead: whatever stands in a file, nothing breaks, and what is replaced
// stands where it is said to.
func FuzzForgeRead(f *testing.F) {
	for _, name := range []string{"~/.npmrc", "~/.git-credentials", "~/.netrc", "~/.docker/config.json", "~/.config/gh/hosts.yml", "~/.bunfig.toml"} {
		f.Add(name, []byte("//a/:_authToken=b\nhttps://ghp_"+strings.Repeat("a", 36)+":b@c\nmachine a password b\n"))
		f.Add(name, []byte(`{"auths":{"a":{"auth":"YTpi"}}}`))
		f.Add(name, []byte("a:\n  oauth_token: b\n  user: [c]\n"))
		f.Add(name, []byte("[a]\ntoken = 'b'\nurl = 'c://d@e'\n"))
	}
	f.Fuzz(func(t *testing.T, file string, data []byte) {
		held, err := forgeRead(file, data)
		if err != nil {
			return
		}
		for _, h := range held {
			c, err := h.put(data, "glpat-abc.def")
			if err != nil {
				continue
			}
			if c.From < 0 || c.To > len(data) || c.From > c.To || string(data[c.From:c.To]) != c.Old {
				t.Fatal("a change of what is not there")
			}
		}
	})
}
