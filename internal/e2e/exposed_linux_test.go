package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// shown is what alert show --json says.
type shown struct {
	wormbell.Alert
	Exposure struct {
		Variables []struct{ Name, By string }
		Exported  []struct {
			Name, Path string
			Line       int
		}
		Versions []struct{ Name, Version, Registry, By string }
		Reach    []struct{ Where, Why string }
		Commands []struct {
			Does, What, Line string
			Confirmed        bool
		}
	}
}

func (s *stage) shows(args ...string) (x shown) {
	s.t.Helper()
	out := s.ours("~", "", append([]string{"--json", "alert", "show", s.alert.ID}, args...)...)
	_, out, _ = strings.Cut("\n"+out, "\n{") // warnings come before
	if err := json.Unmarshal([]byte("{"+out), &x); err != nil {
		s.t.Fatalf("alert show: %v\n%s", err, out)
	}
	return x
}

// TestExposedVariables: what stood in the thief's environment is named, and
// where it comes from, and nothing of it is shown.
func TestExposedVariables(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	token := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, token, secretservice.Start(t, secretservice.Config{UID: person}))
	npm, github, unused := validToken(t), "ghp_"+validToken(t)[4:], validToken(t)
	s.write("~/.bashrc", "# mine\nexport NPM_TOKEN="+npm+"\nalias ll='ls -l'\nGITHUB_TOKEN="+github+"\nexport GITHUB_TOKEN\nexport COLOUR=blue\nOLD_NPM_TOKEN="+unused+"\n")
	s.pack("evil", `
const fs = require('fs')
fs.readFileSync(process.env.HOME + '/.npmrc')
fs.writeFileSync(process.env.HOME + '/had', Object.keys(process.env).join(' '))
`)
	term := s.terminal()
	term.types(". ~/.bashrc; mkdir -p ~/app && cd ~/app && echo {} >package.json")
	term.types("npm install " + s.path("~/evil-1.0.0.tgz"))
	s.alert, _ = s.rings("credential-read")
	if had, err := os.ReadFile(s.path("~/had")); err != nil || !strings.Contains(string(had), "NPM_TOKEN") {
		t.Fatalf("the thief had %q, %v", had, err)
	}
	s.settle()

	x := s.shows()
	var names []string
	for _, v := range x.Exposure.Variables {
		names = append(names, v.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"GITHUB_TOKEN", "NPM_TOKEN"}) {
		t.Errorf("the variables are %q", names)
	}
	var lines []string
	for _, e := range x.Exposure.Exported {
		lines = append(lines, fmt.Sprint(e.Name, " ", e.Path, ":", e.Line))
	}
	slices.Sort(lines)
	if !slices.Equal(lines, []string{"GITHUB_TOKEN ~/.bashrc:4", "NPM_TOKEN ~/.bashrc:2"}) {
		t.Errorf("they come from %q", lines)
	}
	all := s.ours("~", "", "alert", "show", s.alert.ID) + s.ours("~", "", "alert", "show", s.alert.ID, "--report") +
		s.ours("~", "", "alert", "show", s.alert.ID, "--online") + s.ours("~", "", "respond", s.alert.ID, "--plan") + s.ours("~", "", "tokens")
	s.hides("what was shown", []byte(all), npm, github, unused)
	for _, want := range []string{"NPM_TOKEN", "GITHUB_TOKEN", "~/.bashrc"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not say %s:\n%s", want, all)
		}
	}
	s.nothingElse("showing it", s.alert.ID)
	s.nowhere(npm, github, unused)
}

// pack makes the tarball of a dependency with this postinstall.
func (s *stage) pack(name, postinstall string) {
	s.t.Helper()
	s.write("~/"+name+"/package.json", `{"name":"`+name+`","version":"1.0.0","scripts":{"postinstall":"node go.js"}}`)
	s.write("~/"+name+"/go.js", postinstall)
	s.must("~/"+name, "npm", "pack", "--silent", "--pack-destination", s.home)
}

// TestExposedVersions: what a worm published with the stolen token is listed,
// with commands that take it back.
func TestExposedVersions(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	token := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, token, secretservice.Start(t, secretservice.Config{UID: person}))
	// The person's packages, as they were before.
	theirs := []string{"lib", "@dev/tool", "site"}
	term := s.terminal()
	for _, name := range theirs {
		dir := "~/src/" + filepath.Base(name)
		s.write(dir+"/package.json", `{"name":"`+name+`","version":"1.0.0"}`)
		term.types("cd " + dir + " && npm publish --access public")
	}
	s.nothingElse("a release")
	s.pack("evil", `
const fs = require('fs'), {execFileSync} = require('child_process')
for (const name of ['lib', '@dev/tool', 'site']) {
  const dir = fs.mkdtempSync(process.env.HOME + '/w-')
  fs.writeFileSync(dir + '/package.json', JSON.stringify({name, version: '1.0.1'}))
  execFileSync('npm', ['publish', '--access', 'public'], {cwd: dir, stdio: 'ignore'})
}
`)
	s.write("~/app/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	if out, code := s.at("~/app", "", "npm", "install", s.path("~/evil-1.0.0.tgz")); code != 0 {
		t.Fatalf("npm install: %s", out)
	}
	s.alert, _ = s.rings("publish-by-install-script")
	s.settle()

	x := s.shows("--online")
	for _, name := range theirs {
		i := slices.IndexFunc(x.Exposure.Versions, func(v struct{ Name, Version, Registry, By string }) bool {
			return v.Name == name && v.Version == "1.0.1"
		})
		if i < 0 || x.Exposure.Versions[i].Registry != v.URL { // Verdaccio does not say by whom
			t.Errorf("%s@1.0.1 is not among %+v", name, x.Exposure.Versions)
		}
	}
	// Taken back, with the real npm and the person's token, as they stand there.
	for _, does := range []string{"deprecate", "unpublish"} {
		for _, name := range theirs {
			var line string
			for _, c := range x.Exposure.Commands {
				if c.Does == does && c.What == name+"@1.0.1" && c.Confirmed {
					line = c.Line
				}
			}
			if out, code := s.at("~", "", "sh", "-c", line); line == "" || code != 0 {
				t.Errorf("%s: exit %d\n%s", line, code, out)
			}
			left := versions(t, v.URL, name)
			is, stays := left["1.0.1"]
			if was, ok := left["1.0.0"]; !ok || was != "" {
				t.Errorf("%s, and 1.0.0 is there: %v, deprecated: %q", line, ok, was)
			}
			if does == "deprecate" && !strings.HasPrefix(is, "Published by malware on ") || does == "unpublish" && stays {
				t.Errorf("%s, and 1.0.1 is there: %v, deprecated: %q", line, stays, is)
			}
		}
	}
	s.nothingElse("taking it back", s.alert.ID)
}

// versions returns what the registry has of a package, and why each version is
// deprecated, if it is.
func versions(t *testing.T, base, name string) map[string]string {
	t.Helper()
	res, err := http.Get(base + "/" + url.PathEscape(name))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Versions map[string]struct{ Deprecated string }
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for v, what := range doc.Versions {
		all[v] = what.Deprecated
	}
	return all
}
