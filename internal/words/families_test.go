package words

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

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/stores"
	"wormbell/internal/trustrow"
)

// TestFamilies: keys that are put together while the program runs are all
// there, for each value that the code declares, and there are no others.
func TestFamilies(t *testing.T) {
	t.Parallel()
	families := composed(t)
	for prefix, values := range families {
		if len(values) == 0 {
			t.Errorf("%s: there are no values", prefix)
		}
		for _, v := range values {
			if textOf(Key(prefix+v)) == (text{}) {
				t.Errorf("there is no sentence %q", prefix+v)
			}
		}
	}
	said, names := everything(t), map[string]string{}
	for name, value := range constants(t, ".") {
		names[value] = name
	}
	for _, table := range tables {
		for key := range table {
			if !used(string(key), names[string(key)], families, said) {
				t.Errorf("nobody says %q", key)
			}
		}
	}
}

func textOf(key Key) text {
	for _, table := range tables {
		if found, ok := table[key]; ok {
			return found
		}
	}
	return text{}
}

// composed are the beginnings of such keys, and what follows, read from where
// it is declared.
func composed(t *testing.T) map[string][]string {
	t.Helper()
	var severities, detectors, storeIDs, secrets []string
	for s := range wormbell.Critical + 1 { // 0 is none
		severities = append(severities, s.String())
	}
	for _, d := range detect.All {
		detectors = append(detectors, d.ID)
	}
	known := slices.Clone(detectors)
	for id := range nextOf { // those that agents of other versions have, too
		if !slices.Contains(detectors, id) {
			detectors = append(detectors, id)
		}
	}
	for _, s := range stores.All {
		storeIDs = append(storeIDs, s.ID)
	}
	for _, s := range secretWords {
		secrets = append(secrets, strings.ReplaceAll(s, " ", "-"))
	}
	states := typed(t, "../..", "State")
	stages := typed(t, "../dashboard", "stage")
	stages[slices.Index(stages, "")] = "none"
	guards := found(t, "../dashboard", regexp.MustCompile(`State: wormbell\.Guard\w+, ID: "([^"]+)"`))
	if len(guards) != 4 {
		t.Errorf("the states of guarded files: %q", guards)
	}
	unders := typed(t, "../../agent/detect", "Under")
	unders = append(unders, trustrow.Unders...) // what people may add
	var done, tokens []string
	for _, dir := range []string{"../../agent/alert", "../../agent/api", "../../agent/respond/incident", "../dashboard", "../cli"} {
		done = append(done, found(t, dir, regexp.MustCompile(`Action\{(?:[^{}]*, )?What: "([^"]+)"`))...)
	}
	done = append(done, found(t, "../../agent/alert", regexp.MustCompile(`wormbell\.(?:Open|Muted|Closed): "([^"]+)"`))...)
	for _, action := range []string{"freeze", "resume", "kill"} { // of routes
		if len(found(t, "../../agent/api", regexp.MustCompile(`("`+action+`")`))) > 0 {
			done = append(done, action)
		}
	}
	tokens = found(t, "../../agent/respond", regexp.MustCompile(`\.did\("([^"]+)"`))
	calls := []string{"close", "mute", "resume", "trust", "untrust", "pause", "protect-off", "decoy", "decoys", "undecoy", "other"}
	backs := []string{"close", "resume", "trust", "untrust", "pause", "protect-off", "undecoy", "other"} // what is hidden is opened again as what is closed
	return map[string][]string{
		"severity-": severities, "dash-severity-": severities, "state-": states, "dash-state-": states, "dash-stage-": stages,
		"dash-g-": guards, "dash-gn-": guards, "title-of-": detectors, "detects-": known, "store-": append(storeIDs, "*", "strict", "project", wormbell.DecoyStore), "secret-": secrets,
		"action-": done, "action-token-": tokens, "call-": append(calls, "trust-program"), "back-": backs,
		"trust-under-": unders, "trust-who-": typed(t, "../../agent/detect", "Who"),
	}
}

// typed are the values of a package's constants of that type.
func typed(t *testing.T, dir, name string) (values []string) {
	t.Helper()
	for _, file := range sources(t, dir) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := v.Type.(*ast.Ident); ok && of.Name == name {
				for _, x := range v.Values {
					if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
						s, _ := strconv.Unquote(l.Value)
						values = append(values, s)
					}
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s: there is no constant of type %s", dir, name)
	}
	return values
}

// found are the first groups of what matches in a package's code, each once.
func found(t *testing.T, dir string, like *regexp.Regexp) (all []string) {
	t.Helper()
	for _, file := range sources(t, dir) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range like.FindAllSubmatch(b, -1) {
			if s := string(m[1]); !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// declared is a key's constant, or its line in a table: neither says it.
var declared = regexp.MustCompile(`(?m)^\s*\w+\s+(?:Key\s+)?= "[a-z][\w*-]*"$|(?:^|[\s{,])(?:"[\w*:.-]+"|\w+):\s+\{En: `)

// word is what a key can be said by: its text, or the name of its constant.
var word = regexp.MustCompile(`"[a-z][\w*:.-]+"|\b[A-Za-z]\w+\b`)

// everything is what stands in the code and the pages, but for the lines that
// declare keys.
func everything(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, root := range []string{"../../agent", "..", "../../cmd", "../../tray"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || filepath.Ext(name) != ".go" && filepath.Ext(name) != ".html" {
				return err
			}
			b, err := os.ReadFile(name)
			if filepath.Base(filepath.Dir(name)) == "words" {
				b = declared.ReplaceAll(b, []byte(" {"))
			}
			for _, w := range word.FindAll(b, -1) {
				all[string(w)] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// used reports whether a key is said: by its text, by its constant, or as one of
// a family.
func used(key, name string, families map[string][]string, said map[string]bool) bool {
	for prefix, values := range families {
		if v, ok := strings.CutPrefix(key, prefix); ok && slices.Contains(values, v) {
			return true
		}
	}
	return said[strconv.Quote(key)] || said[name]
}
