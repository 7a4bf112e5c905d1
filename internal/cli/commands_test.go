package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// named is a command line of this program in a text, with the mark before it: to
// the end of what is quoted, or of the line, or to what is said beside it.
var named = regexp.MustCompile("(?:^|([^\\w/.-]))wormbell ([^'\"`“”「」（）。;#<{\n]+)")

// prose is what our own words say of the program by its name.
var prose = map[string]bool{"does": true, "that": true}

// TestCommandsNamed: every command that a text, a page or the documentation
// names is there, with the flags that it names.
func TestCommandsNamed(t *testing.T) {
	t.Parallel()
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	all := texts(t, "../..")
	found := map[string]int{}
	for at, lines := range all {
		for _, text := range lines {
			for _, m := range named.FindAllStringSubmatch(text, -1) {
				line, _, _ := strings.Cut(m[2], "  ")
				words := strings.Fields(line)
				if len(words) == 0 || words[0][0] == '%' || words[0][0] >= utf8.RuneSelf || prose[words[0]] {
					continue
				}
				path, fault := follow(root, words)
				strict := strings.Contains("'`“「>", m[1]) && m[1] != "" || strings.Contains(filepath.ToSlash(at), "internal/words/")
				if fault != "" && (strict || path != root.Name()) {
					t.Errorf("%s: 'wormbell %s': %s", at, line, fault)
				}
				found[path]++
			}
		}
	}
	// That the test looks at all: these are named in words, in hints and in the documentation.
	for _, path := range []string{"wormbell calls", "wormbell alert reopen", "wormbell trust remove", "wormbell rotate", "wormbell exec", "wormbell doctor"} {
		if found[path] == 0 {
			t.Errorf("%q was found nowhere", path)
		}
	}
}

// TestCommandsUnknown: what is not there is seen.
func TestCommandsUnknown(t *testing.T) {
	t.Parallel()
	root := (&app{}).root()
	for line, ok := range map[string]bool{
		"calls": true, "alert close|mute ID": true, "alerts [--follow]": true, "trust remove で取り消せます": true, "exec -- npm publish --tag x": true,
		"guard calls": false, "alert open ID": false, "alert close|hide ID": false, "alerts --watch": false, "rotate --giveup x": false, "calls all": false,
	} {
		if _, fault := follow(root, strings.Fields(line)); (fault == "") != ok {
			t.Errorf("wormbell %s: %q", line, fault)
		}
	}
}

// lower is what may be the name of a command, or several with | between.
var lower = regexp.MustCompile(`^[a-z][a-z-]*(\|[a-z-]+)*$`)

// follow goes along a command line as far as it names commands, and looks at
// its flags. Other words after a command are arguments, or go on with the text.
func follow(root *cobra.Command, words []string) (path, fault string) {
	at := root
	for i, w := range words {
		w = strings.Trim(w, "[](),.:")
		switch name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "="); {
		case w == "--":
			return at.CommandPath(), ""
		case strings.HasPrefix(w, "--") && name != "help" && at.Flags().Lookup(name) == nil && at.InheritedFlags().Lookup(name) == nil:
			return at.CommandPath(), "there is no flag " + w
		case len(w) == 2 && w[0] == '-' && at.Flags().ShorthandLookup(name) == nil:
			return at.CommandPath(), "there is no flag " + w
		case strings.HasPrefix(w, "-"):
		case i > 0 && !at.HasSubCommands(): // an argument
			if i == 1 && at.Args != nil && lower.MatchString(w) && at.Args(at, []string{w}) != nil && at.Args(at, nil) == nil {
				return at.CommandPath(), "it takes no argument " + w
			}
		case !lower.MatchString(w):
			if at == root {
				return at.CommandPath(), "there is no command " + w
			}
		default:
			var next *cobra.Command
			for _, one := range strings.Split(w, "|") {
				j := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == one })
				if j < 0 {
					return at.CommandPath(), "there is no command " + one
				}
				next = at.Commands()[j]
			}
			at = next
		}
	}
	return at.CommandPath(), ""
}

// texts are the strings of the code, the pages and the documentation below dir,
// by their file.
func texts(t *testing.T, dir string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		switch filepath.Ext(name) {
		case ".md", ".html":
			b, err := os.ReadFile(name)
			all[name] = []string{string(b)}
			return err
		case ".go":
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					s, _ := strconv.Unquote(l.Value)
					all[name] = append(all[name], s)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
