package wormbell_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormbell/internal/generate/pages"
	"wormbell/watchers"
)

// forbidden says which package must not come to depend on which, and why.
// Both are prefixes of import paths; "std" stands for "only the standard
// library".
var forbidden = []struct{ from, to, why string }{
	{"wormbell", "std", "the dictionary is what everything imports; it must import nothing"},
	{"wormbell/agent/client", "wormbell/agent/", "what speaks to the agent must not be the agent"},
	{"wormbell/agent/client", "wormbell/watchers", "what speaks to the agent must not be the agent"},
	{"wormbell/agent/detect", "wormbell/watchers", "a detector must replay the same everywhere"},
	{"wormbell/agent/detect", "wormbell/agent/alert", "findings do not know what becomes of them"},
	{"wormbell/watchers", "wormbell/agent", "the data goes one way: watchers do not know the agent"},
	{"wormbell/cmd/wormbelld", "wormbell/agent/respond", "root holds no tokens: responders run as the user"},
	{"wormbell/cmd/wormbelld", "wormbell/internal/secret", "root holds no tokens: responders run as the user"},
	{"wormbell/cmd/wormbelld", "github.com/zalando/go-keyring", "root holds no tokens: responders run as the user"},
	{"wormbell/agent/respond/call", "wormbell/agent", "it knows no service"},
	{"wormbell/cmd/wormbelld", "wormbell/internal/cli", "the agent is not its own client"},
	{"wormbell/cmd/wormbelld", "wormbell/installer", "the agent does not change what is installed"},
	{"wormbell/installer", "wormbell/agent", "it puts programs on a machine and does not know what they do"},
	{"wormbell/installer", "wormbell/internal/cli", "it must not know how a person is asked"},
	{"wormbell/cmd/wormbell-tray", "wormbell/installer", "what is installed is changed in a terminal"},
	{"wormbell/cmd/wormbelld", "wormbell/internal/registry", "the agent serves nobody but its own socket"},
	{"wormbell/cmd/wormbelld", "wormbell/tray", "root draws nothing and speaks to no desktop"},
	{"wormbell/cmd/wormbelld", "github.com/godbus/dbus", "root draws nothing and speaks to no desktop"},
	{"wormbell/tray", "wormbell/agent/respond", "responders run in the dashboard or the command line, which the tray starts"},
	{"wormbell/tray", "wormbell/agent/detect", "the tray shows what the agent says"},
	{"wormbell/tray", "wormbell/agent/alert", "the tray holds no state"},
	{"wormbell/tray", "wormbell/watchers", "the tray shows what the agent says"},
	{"wormbell/tray", "wormbell/internal/dashboard", "the tray serves nothing: it starts the dashboard"},
	{"wormbell/cmd/wormbell-tray", "wormbell/agent/respond", "responders run in the dashboard or the command line, which the tray starts"},
	{"wormbell/cmd/wormbell-tray", "wormbell/internal/dashboard", "the tray serves nothing: it starts the dashboard"},
	{"wormbell/cmd/wormbell-tray", "wormbell/internal/cli", "the tray is not the command line: it starts it"},
	{"wormbell/cmd/wormbell-tray", "github.com/zalando/go-keyring", "the tray holds no tokens"},
	{"wormbell/cmd/wormbell-tray", "golang.org/x/image", "icons are drawn by make generate"},
	{"wormbell/cmd", "wormbell/internal/registry/accounts", "accounts and sign-ins that anybody can have are for tests"},
	{"wormbell/cmd", "wormbell/internal/verdaccio", "it runs programs that are for tests"},
	{"wormbell/cmd", "wormbell/internal/secretservice", "it runs programs that are for tests"},
	{"wormbell/cmd", "wormbell/internal/vm", "it runs machines that are for tests"},
	{"wormbell/cmd", "wormbell/internal/release", "it makes packages, on a machine of whoever releases"},
	{"wormbell/cmd", "github.com/spf13/cobra/doc", "pages are made when packages are"},
	{"wormbell/cmd/wormbelld", "wormbell/internal/update", "root starts no package manager"},
	{"wormbell/cmd/wormbell-tray", "wormbell/internal/update", "the tray starts no package manager"},
	{"wormbell/cmd", "wormbell/internal/executable", "it writes programs for tests to run"},
}

// direct says which package must not import which itself, whatever its
// dependencies do.
var direct = []struct{ from, to, why string }{
	{"wormbell/agent/detect", "os", "a detector has no I/O"},
	{"wormbell/agent/detect", "net", "a detector has no I/O"},
	{"wormbell/agent/detect", "sync", "a detector has no goroutines"},
	{"wormbell/internal/ancestry", "os", "judgements on a process are made of its values alone"},
}

