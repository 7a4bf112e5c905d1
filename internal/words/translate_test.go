package words

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"wormbell/agent/respond/persistence"
)

// TestForms: every form in every language, with the same data in each.
func TestForms(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, table := range forms {
		for _, f := range table {
			plain := anyVerb.ReplaceAllString(f.En, "%")
			if seen[plain] != "" {
				t.Errorf("%q and %q are the same", f.En, seen[plain])
			}
			seen[plain] = f.En
			if f.En == "" || f.Ja == "" {
				t.Errorf("not in every language: %+v", f)
			}
			n := 0
			var want []string
			for _, m := range anyVerb.FindAllStringSubmatch(f.En, -1) {
				if n++; m[1] != strconv.Itoa(n) {
					t.Errorf("%q: the data must be numbered as they stand", f.En)
				}
				if verbText[m[2][0]] == "" {
					t.Errorf("%q: there is no %%%s", f.En, m[2])
				}
				want = append(want, m[1])
			}
			for _, other := range []string{f.Ja, f.Page} {
				var got []string
				for _, m := range anyVerb.FindAllStringSubmatch(other, -1) {
					got = append(got, m[1])
				}
				slices.Sort(got)
				if rest := strings.ReplaceAll(anyVerb.ReplaceAllString(other, ""), "%%", ""); strings.Contains(rest, "%") {
					t.Errorf("%q: what verb is in %q?", f.En, other)
				}
				if other != "" && !slices.Equal(got, want) && !slices.Contains(shorter, f.En) {
					t.Errorf("%q: the data in %q are %v, in English %v", f.En, other, got, want)
				}
			}
			if !strings.ContainsFunc(f.Ja, japanese) && strings.ContainsAny(anyVerb.ReplaceAllString(f.Ja, ""), "aeiou") && !strings.HasPrefix(f.Ja, "LaunchAgent") && f.Ja != f.En {
				t.Errorf("%q: not Japanese: %q", f.En, f.Ja)
			}
			if strings.ContainsAny(strings.ReplaceAll(f.Ja, "://", ""), "?!") || strings.Contains(f.Ja, "、、") {
				t.Errorf("%q: half-width marks in %q", f.En, f.Ja)
			}
		}
	}
}

// shorter are sentences of which a page leaves something out: it has a button.
var shorter = []string{
	"The processes of the alert stay stopped: 'wormbell alert kill %[1]w' ends them.",
	"1 thing must be disabled before a token is revoked; %[1]d of them running",
}

// together are those that are put together while the program runs.
var together = []string{
	"Not watched, so nobody can tell whether it was taken: %[1]s. If in doubt, replace it; for SSH: ssh-keygen -t ed25519, its public half to every site and server, and the old one's off them.",
	"something may be waiting for a token to die: %[1]s; nothing was revoked",
	"a rotation of it was begun and has not ended: rotation %[1]w",
	"it cannot be changed: %[1]s",
	"it must be done by hand: %[1]s",
	"no keychain: %[1]s",
	"The service does not take it: %[1]s.", "The service does not take it.",
	"no process was stopped: none of the tree is running", "no process was continued: none of the tree is running", "no process was ended: none of the tree is running",
	"no process was stopped", "no process was continued", "no process was ended",
	"1 thing must be disabled before a token is revoked", "%[1]d things must be disabled before a token is revoked",
	"1 thing must be disabled before a token is revoked; %[1]d of them running", "%[1]d things must be disabled before a token is revoked; %[2]d of them running",
	"it asks %[1]w who a token belongs to, among much else", "it asks %[1]w with a token, among much else",
}

// TestTrapNames: whatever can be found has a name.
func TestTrapNames(t *testing.T) {
	t.Parallel()
	for name, value := range constants(t, "../../agent/respond/persistence") {
		if ast.IsExported(name) && !slices.Contains([]string{"Note", "Blocks"}, name) && trapNames[value] == "" {
			t.Errorf("%s, %q, has no name in Japanese", name, value)
		}
	}
	if trapNames[persistence.Unit] == "" {
		t.Error("there is no unit")
	}
}

