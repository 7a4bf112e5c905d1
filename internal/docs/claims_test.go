package docs

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// figures are what pages say in numbers, and where the code says so: a change
// of either fails.
var figures = []struct{ page, says, file, code string }{
	{"docs/privacy.md", "closed ones 90 days", "agent/alert/alert.go", `maxClosedAge = 90 \* 24 \* time\.Hour`},
	{"docs/privacy.md", "5000 at the most", "agent/alert/alert.go", `maxAlerts +=\s*5000`},
	{"docs/privacy.md", "of each finding the first 5 and the last 15", "agent/alert/alert.go", `keepFirst += 5 [^\n]*\n\tkeepLast += 15 `},
	{"docs/privacy.md", "the last 10,000", "agent/alert/book.go", `maxCalls += 10000`},
	{"docs/privacy.md", "the last 200 that ended", "agent/respond/journal/journal.go", `maxFiles, keep = 10_000, 200`},
	{"docs/privacy.md", "(five programs a file)", "agent/sensors.go", `maxReaders += 5\b`},
	{"docs/privacy.md", "`~/.local/state/wormbell/rotations`, mode 0700", "internal/private/private.go", `MkdirAll\(path, 0o700\)`},
	{"docs/how-it-decides.md", "for 30 days", "internal/cli/alert_trust.go", `"30d"`},
	{"docs/quick-start.md", "Four letters of an ID are enough", "internal/cli/alert.go", `or the first four`},
	{"docs/respond.md", "five seconds at most", "agent/respond", `5 \* time\.Second`},
	{"docs/architecture.md", "after 0.9 s of silence", "agent/watchdog/watchdog_linux.go", `Silence = 850 \* time\.Millisecond`},
	{"docs/architecture.md", "its status it reads every 30 s", "tray", `30 \* time\.Second`},
}

func TestFigures(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		page, err := os.ReadFile(filepath.Join(root, f.page))
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(string(page)), " "); !strings.Contains(text, f.says) {
			t.Errorf("%s does not say %q any more", f.page, f.says)
		}
		files := []string{filepath.Join(root, f.file)}
		if info, err := os.Stat(files[0]); err == nil && info.IsDir() {
			files, _ = filepath.Glob(filepath.Join(files[0], "*.go"))
		}
		if !slices.ContainsFunc(files, func(name string) bool {
			b, err := os.ReadFile(name)
			return err == nil && regexp.MustCompile(f.code).Match(b)
		}) {
			t.Errorf("%s says %q, and %s has no %s", f.page, f.says, f.file, f.code)
		}
	}
}

// kept finds the names of what is kept in a folder of state: themselves, or the
// constants that hold them.
var kept = regexp.MustCompile(`Join\((?:\w+\.)*(?:(?:State|state), "([\w.-]+)"|(?:State|state|dir), (\w+Name)\b)`)

// TestKept: docs/privacy.md names everything that is kept, by its file or folder.
func TestKept(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, dir := range []string{"agent", "cmd", "watchers", "installer", "internal/vault", "internal/cli", "internal/dashboard", "tray"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			b, err := os.ReadFile(name)
			for _, m := range kept.FindAllStringSubmatch(string(b), -1) {
				if m[2] != "" {
					if m[1] = constant(filepath.Dir(name), m[2]); m[1] == "" {
						continue // a name that a function was given
					}
				}
				found[m[1]] = true
				if !strings.HasSuffix(m[1], ".lock") && !strings.HasSuffix(m[1], ".sock") && !strings.Contains(string(page), m[1]) {
					t.Errorf("%s keeps %q, which docs/privacy.md does not name", name, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"rotations", "quarantine", "enrolled-tools.json"} {
		if !found[name] {
			t.Errorf("%q was not found: the test does not look any more", name)
		}
	}
}

// constant returns what a constant of the package in dir holds, "" if there is
// none of that name.
func constant(dir, name string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if m := regexp.MustCompile(`\b` + name + `\s*=\s*"([\w.-]+)"`).FindSubmatch(b); err == nil && m != nil {
			return string(m[1])
		}
	}
	return ""
}

// outgoing says in what a file can begin a connection to somewhere else, or
// wait for one from there.
// Sockets of this machine are dialled with a literal network.
func outgoing(set *token.FileSet, file *ast.File) (faults []string) {
	here := map[*ast.SelectorExpr]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, is := n.(*ast.CallExpr); is && len(call.Args) > 0 {
			sel, is := call.Fun.(*ast.SelectorExpr)
			network, literal := call.Args[0].(*ast.BasicLit)
			if is && literal && of(sel, "net") && strings.HasPrefix(network.Value, `"unix`) {
				here[sel] = true
			}
		}
		sel, ok := n.(*ast.SelectorExpr)
		if here[sel] {
			return true
		}
		if !ok {
			return true
		}
		name := sel.Sel.Name
		if of(sel, "net") && (strings.HasPrefix(name, "Dial") || strings.HasPrefix(name, "Lookup") || strings.HasPrefix(name, "Listen") && name != "Listener" || name == "Resolver") ||
			of(sel, "http") && slices.Contains([]string{"Client", "DefaultClient", "Transport", "DefaultTransport", "Get", "Head", "Post", "PostForm", "NewRequest", "NewRequestWithContext"}, name) ||
			of(sel, "tls") || of(sel, "smtp") {
			faults = append(faults, fmt.Sprintf("%s: %s", set.Position(sel.Pos()), name))
		}
		return true
	})
	return faults
}

func of(sel *ast.SelectorExpr, pkg string) bool {
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// TestAgentCallsNobody: docs/privacy.md says that the agent sends nothing. No
// code of ours in it can speak to anybody but by a socket of this machine.
func TestAgentCallsNobody(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{range .GoFiles}}{{$.ImportPath}} {{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}`, "wormbell/cmd/wormbelld")
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", system, err)
		}
		files := 0
		for line := range strings.Lines(string(out)) {
			pkg, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if pkg != "wormbell" && !strings.HasPrefix(pkg, "wormbell/") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files++
			for _, f := range outgoing(set, file) {
				t.Errorf("for %s the agent can call out: %s", system, f)
			}
		}
		if files < 50 {
			t.Errorf("for %s, %d files were looked at", system, files)
		}
	}
}

func TestOutgoing(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		`net.Dial("unix", name)`: 0, `net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})`: 0, `http.Server{}`: 0, `net.Listen("unix", name)`: 0,
		`net.Dial("tcp", name)`: 1, `net.Listen("tcp", name)`: 1, `net.ListenConfig{}`: 1, `net.Listener(nil)`: 0, `net.Dial(name, name)`: 1, `net.Dialer{}`: 1, `http.Get(name)`: 1, `http.Client{}`: 1, `http.DefaultClient.Do(nil)`: 1, `net.LookupHost(name)`: 1, `net.Dial`: 1, `net.Dial("unix", http.Get(name))`: 1,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "a.go", "package a\nvar x = "+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := outgoing(set, file); len(got) != want {
			t.Errorf("%s: %q, want %d", code, got, want)
		}
	}
}
