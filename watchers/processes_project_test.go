package watchers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/watchers/internal/signer"
)

func newTestProjects(t *testing.T) *projects {
	t.Helper()
	files := signer.NewFiles()
	t.Cleanup(files.Close)
	return newProjects(files)
}

// putManifest writes a file and the folders above it.
func putManifest(t *testing.T, content string, at ...string) string {
	t.Helper()
	name := filepath.Join(at...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOwnFolders(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	putManifest(t, `{"name":"npm","workspaces":["packages/*","apps/**","!packages/not","tools/{x,y}"]}`, dir, "npm", "package.json")
	putManifest(t, `{"name":"yarn","workspaces":{"packages":["./packages/*/"],"nohoist":["x"]}}`, dir, "yarn", "package.json")
	putManifest(t, "{}", dir, "pnpm", "package.json")
	putManifest(t, "# comment\npackages:\n  - 'packages/*' # all\n  - \"!**/test/**\"\n  - apps/**\ncatalog:\n  - no/*\n", dir, "pnpm", "pnpm-workspace.yaml")
	putManifest(t, `{}`, dir, "npm", "packages", "a", "package.json")
	putManifest(t, `{"workspaces":"nonsense"}`, dir, "bad", "package.json")
	putManifest(t, `{"WORKSPACES":["*"]}`, dir, "shout", "package.json")
	if err := os.Symlink(filepath.Join(dir, "npm"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	p := newTestProjects(t)
	for _, tc := range []struct {
		root, folder string
		want         bool
	}{
		{"npm", "npm", true},
		{"link", "npm", true},
		{"npm", "link/packages/a", true},
		{"npm", "npm/packages/a", true},
		{"npm", "npm/packages/a/b", false},
		{"npm", "npm/packages/not", false},
		{"npm", "npm/apps/a/b/c", true},
		{"npm", "npm/apps/a/node_modules/b", false},
		{"npm", "npm/tools/y", true},
		{"npm", "npm/tools/z", false},
		{"npm", "npm/node_modules/a", false},
		{"npm", "npmx", false},
		{"npm", "elsewhere", false},
		{"npm/packages/a", "npm/packages/b", true}, // installed from within a workspace
		{"npm/packages/a", "npm", true},
		{"npm/packages/not", "npm", false},
		{"yarn", "yarn/packages/a", true},
		{"yarn", "yarn/x", false},
		{"pnpm", "pnpm/packages/a", true},
		{"pnpm", "pnpm/apps/x/test/y", true}, // the last pattern that matches decides
		{"pnpm", "pnpm/no/a", false},
		{"bad", "bad/nonsense", false},
		{"shout", "shout/a", false},
		{"", "npm/src", true},
		{"", "npm/node_modules/a", false},
	} {
		root := tc.root
		if root != "" {
			root = filepath.Join(dir, root)
		}
		for range 2 { // the second time from the cache
			if got := p.own(root, filepath.Join(dir, tc.folder)); got != tc.want {
				t.Errorf("of %q, %q: %v", tc.root, tc.folder, got)
			}
		}
	}
	putManifest(t, `{"name":"npm","workspaces":["other/*","more"]}`, dir, "npm", "package.json")
	if p.own(filepath.Join(dir, "npm"), filepath.Join(dir, "npm/packages/a")) || !p.own(filepath.Join(dir, "npm"), filepath.Join(dir, "npm/other/a")) {
		t.Error("an edit of the workspaces is not seen")
	}
}

func TestNearestManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putManifest(t, "{}", dir, "a", "package.json")
	if err := os.MkdirAll(filepath.Join(dir, "a/b/package.json"), 0o755); err != nil { // a folder of that name is none
		t.Fatal(err)
	}
	p := newTestProjects(t)
	if got := p.nearest(filepath.Join(dir, "a/b/c")); got != filepath.Join(dir, "a") {
		t.Errorf("it is %q", got)
	}
	if got := p.nearest("relative"); got != "" {
		t.Errorf("of a relative folder it is %q", got)
	}
}

func TestFetchedPackage(t *testing.T) {
	t.Parallel()
	dir, _ := filepath.EvalSymlinks(t.TempDir())
	cli := putManifest(t, "", dir, ".npm/_npx/0a1b/node_modules/@scope/tool/bin/cli.js")
	putManifest(t, `{"name":"@scope/tool","version":"1.2.3"}`, dir, ".npm/_npx/0a1b/node_modules/@scope/tool/package.json")
	bin := filepath.Join(dir, ".npm/_npx/0a1b/node_modules/.bin/tool")
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../@scope/tool/bin/cli.js", bin); err != nil {
		t.Fatal(err)
	}
	p := newTestProjects(t)
	// pnpm 11 links to its store, yarn and bun fetch into temporary folders.
	stored := putManifest(t, "", dir, "store/v11/links/@scope/tool/1.2.3/0a1b/node_modules/@scope/tool/cli.js")
	putManifest(t, `{"version":"1.2.3"}`, dir, "store/v11/links/@scope/tool/1.2.3/0a1b/node_modules/@scope/tool/package.json")
	linked := filepath.Join(dir, ".cache/pnpm/dlx/0a1b/2c/node_modules/@scope/tool")
	if err := os.MkdirAll(filepath.Dir(linked), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(stored), linked); err != nil {
		t.Fatal(err)
	}
	all := []string{cli, bin, linked + "/cli.js"}
	for _, folder := range []string{"xfs-27f4851c/dlx-3562", "bunx-1000-@scope/tool@latest", "bunx-0-tool@latest", ".bunx-0/tool@latest", ".bunx-0/@scope/tool@1.2.3"} {
		all = append(all, putManifest(t, "", dir, folder, "node_modules/@scope/tool/cli.js"))
		putManifest(t, `{"version":"1.2.3"}`, dir, folder, "node_modules/@scope/tool/package.json")
	}
	for _, name := range all {
		folder, pkg := p.fetchedPackage(name)
		if pkg != "@scope/tool" || p.version(folder) != "1.2.3" {
			t.Errorf("%s: %q in %q", name, pkg, folder)
		}
	}
	for _, name := range []string{"", "/usr/bin/npm", "/x/node_modules/a/b.js", "/x/_npx/", "/x/_npx/1/node_modules/", "/x/_npx/1/node_modules/a", "/x/_npx/1/node_modules/@a/b",
		stored, "/x/bunx-0-tool.js", "/x/bunx-0-a/b/c/node_modules/a/b.js", "/x/xfs-1/node_modules/a/b.js"} {
		if folder, pkg := p.fetchedPackage(name); folder != "" || pkg != "" {
			t.Errorf("%q: %q in %q", name, pkg, folder)
		}
	}
}

func TestNameAndVersion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ json, name, version string }{
		{`{"name":"a","version":"1.0.0"}`, "a", "1.0.0"},
		{"\xef\xbb\xbf" + `{"name":"a"}`, "a", ""},
		{`{"name":"a","NAME":"b","Name":"c"}`, "a", ""},
		{`{"name":["a"],"version":1}`, "", ""},
		{`{"name":"` + strings.Repeat("x", 300) + `"}`, "", ""},
		{`[]`, "", ""},
		{`{"name":"a"`, "", ""},
		{``, "", ""},
	} {
		name, version := nameAndVersion([]byte(tc.json))
		if d := cmp.Diff([]string{name, version}, []string{tc.name, tc.version}); d != "" {
			t.Errorf("%.40s (-got +want):\n%s", tc.json, d)
		}
	}
}

func FuzzWorkspaces(f *testing.F) {
	f.Add([]byte(`{"workspaces":["a/**/{b,c}"]}`), "a/x/b")
	f.Add([]byte("packages: ['a/*', \"!b\"]\n"), "a/b")
	f.Add([]byte("packages:\n- a/**\n-\n"), "a")
	f.Fuzz(func(t *testing.T, b []byte, rel string) {
		for _, patterns := range [][]string{manifestWorkspaces(b), pnpmWorkspaces(b)} {
			if member("/p", "/p/node_modules/"+rel, patterns) {
				t.Errorf("%q: a workspace under node_modules", patterns)
			}
			member("/p", filepath.Join("/p", rel), patterns)
		}
	})
}