// spoken are the packages whose sentences a person is shown.
var spoken = []string{"agent/respond", "agent/respond/incident", "agent/respond/persistence", "agent/respond/keychain", "agent/freeze"}

// besides are those of which some are.
var besides = []string{"agent/respond/call", "agent/respond/edit", "agent/respond/journal", "internal/exposure"}

// ofSystem are texts of the system and of Go that are told as causes.
var ofSystem = []string{"permission denied", "read-only file system", "no space left on device", "no such file or directory", "context canceled", "active", "inactive"}

// TestEverySentence: there is a form for each sentence that these packages make,
// or it is one of those that stay English, the causes of faults; and each form is
// of a sentence that is made.
func TestEverySentence(t *testing.T) {
	t.Parallel()
	stay := map[string]bool{}
	file, err := os.Open("testdata/english.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if s := lines.Text(); s != "" && !strings.HasPrefix(s, "# ") {
			stay[s] = false
		}
	}
	ja := In(language.Japanese)
	var all strings.Builder
	n := 0
	for _, dir := range slices.Concat(spoken, besides) {
		for _, s := range sentences(t, "../../"+dir) {
			all.WriteString(s.text + "\x00")
			_, stays := stay[strconv.Quote(s.text)]
			if slices.Contains(besides, dir) || !isSentence.MatchString(s.text) {
				continue
			}
			n++
			if covered(ja, strings.TrimPrefix(s.text, "  ")) {
				if stays {
					t.Errorf("testdata/english.txt: %q can be said in Japanese", s.text)
				}
				continue
			}
			if stays {
				stay[strconv.Quote(s.text)] = true
				continue
			}
			t.Errorf("%s: there is no form of %q", s.at, s.text)
		}
	}
	if n < 500 {
		t.Errorf("only %d sentences: are they read?", n)
	}
	for s, there := range stay {
		if !there {
			t.Errorf("testdata/english.txt: nobody says %s", s)
		}
	}
	for _, s := range ofSystem {
		all.WriteString(s + "\x00")
	}
	made := all.String()
	for _, table := range [][]form{respondForms, rotationForms, lookForms, keychainForms, causeForms, serviceForms, grantForms, pageForms} {
		for _, f := range table {
			if slices.Contains(together, f.En) {
				continue
			}
			longest := ""
			for _, l := range read(f).literals {
				if len(l) > len(longest) {
					longest = l
				}
			}
			if !strings.Contains(made, strings.TrimSpace(longest)) {
				t.Errorf("nobody says %q", f.En)
			}
		}
	}
}

// covered reports whether a sentence of this format can be said in Japanese,
// with some data at least.
func covered(w *Words, format string) bool {
	var try func(done, rest string) bool
	try = func(done, rest string) bool {
		m := goVerb.FindStringIndex(rest)
		if m == nil {
			parts, whole := w.told(done+rest, 0)
			return whole && !slices.ContainsFunc(parts, func(p Part) bool { return p.English })
		}
		data := []string{"NAME", "7", "2026-11-22 12:00"}
		if rest[m[1]-1] == 'q' {
			data = []string{`"NAME"`}
		}
		for _, d := range data {
			if try(done+rest[:m[0]]+d, rest[m[1]:]) {
				return true
			}
		}
		return false
	}
	return try("", format)
}

var (
	goVerb     = regexp.MustCompile(`%[+#-]?[0-9.]*[a-zA-Z]`)
	isSentence = regexp.MustCompile(`[A-Za-z]{2,}[,;:.]? [A-Za-z(%]|[A-Za-z%)]:? [a-z]{2,}`)
)

// sentence is a text that a package makes: where, and as a format.
type sentence struct{ at, text string }

// sentences reads the code of a package: each string that it puts together, as
// a whole, where ifs chooses once for each choice.
func sentences(t *testing.T, dir string) []sentence {
	t.Helper()
	r := reading{consts: constants(t, dir)}
	set := token.NewFileSet()
	for _, name := range sources(t, dir) {
		if filepath.Base(name) == "describe.go" { // makes a file of the documentation
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var look func(n ast.Node) bool
		look = func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec, *ast.Field:
				return false
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok {
					of, _ := f.X.(*ast.SelectorExpr)
					pkg, _ := f.X.(*ast.Ident)
					if of != nil && of.Sel.Name == "Log" || pkg != nil && pkg.Name == "regexp" {
						return false // for those who read logs
					}
				}
			}
			e, ok := n.(ast.Expr)
			if _, name := n.(*ast.Ident); !ok || name {
				return true
			}
			texts, ok := r.texts(e)
			for _, s := range texts {
				r.out = append(r.out, sentence{set.Position(e.Pos()).String(), s})
			}
			if ok {
				r.within(e, look)
			}
			return !ok
		}
		ast.Inspect(file, look)
	}
	return r.out
}