type pkg struct {
	ImportPath string
	Standard   bool
	Deps       []string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Deps,Imports,GoFiles,Dir", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func within(p, prefix string) bool {
	return p == prefix || strings.HasPrefix(p, strings.TrimSuffix(prefix, "/")+"/")
}

func TestForbiddenImports(t *testing.T) {
	all := packages(t)
	for _, rule := range forbidden {
		for _, p := range all {
			if p.Standard || p.ImportPath != rule.from && (rule.from == "wormbell" || !within(p.ImportPath, rule.from)) {
				continue
			}
			for _, dep := range p.Deps {
				if rule.to == "std" && !all[dep].Standard || rule.to != "std" && within(dep, rule.to) && !within(dep, rule.from) {
					t.Errorf("%s depends on %s: %s", p.ImportPath, dep, rule.why)
				}
			}
		}
	}
	for _, rule := range direct {
		if slices.Contains(all[rule.from].Imports, rule.to) {
			t.Errorf("%s imports %s: %s", rule.from, rule.to, rule.why)
		}
	}
}

// TestAgentStaysSmall: every module that runs as root has a reason on record.
func TestAgentStaysSmall(t *testing.T) {
	record, err := os.ReadFile("docs/decisions/0001-dependencies-of-the-agent.md")
	if err != nil {
		t.Fatal(err)
	}
	all := packages(t)
	for _, dep := range all["wormbell/cmd/wormbelld"].Deps {
		if all[dep].Standard || within(dep, "wormbell") {
			continue
		}
		parts := strings.Split(dep, "/")
		module := strings.Join(parts[:min(len(parts), 3)], "/")
		short := strings.Join(parts[:min(len(parts), 2)], "/")
		name := parts[min(len(parts), 2)-1]
		if len(parts) > 2 {
			name = parts[2]
		}
		text := string(record)
		if !strings.Contains(text, module) && !strings.Contains(text, "`"+short+"`") && !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the agent links %s, and docs/decisions gives no reason", dep)
		}
	}
	for _, dep := range append(all["wormbell/agent"].Deps, "wormbell/agent") {
		for _, bad := range []string{"os/exec", "plugin"} {
			if within(dep, "wormbell") && slices.Contains(all[dep].Imports, bad) {
				t.Errorf("%s imports %s; the agent runs as root and starts nothing", dep, bad)
			}
		}
	}
}

// TestPackagesSayWhatTheyAreFor: every package has a comment in one file.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Standard || !within(p.ImportPath, "wormbell") {
			continue
		}
		documented := 0
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				documented++
			}
		}
		if documented != 1 {
			t.Errorf("%s has a package comment in %d files, want one", p.ImportPath, documented)
		}
	}
}

// TestWatchersSorted: the list of watchers is in order, so that a reader finds
// the one that is missing. The detectors' list is checked with their scenes.
func TestWatchersSorted(t *testing.T) {
	if !slices.IsSortedFunc(watchers.All, func(a, b watchers.Watcher) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("watchers.All is not sorted by name")
	}
	for _, w := range watchers.All {
		file := map[string]string{"autostart": "autostart.go", "connections": "connections.go", "credentials": "credentials.go", "manifests": "manifests.go",
			"nodemodules": "nodemodules.go", "processes": "processes.go", "shellhistory": "shellhistory.go"}[w.Name]
		if _, err := os.Stat(filepath.Join("watchers", file)); err != nil || file == "" {
			t.Errorf("watcher %q has no file of its own: %v", w.Name, err)
		}
	}
}

// TestGeneratedPages: run `make generate` when it fails.
func TestGeneratedPages(t *testing.T) {
	for file, want := range pages.All() {
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s is stale (%v); run make generate", file, err)
		}
	}
}

// TestNoRegistryHosts: the product asks the user's npm which registry it uses,
// so no public one may be named anywhere.
func TestNoRegistryHosts(t *testing.T) {
	var hosts [][]byte
	for _, h := range []string{"registry.npm" + "js", "registry.yarn" + "pkg", "proxy.go" + "lang", "sum.go" + "lang", "deb.deb" + "ian", "security.deb" + "ian"} {
		hosts = append(hosts, []byte(h+"."))
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "bin" || d.Name() == "dist" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if bytes.Contains(b, h) {
				t.Errorf("%s names %s…", path, h)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
