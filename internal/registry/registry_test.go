package registry_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/registry"
)

const token = "npm_a-token-of-this-test"

// start returns a registry that asks for token.
func start(t *testing.T) *registry.Server {
	t.Helper()
	s, err := registry.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.RequireToken(token, "alice")
	return s
}

// client is the real npm with a home of its own.
type client struct {
	t    *testing.T
	home string
	env  []string
}

func newClient(t *testing.T, s *registry.Server, token string) *client {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed")
	}
	home := t.TempDir()
	write(t, filepath.Join(home, ".npmrc"), "registry="+s.URL+"/\n//"+s.Host+"/:_authToken="+token+"\n")
	return &client{t, home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USERPROFILE=" + home,
		"npm_config_update_notifier=false", "npm_config_fund=false"}}
}

// npm runs npm in dir and returns what it wrote to both outputs, and whether it ended well.
func (c *client) npm(dir string, args ...string) (string, bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir, cmd.Env = dir, c.env
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		c.t.Fatalf("npm %v took too long", args)
	}
	return string(out), err == nil
}

func (c *client) must(dir string, args ...string) string {
	c.t.Helper()
	out, ok := c.npm(dir, args...)
	if !ok {
		c.t.Fatalf("npm %v:\n%s", args, out)
	}
	return strings.TrimSpace(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNpmPublishesAndInstalls(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain-pkg", "@team/scoped-pkg"} {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			c := newClient(t, s, token)
			src := filepath.Join(c.home, "src")
			write(t, filepath.Join(src, "package.json"), `{"name":"`+name+`","version":"1.0.0"}`)
			write(t, filepath.Join(src, "index.js"), "module.exports = 41\n")

			if got := c.must(src, "whoami"); got != "alice" {
				t.Errorf("whoami says %q", got)
			}
			c.must(src, "publish", "--access=public")
			write(t, filepath.Join(src, "package.json"), `{"name":"`+name+`","version":"1.1.0-rc.1"}`)
			c.must(src, "publish", "--access=public", "--tag=next")

			var got []string
			for _, p := range s.Published() {
				got = append(got, p.Name+"@"+p.Version)
			}
			if diff := cmp.Diff([]string{name + "@1.0.0", name + "@1.1.0-rc.1"}, got); diff != "" {
				t.Error("published (-want +got):", diff)
			}
			if got := c.must(src, "view", name, "version"); got != "1.0.0" {
				t.Errorf("view says %q", got)
			}
			if got := c.must(src, "view", name+"@next", "version"); got != "1.1.0-rc.1" {
				t.Errorf("view of the tag says %q", got)
			}
			c.must(src, "dist-tag", "add", name+"@1.0.0", "old")
			c.must(src, "dist-tag", "rm", name, "next")
			if diff := cmp.Diff("latest: 1.0.0\nold: 1.0.0", c.must(src, "dist-tag", "ls", name)); diff != "" {
				t.Error("tags (-want +got):", diff)
			}

			app := filepath.Join(c.home, "app")
			write(t, filepath.Join(app, "package.json"), `{"name":"app","private":true}`)
			c.must(app, "install", name)
			body, err := os.ReadFile(filepath.Join(app, "node_modules", name, "index.js"))
			if err != nil || string(body) != "module.exports = 41\n" {
				t.Errorf("installed %q, %v", body, err)
			}
			c.must(app, "ci") // checks the lock file's integrity against the tarball
			c.must(app, "audit")
		})
	}
}

