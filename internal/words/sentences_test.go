package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file reads what sentences a package's code makes.

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
