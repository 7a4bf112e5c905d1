package respond

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/edit"
	"wormbell/internal/executable"
	"wormbell/internal/secret"
)

// npmFiller puts tokens made at run time into a text: "§1" is the first.
type npmFiller map[string]string

func (f npmFiller) fill(text string) string {
	for mark, v := range f {
		text = strings.ReplaceAll(text, mark, v)
	}
	return text
}

func npmFilled() npmFiller {
	f := npmFiller{"§p": testRandom(16), "§x": "xyz_" + testRandom(40)}
	for _, mark := range []string{"§1", "§2", "§3"} {
		f[mark] = "npm_" + testRandom(36)
	}
	f["§b"] = base64.StdEncoding.EncodeToString([]byte(f["§p"]))
	f["§a"] = base64.StdEncoding.EncodeToString([]byte("alice:" + f["§p"]))
	return f
}

// npmSeen is what a test compares of a token.
type npmSeen struct {
	Name, Site, Owner, Value string
	Places                   []string
	Note                     bool
}

func TestNpmFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		files  map[string]string
		paths  []string
		env    map[string]string
		want   []npmSeen
		partly bool
		logs   string
	}{
		{name: "nothing"},
		{name: "npm", files: map[string]string{"~/.npmrc": "; mine\nregistry=https://registry.example.com/\n//registry.example.com/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:registry.example.com", Site: "https://registry.example.com", Value: "§1", Places: []string{"~/.npmrc //registry.example.com/:_authToken"}}}},
		{name: "scheme, port and path of the registry that is named", files: map[string]string{"~/.npmrc": "@a:registry = http://127.0.0.1:4873/npm/\n//127.0.0.1:4873/npm/:_authToken=\"§x\"\n"},
			want: []npmSeen{{Name: "npm:127.0.0.1:4873/npm", Site: "http://127.0.0.1:4873/npm", Value: "§x", Places: []string{"~/.npmrc //127.0.0.1:4873/npm/:_authToken"}}}},
		{name: "a key for all that is below", files: map[string]string{"~/.npmrc": "@a:registry=https://r.example.com/api/npm/a/\n//r.example.com/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com/api/npm/a", Site: "https://r.example.com/api/npm/a", Value: "§1", Places: []string{"~/.npmrc //r.example.com/:_authToken"}}}},
		{name: "no registry is named", files: map[string]string{"~/.npmrc": "//r.example.com/x:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com/x", Site: "https://r.example.com/x", Value: "§1", Places: []string{"~/.npmrc //r.example.com/x:_authToken"}}}},
		{name: "another scheme elsewhere", files: map[string]string{"~/.npmrc": "registry=http://other.example.com/\n//r.example.com/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.npmrc //r.example.com/:_authToken"}}}},
		{name: "as npm 6 wrote it", files: map[string]string{"~/.npmrc": "_authToken=§1\nregistry=https://r.example.com\n"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.npmrc _authToken"}}}},
		{name: "several", files: map[string]string{"~/.npmrc": "//r.example.com/:_authToken=§1\n//s.example.com/:_authToken=§2\n//r.example.com/:_authToken=§3\n"},
			want: []npmSeen{
				{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.npmrc //r.example.com/:_authToken"}},
				{Name: "npm:s.example.com", Site: "https://s.example.com", Value: "§2", Places: []string{"~/.npmrc //s.example.com/:_authToken"}},
				{Name: "npm:r.example.com#2", Site: "https://r.example.com", Value: "§3", Places: []string{"~/.npmrc //r.example.com/:_authToken"}}}},
		{name: "variables", files: map[string]string{
			"~/.npmrc":       "//r.example.com/:_authToken=${NPM_TOKEN}\n//s.example.com/:_authToken=${OTHER?}\n//t.example.com/:_password=${PW}\n//t.example.com/:_auth=${AUTH}\n",
			"~/.bunfig.toml": "[install.registry]\nurl = \"https://r.example.com\"\ntoken = \"$BUN_TOKEN\"\n",
			"~/.yarnrc.yml":  "npmRegistryServer: https://r.example.com\nnpmAuthToken: \"${YARN_TOKEN-§1}\"\n"}, logs: "BUN_TOKEN"},
		{name: "values that are none", files: map[string]string{"~/.npmrc": "//r.example.com/:_authToken=\n//s.example.com/:_authToken\n//t.example.com/:_authToken=\"a b c d e f g\"\n[x]\n//u.example.com/:_authToken=§1\n"}},
		{name: "passwords", files: map[string]string{"~/.npmrc": "//r.example.com/:username=alice\n//r.example.com/:_password=§b\n//r.example.com/:email=a@example.com\n//s.example.com/:_auth=§a\n"},
			want: []npmSeen{
				{Name: "npm:r.example.com", Site: "https://r.example.com", Owner: "alice", Value: "§p", Note: true, Places: []string{"~/.npmrc //r.example.com/:_password"}},
				{Name: "npm:s.example.com", Site: "https://s.example.com", Owner: "alice", Value: "§p", Note: true, Places: []string{"~/.npmrc //s.example.com/:_auth"}}}},
		{name: "everywhere the same", files: map[string]string{
			"~/.npmrc":                 "registry=https://r.example.com\n//r.example.com/:_authToken=§1\n",
			"~/.config/pnpm/auth.ini":  "//r.example.com/:_authToken=§1\n",
			"~/.config/pnpm/rc":        "//r.example.com/:_authToken=§1\n",
			"~/.yarnrc":                "registry \"https://r.example.com\"\n\"//r.example.com/:_authToken\" §1\n",
			"~/.yarnrc.yml":            "npmScopes:\n  acme:\n    npmRegistryServer: https://r.example.com\n    npmAuthToken: §1\n",
			"~/.bunfig.toml":           "[install.scopes]\nacme = { token = \"§1\", url = \"https://r.example.com/\" }\n",
			"~/.config/yarn/elsewhere": "§1",
		},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{
				"~/.bunfig.toml install.scopes.acme.token", "~/.config/pnpm/auth.ini //r.example.com/:_authToken", "~/.config/pnpm/rc //r.example.com/:_authToken",
				"~/.npmrc //r.example.com/:_authToken", "~/.yarnrc //r.example.com/:_authToken", "~/.yarnrc.yml npmScopes.acme.npmAuthToken"}}}},
		{name: "one value for two registries", files: map[string]string{"~/.npmrc": "//r.example.com/:_authToken=§1\n//s.example.com/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.npmrc //r.example.com/:_authToken"}},
				{Name: "npm:s.example.com", Site: "https://s.example.com", Value: "§1", Places: []string{"~/.npmrc //s.example.com/:_authToken"}}}},
		{name: "one value for two registries of one server", files: map[string]string{"~/.npmrc": "//r.example.com/a/:_authToken=§1\n//r.example.com/b/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com/a", Site: "https://r.example.com/a", Value: "§1", Note: true,
				Places: []string{"~/.npmrc //r.example.com/a/:_authToken", "~/.npmrc //r.example.com/b/:_authToken"}}}},
		{name: "yarn", files: map[string]string{"~/.yarnrc.yml": "npmRegistryServer: \"https://r.example.com/y\"\nnpmAuthToken: §1 # mine\nnpmScopes:\n  b:\n    npmAuthToken: '§2'\nnpmRegistries:\n  //s.example.com:\n    npmAuthToken: §3\n  \"https://t.example.com\":\n    npmAuthIdent: alice:§p\n"},
			want: []npmSeen{
				{Name: "npm:r.example.com/y", Site: "https://r.example.com/y", Value: "§1", Places: []string{"~/.yarnrc.yml npmAuthToken"}},
				{Name: "npm:r.example.com/y#2", Site: "https://r.example.com/y", Value: "§2", Places: []string{"~/.yarnrc.yml npmScopes.b.npmAuthToken"}},
				{Name: "npm:s.example.com", Site: "https://s.example.com", Value: "§3", Places: []string{"~/.yarnrc.yml npmRegistries.//s.example.com.npmAuthToken"}},
				{Name: "npm:t.example.com", Site: "https://t.example.com", Owner: "alice", Value: "§p", Note: true, Places: []string{"~/.yarnrc.yml npmRegistries.https://t.example.com.npmAuthIdent"}}}},
		{name: "bun", files: map[string]string{"~/.bunfig.toml": "[install]\nregistry = { url = \"https://r.example.com\", username = \"alice\", password = \"§p\" }\n[install.scopes.b]\ntoken = '§2'\n[other]\ntoken = \"§3\"\n"},
			want: []npmSeen{
				{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§2", Places: []string{"~/.bunfig.toml install.scopes.b.token"}},
				{Name: "npm:r.example.com#2", Site: "https://r.example.com", Owner: "alice", Value: "§p", Note: true, Places: []string{"~/.bunfig.toml install.registry.password"}}}},
		{name: "a token whose registry nobody names", files: map[string]string{"~/.yarnrc.yml": "npmAuthToken: §x\n"},
			want: []npmSeen{{Name: "npm:unknown", Value: "§x", Note: true, Places: []string{"~/.yarnrc.yml npmAuthToken"}}}},
		{name: "npm's own registry by the environment", files: map[string]string{"~/.yarnrc.yml": "npmAuthToken: §1\n"}, env: map[string]string{"npm_config_registry": "https://r.example.com/"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.yarnrc.yml npmAuthToken"}}}},
		{name: "only these files", files: map[string]string{"~/.npmrc": "//r.example.com/:_authToken=§1\n", "~/app/.npmrc": "//s.example.com/:_authToken=§2\n", "~/.yarnrc.yml": "npmAuthToken: §3"},
			paths: []string{"~/app/.npmrc", "~/.ssh/id_rsa", "~/app/rc"},
			want:  []npmSeen{{Name: "npm:s.example.com", Site: "https://s.example.com", Value: "§2", Places: []string{"~/app/.npmrc //s.example.com/:_authToken"}}}},
		{name: "none of these files", files: map[string]string{"~/.npmrc": "//r.example.com/:_authToken=§1\n"}, paths: []string{}},
		{name: "another userconfig", files: map[string]string{"~/mine": "//r.example.com/:_authToken=§1\n"}, env: map[string]string{"NPM_CONFIG_USERCONFIG": "~/mine"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/mine //r.example.com/:_authToken"}}}},
		{name: "a file that makes no sense", files: map[string]string{"~/.yarnrc.yml": "a: [§1\n", "~/.npmrc": "//r.example.com/:_authToken=§2\n"}, partly: true,
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§2", Places: []string{"~/.npmrc //r.example.com/:_authToken"}}}},
		{name: "addresses for a shell", files: map[string]string{"~/.npmrc": "registry=https://r.example.com/;reboot/\n//r.example.com/$(reboot)/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:unknown", Value: "§1", Note: true, Places: []string{"~/.npmrc //r.example.com/$(reboot)/:_authToken"}}}},
		{name: "a password in the registry's address", files: map[string]string{"~/.npmrc": "registry=https://alice:§p@r.example.com/\n//r.example.com/:_authToken=§1\n"},
			want: []npmSeen{{Name: "npm:r.example.com", Site: "https://r.example.com", Value: "§1", Places: []string{"~/.npmrc //r.example.com/:_authToken"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := npmFilled()
			m := testMachine(t)
			m.Getenv = func(name string) string {
				if v, ok := tt.env[name]; ok && strings.HasPrefix(v, "~") {
					return m.Abs(v)
				}
				return tt.env[name]
			}
			for p, text := range tt.files {
				testPut(t, m, p, f.fill(text))
			}
			tokens, err := npmFind(t.Context(), m, tt.paths)
			if (err != nil) != tt.partly || err != nil && !errors.Is(err, ErrPartly) {
				t.Errorf("error %v", err)
			}
			var got, want []npmSeen
			for _, k := range tokens {
				s := npmSeen{Name: k.Name, Site: k.Site, Owner: k.Owner, Value: k.Value.Reveal(), Note: k.Note != ""}
				for _, p := range k.Places {
					s.Places = append(s.Places, p.String())
				}
				got = append(got, s)
				if k.Kind != "npm" {
					t.Errorf("kind %q", k.Kind)
				}
			}
			for _, s := range tt.want {
				if s.Value = f.fill(s.Value); s.Note && s.Site == "" {
					s.Note = true
				}
				want = append(want, s)
			}
			less := func(a, b npmSeen) int { return strings.Compare(a.Name, b.Name) }
			slices.SortFunc(got, less)
			slices.SortFunc(want, less)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("tokens (-want +got):", diff)
			}
			if !strings.Contains(testLog(m), tt.logs) {
				t.Errorf("the log does not tell of %s", tt.logs)
			}
			var canaries []string
			for _, v := range f {
				canaries = append(canaries, v)
			}
			testShows(t, m, canaries, err)
		})
	}
}

// TestNpmUsual asks a program that stands in for npm.
func TestNpmUsual(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script for npm")
	}
	m := testMachine(t)
	bin := t.TempDir()
	script := "#!/bin/sh\n[ \"$1 $2 $3\" = 'config get registry' ] && [ ! -e \"$HOME/.npmrc\" ] && echo https://registry.example.com/\n"
	if err := executable.Write(filepath.Join(bin, "npm"), script); err != nil {
		t.Fatal(err)
	}
	m.Getenv = func(name string) string {
		return map[string]string{"PATH": t.TempDir() + string(os.PathListSeparator) + bin + string(os.PathListSeparator) + "/bin:/usr/bin"}[name]
	}
	value := "npm_" + testRandom(36)
	testPut(t, m, "~/.npmrc", "@acme:registry=https://r.example.com\n")
	testPut(t, m, "~/.yarnrc.yml", "npmAuthToken: "+value+"\n")
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 1 || tokens[0].Site != "https://registry.example.com" {
		t.Errorf("%v, %v", tokens, err)
	}
}

func TestNpmLeavesToOthersWhatIsTheirs(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	testPut(t, m, "~/.npmrc", "//npm.pkg.github.com/:_authToken=ghp_"+testRandom(36)+"\n//gitlab.example.com/api/v4/packages/npm/:_authToken=glpat-"+testRandom(20)+"\n")
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 0 {
		t.Errorf("%v, %v", tokens, err)
	}
	for id, find := range map[string]func() ([]Token, error){
		"github": func() ([]Token, error) { return githubFind(t.Context(), m, nil) },
		"gitlab": func() ([]Token, error) { return gitlabFind(t.Context(), m, nil) },
	} {
		if tokens, err := find(); err != nil || len(tokens) != 1 {
			t.Errorf("%s finds %d tokens, %v", id, len(tokens), err)
		}
	}
}

// npmHomes are files as they were written by people and by programs, with the
// token §1.
var npmHomes = map[string]string{
	"~/.npmrc":                "; my registry\nregistry=https://r.example.com/ ; the one\n\n//r.example.com/:_authToken = §1 ; until May\n//r.example.com/:_authToken=\"§1\"\r\nfund=false",
	"~/.config/pnpm/auth.ini": "# pnpm\n//r.example.com/:_authToken=§1\n",
	"~/.yarnrc":               "# THIS IS AN AUTOGENERATED FILE\n\n\nlastUpdateCheck 1700000000000\n\"//r.example.com/:_authToken\" \"§1\"\n//r.example.com/:_authToken §1\nemail a@example.com\n",
	"~/.yarnrc.yml":           "# berry\nnpmRegistryServer: https://r.example.com\nnpmAuthToken: \"§1\" # mine\nnpmScopes:\n  acme: # ours\n    npmAuthToken: §1\n    npmAlwaysAuth: true\n",
	"~/.bunfig.toml":          "[install]\n# bun\nregistry = { url = \"https://r.example.com\", token = '§1' } # mine\nfrozenLockfile = true\n",
}

func TestNpmInstall(t *testing.T) {
	t.Parallel()
	f, m := npmFilled(), testMachine(t)
	for p, text := range npmHomes {
		testPut(t, m, p, f.fill(text))
	}
	if err := os.Chmod(m.Abs("~/.npmrc"), 0o640); err != nil {
		t.Fatal(err)
	}
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 1 || len(tokens[0].Places) != 8 {
		t.Fatalf("%v, %v", tokens, err)
	}
	old, new := tokens[0], tokens[0]
	new.Value = secret.Of(f["§2"])
	for range 2 { // the second time there is nothing to do
		if err := npmInstall(t.Context(), m, old, new); err != nil {
			t.Fatal(err)
		}
		for p, text := range npmHomes {
			if got, want := testText(t, m, p), f.fill(strings.ReplaceAll(text, "§1", "§2")); got != want {
				t.Errorf("%s is not as it was but for the token", p)
			}
		}
	}
	if info, err := os.Stat(m.Abs("~/.npmrc")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// One key twice: npm believes the last, we touch our own.
	testPut(t, m, "~/.npmrc", f.fill("//r.example.com/:_authToken=§3\n//r.example.com/:_authToken=§2\n"))
	if err := npmInstall(t.Context(), m, new, old); err != nil || testText(t, m, "~/.npmrc") != f.fill("//r.example.com/:_authToken=§3\n//r.example.com/:_authToken=§1\n") {
		t.Errorf("a third one beside it: %v", err)
	}
	if err := npmInstall(t.Context(), m, old, new); err != nil {
		t.Error(err)
	}
	// What holds a third one is left alone, and the others are not.
	testPut(t, m, "~/.npmrc", f.fill("//r.example.com/:_authToken=§3\n"))
	third := new
	third.Value = secret.Of("npm_" + testRandom(36))
	if err := npmInstall(t.Context(), m, new, third); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("error %v", err)
	}
	if testText(t, m, "~/.npmrc") != f.fill("//r.example.com/:_authToken=§3\n") || !strings.Contains(testText(t, m, "~/.yarnrc"), third.Value.Reveal()) {
		t.Error("the wrong files were changed")
	}
	if err := os.Remove(m.Abs("~/.npmrc")); err != nil {
		t.Fatal(err)
	}
	if err := npmInstall(t.Context(), m, new, third); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("error %v", err)
	}
}

func TestNpmForget(t *testing.T) {
	t.Parallel()
	f, m := npmFilled(), testMachine(t)
	for p, text := range npmHomes {
		testPut(t, m, p, f.fill(text))
	}
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 1 {
		t.Fatalf("%v, %v", tokens, err)
	}
	for range 2 {
		if err := npmForget(t.Context(), m, tokens[0]); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"~/.npmrc":                "; my registry\nregistry=https://r.example.com/ ; the one\n\nfund=false",
		"~/.config/pnpm/auth.ini": "# pnpm\n",
		"~/.yarnrc":               "# THIS IS AN AUTOGENERATED FILE\n\n\nlastUpdateCheck 1700000000000\nemail a@example.com\n",
		"~/.yarnrc.yml":           "# berry\nnpmRegistryServer: https://r.example.com\nnpmScopes:\n  acme: # ours\n    npmAlwaysAuth: true\n",
		"~/.bunfig.toml":          "[install]\n# bun\nregistry = { url = \"https://r.example.com\", token = '' } # mine\nfrozenLockfile = true\n",
	}
	for p, text := range want {
		if diff := cmp.Diff(text, strings.ReplaceAll(testText(t, m, p), f["§1"], "§1")); diff != "" {
			t.Errorf("%s (-want +got): %s", p, diff)
		}
	}
}

// TestNpmPasswordInPlace: a pasted password is written as the old one was.
func TestNpmPasswordInPlace(t *testing.T) {
	t.Parallel()
	f, m := npmFilled(), testMachine(t)
	testPut(t, m, "~/.npmrc", f.fill("//r.example.com/:username=alice\n//r.example.com/:_password=§b\n//r.example.com/s/:_auth=§a\n"))
	testPut(t, m, "~/.yarnrc.yml", f.fill("npmRegistries:\n  \"https://r.example.com\":\n    npmAuthIdent: \"alice:§p\"\n"))
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 1 || len(tokens[0].Places) != 3 {
		t.Fatalf("%v, %v", tokens, err)
	}
	new := tokens[0]
	pasted := testRandom(20)
	new.Value = secret.Of(pasted)
	for range 2 {
		if err := npmInstall(t.Context(), m, tokens[0], new); err != nil {
			t.Fatal(err)
		}
	}
	b64 := base64.StdEncoding.EncodeToString
	if got, want := testText(t, m, "~/.npmrc"), "//r.example.com/:username=alice\n//r.example.com/:_password="+b64([]byte(pasted))+"\n//r.example.com/s/:_auth="+b64([]byte("alice:"+pasted))+"\n"; got != want {
		t.Errorf("~/.npmrc is not as it should be")
	}
	if got := testText(t, m, "~/.yarnrc.yml"); !strings.Contains(got, `"alice:`+pasted+`"`) {
		t.Error("~/.yarnrc.yml is not as it should be")
	}
	for what, err := range map[string]error{
		"create": func() error { _, err := npmCreate(t.Context(), m, new, "x"); return err }(),
		"revoke": npmRevoke(t.Context(), m, new, Token{}),
	} {
		if !errors.Is(err, ErrNotPossible) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if pages := npmPages(new); len(pages) != 1 || !strings.Contains(strings.Join(pages[0].Steps, " "), "password of alice") {
		t.Errorf("pages %v", pages)
	}
}

func FuzzNpmFiles(f *testing.F) {
	for p, text := range npmHomes {
		f.Add(p, text)
	}
	f.Add("~/.yarnrc", "\"a")
	f.Add("~/.yarnrc.yml", "0")
	f.Fuzz(func(t *testing.T, p, text string) {
		read := npmReader(p)
		if read == nil || !strings.HasPrefix(p, "~/") {
			return
		}
		entries, err := read([]byte(text))
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.value.Empty() || e.basic {
				continue
			}
			places := []Place{{Path: p, Key: e.key}}
			old, new := Token{Value: e.value}, Token{Value: secret.Of("npm_0123456789")}
			if _, err := npmReplace([]byte(text), places, old, new); err != nil && !errors.Is(err, edit.ErrCannot) {
				t.Errorf("%q in %q: %v", e.key, text, err)
			}
			if _, err := npmRemove([]byte(text), places, old); err != nil {
				t.Errorf("%q in %q: %v", e.key, text, err)
			}
		}
	})
}