func TestSeededPackageRunsItsScript(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newClient(t, s, token)
	err := s.Seed(map[string]any{"name": "seeded", "version": "2.0.0",
		"scripts": map[string]string{"postinstall": "node run.js"}},
		map[string]string{"run.js": "require('fs').writeFileSync('ran', '')\n"})
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(c.home, "app")
	write(t, filepath.Join(app, "package.json"), `{"name":"app","private":true,"allowScripts":{"seeded":true}}`)
	c.must(app, "install", "seeded@2.0.0")
	if _, err := os.Stat(filepath.Join(app, "node_modules", "seeded", "ran")); err != nil {
		t.Error("the postinstall script did not run:", err)
	}
	if got := s.Published(); len(got) != 0 {
		t.Errorf("seeding counts as publishing: %v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		token string
		set   func(*registry.Server)
		want  string
		kept  int // publishes refused by the registry's own rules
	}{
		{name: "wrong token", token: "npm_another", want: "E401"},
		{name: "told to forbid", token: token, set: func(s *registry.Server) { s.FailPublishes(403) }, want: "E403", kept: 1},
		{name: "told to conflict", token: token, set: func(s *registry.Server) { s.FailPublishes(409) }, want: "E409", kept: 1},
		{name: "version is taken", token: token, set: func(s *registry.Server) {
			if err := s.Seed(map[string]any{"name": "mine", "version": "1.0.0"}, nil); err != nil {
				t.Error(err)
			}
		}, want: "cannot publish over", kept: 0}, // npm asks first and does not even try
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			if tt.set != nil {
				tt.set(s)
			}
			c := newClient(t, s, tt.token)
			src := filepath.Join(c.home, "src")
			write(t, filepath.Join(src, "package.json"), `{"name":"mine","version":"1.0.0"}`)
			out, ok := c.npm(src, "publish")
			if ok || !strings.Contains(out, tt.want) {
				t.Errorf("npm publish ended well: %v, and says\n%s", ok, out)
			}
			if got := len(s.Published()); got != 0 {
				t.Errorf("%d were published", got)
			}
			if got := len(s.Refused()); got != tt.kept {
				t.Errorf("%d refusals are told, want %d", got, tt.kept)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.RequireToken("", "bob")
	if err := s.Seed(map[string]any{"name": "here", "version": "1.0.0"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/-/ping", "", 200},
		{"GET", "/here", "", 200},
		{"GET", "/here/latest", "", 200},
		{"GET", "/here/-/here-1.0.0.tgz", "", 200},
		{"GET", "/", "", 404},
		{"GET", "/absent", "", 404},
		{"GET", "/here/9.9.9", "", 404},
		{"GET", "/here/-/here-9.9.9.tgz", "", 404},
		{"GET", "/here/-/", "", 404},
		{"GET", "/@", "", 404},
		{"GET", "/-/nothing", "", 404},
		{"DELETE", "/here", "", 404},
		{"PUT", "/here", "{", 400},
		{"PUT", "/here", `{"name":"here"}`, 400},
		{"PUT", "/here", `{"name":"there","versions":{"1.0.1":{}},"_attachments":{"a":{"data":""}}}`, 400},
		{"PUT", "/here", `{"name":"here","versions":{"1.0.1":{}},"_attachments":{"a":{"data":"%"}}}`, 400},
		{"PUT", "/here", `{"name":"here","versions":{"1.0.1":{"dist":{"integrity":"sha512-no"}}},"_attachments":{"a":{"data":""}}}`, 400},
		{"PUT", "/here", `{"name":"here","versions":{"1.0.1":null},"_attachments":{"a":{"data":""}}}`, 400},
		{"PUT", "/here", `{"name":"here","versions":{"1.0.0":{}},"_attachments":{"a":{"data":""}}}`, 403},
		{"PUT", "/-/package/here/dist-tags/x", `"9.9.9"`, 400},
		{"PUT", "/-/package/here/dist-tags/x", `9`, 400},
		{"DELETE", "/-/package/here/dist-tags/latest", ``, 400},
		{"GET", "/-/package/absent/dist-tags", ``, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tt.want {
			t.Errorf("%s %s: %d, want %d: %s", tt.method, tt.path, res.StatusCode, tt.want, body)
		}
		if tt.want >= 400 {
			var said struct{ Error string }
			if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
				t.Errorf("%s %s: npm finds no error in %s", tt.method, tt.path, body)
			}
		}
	}
	if err := s.Seed(map[string]any{"name": "here"}, nil); err == nil {
		t.Error("a package without a version was seeded")
	}
	if err := s.Seed(map[string]any{"name": "here", "version": "1.0.0"}, nil); err == nil {
		t.Error("a version was seeded twice")
	}
}

func TestWaitPublished(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitPublished(ctx, 0); err != nil {
		t.Error("nothing to wait for:", err)
	}
	if err := s.WaitPublished(ctx, 1); err == nil {
		t.Error("it did not wait for a publication")
	}
}