// within looks at what stands in e, of which the text is known, besides.
func (r *reading) within(e ast.Expr, look func(ast.Node) bool) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		for _, side := range []ast.Expr{e.X, e.Y} {
			if _, ok := r.texts(side); ok {
				r.within(side, look)
			} else {
				ast.Inspect(side, look)
			}
		}
	case *ast.CallExpr:
		for _, a := range e.Args[1:] {
			if f, ok := e.Fun.(*ast.Ident); ok && f.Name == "ifs" {
				if _, ok := r.texts(a); ok {
					r.within(a, look)
					continue
				}
			}
			ast.Inspect(a, look)
		}
	}
}

type reading struct {
	consts map[string]string
	out    []sentence
}

// texts are the formats that e can be; ok is false if it is no string that is
// put together here.
func (r *reading) texts(e ast.Expr) (all []string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, _ := strconv.Unquote(e.Value)
			return []string{s}, true
		}
	case *ast.Ident:
		s, ok := r.consts[e.Name]
		return []string{s}, ok
	case *ast.ParenExpr:
		return r.texts(e.X)
	case *ast.BinaryExpr:
		a, ok1 := r.texts(e.X)
		b, ok2 := r.texts(e.Y)
		if e.Op != token.ADD || !ok1 && !ok2 {
			return nil, false
		}
		return join(orAny(a, ok1), orAny(b, ok2)), true
	case *ast.CallExpr:
		return r.call(e)
	}
	return nil, false
}

func (r *reading) call(e *ast.CallExpr) (all []string, ok bool) {
	name, of := "", ""
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
	case *ast.Ident:
		name = f.Name
	}
	switch {
	case name == "ifs" && len(e.Args) == 3:
		a, ok1 := r.texts(e.Args[1])
		b, ok2 := r.texts(e.Args[2])
		return append(orAny(a, ok1), orAny(b, ok2)...), ok1 || ok2
	case name == "TrimSpace":
		return r.texts(e.Args[0])
	case of == "errors" && name == "New":
		return r.texts(e.Args[0])
	case slices.Contains([]string{"Sprintf", "Errorf", "say", "add"}, name) && len(e.Args) > 0:
		formats, ok := r.texts(e.Args[0])
		if !ok {
			return nil, false
		}
		for _, f := range formats {
			out, at := []string{""}, 0
			for i, m := range goVerb.FindAllStringIndex(f, -1) {
				data := []string{f[m[0]:m[1]]}
				if i+1 < len(e.Args) {
					if c, isCall := e.Args[i+1].(*ast.CallExpr); isCall {
						if id, isName := c.Fun.(*ast.Ident); isName && id.Name == "ifs" {
							data, _ = r.call(c)
						}
					}
				}
				out = join(out, join([]string{f[at:m[0]]}, data))
				at = m[1]
			}
			all = append(all, join(out, []string{f[at:]})...)
		}
		return all, true
	}
	return nil, false
}

func orAny(all []string, ok bool) []string {
	if !ok {
		return []string{"%s"}
	}
	return all
}

func join(a, b []string) (all []string) {
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return all
}

// constants are the strings among the constants of a package, those of its
// funcs too.
func constants(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range sources(t, dir) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				return true
			}
			for _, s := range d.Specs {
				v := s.(*ast.ValueSpec)
				for i, x := range v.Values {
					if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
						all[v.Names[i].Name], _ = strconv.Unquote(l.Value)
					}
				}
			}
			return true
		})
	}
	return all
}

func sources(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	return slices.DeleteFunc(all, func(n string) bool { return strings.HasSuffix(n, "_test.go") })
}
