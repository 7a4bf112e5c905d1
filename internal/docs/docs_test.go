package docs

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// languages are what a block may say it is. What is to be typed is sh or
// console, and run by internal/e2e.
var languages = []string{"sh", "console", "text", "toml", "go", "json", "yaml", "ini", "sql"}

// hosts are whom a link may lead to. Examples have hosts that nobody can
// register, see RFC 2606.
var hosts = []string{"registry.example.com", "packages.example.com", "127.0.0.1", "github.com", "www.apache.org", "man7.org", "systemd.io", "www.freedesktop.org"}

// limit is how many lines a page may have that a person has written.
const limit = 250

// faults returns what is wrong with the pages: links that lead nowhere, hosts
// that are not on the list, blocks of no language, pages that are too long or
// that no link leads to. exists says whether there is such a file.
func faults(pages []Page, exists func(string) bool) (list []string) {
	byPath := map[string]Page{}
	for _, p := range pages {
		byPath[p.Path] = p
	}
	next := map[string][]string{}
	for _, p := range pages {
		say := func(line int, format string, args ...any) {
			list = append(list, fmt.Sprintf("%s:%d: %s", p.Path, line, fmt.Sprintf(format, args...)))
		}
		for _, l := range p.Links() {
			u, err := url.Parse(l.Target)
			switch {
			case err != nil:
				say(l.Line, "%q is no link: %v", l.Target, err)
			case u.Host != "":
				if !slices.Contains(hosts, u.Hostname()) {
					say(l.Line, "%q leads to a host that is not on the list", l.Target)
				}
			case u.Scheme != "":
				say(l.Line, "%q leads outside", l.Target)
			default:
				to := p.Path
				if u.Path != "" {
					to = path.Join(path.Dir(p.Path), u.Path)
				}
				next[p.Path] = append(next[p.Path], to)
				page, known := byPath[to]
				switch {
				case !known && !exists(to):
					say(l.Line, "%q leads to %s, which is not there", l.Target, to)
				case u.Fragment != "" && !page.Anchors()[u.Fragment]:
					say(l.Line, "%s has no heading %q", to, u.Fragment)
				}
			}
		}
		p.prose(func(n int, line string) {
			if strings.Count(line, "`")%2 != 0 {
				say(n, "what is set as code goes over the end of the line: nobody looks at it")
			}
		})
		for _, b := range p.Blocks {
			if !slices.Contains(languages, b.Lang) {
				say(b.Line, "a block of %q; it must be one of %q", b.Lang, languages)
			}
			if b.Lang == "console" && (len(b.Lines) == 0 || !strings.HasPrefix(b.Lines[0], "$ ")) {
				say(b.Line, "a block of console begins with '$ '")
			}
		}
		if written := !strings.HasPrefix(p.Lines[0], "<!-- Generated") && !strings.HasPrefix(p.Lines[0], "<!-- Made"); written && len(p.Lines) > limit {
			say(limit, "it has %d lines", len(p.Lines))
		}
	}
	seen, queue := map[string]bool{"README.md": true}, []string{"README.md"}
	for len(queue) > 0 {
		for _, to := range next[queue[0]] {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
		queue = queue[1:]
	}
	for _, p := range pages {
		if !seen[p.Path] {
			list = append(list, p.Path+": no link leads to it from README.md")
		}
	}
	return list
}

func TestPages(t *testing.T) {
	t.Parallel()
	root, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults(pages, func(name string) bool { _, err := os.Stat(filepath.Join(root, name)); return err == nil }) {
		t.Error(fault)
	}
}

// TestFaults: what is wrong is seen.
func TestFaults(t *testing.T) {
	t.Parallel()
	fence := "```"
	for _, c := range []struct{ name, readme, other, want string }{
		{"fine", "# A\n[b](docs/b.md#what-it-sees) [c](#a)\n", "## What it `sees`\n", ""},
		{"no page", "[b](docs/b.md) [c](docs/c.md)", "", "docs/c.md, which is not there"},
		{"over two lines", "x\n[b\nc](docs/c.md) [b](docs/b.md)", "", "README.md:3: \"docs/c.md\""},
		{"no heading", "[b](docs/b.md#what)", "## Where\n", `no heading "what"`},
		{"a heading in a block", "[b](docs/b.md#what)", fence + "sh\n# what\n" + fence, `no heading "what"`},
		{"the second of a name", "[b](docs/b.md#x-1)", "# x\n# x\n", ""},
		{"no third of a name", "[b](docs/b.md#x-2)", "# x\n# x\n", `no heading "x-2"`},
		{"not reached", "nothing", "text", "docs/b.md: no link"},
		{"not reached in code", "`[b](docs/b.md)`", "text", "docs/b.md: no link"},
		{"code in a link", "[`b`](docs/b.md)", "text", ""},
		{"a host", "[b](docs/b.md) https://evil.example.net/x", "", "not on the list"},
		{"a host in a block", "[b](docs/b.md)\n" + fence + "sh\ncurl https://evil.example.net/x\n" + fence, "", "not on the list"},
		{"a host of examples", "[b](docs/b.md) https://packages.example.com/x", "", ""},
		{"mail", "[b](docs/b.md) [m](mailto:a@example.com)", "", "leads outside"},
		{"no language", "[b](docs/b.md)\n" + fence + "\nx\n" + fence, "", `a block of ""`},
		{"code over two lines", "[b](docs/b.md) `wormbell\nalerts`", "", "README.md:1: what is set as code"},
		{"no prompt", "[b](docs/b.md)\n" + fence + "console\nx\n" + fence, "", `begins with '$ '`},
		{"too long", "[b](docs/b.md)", strings.Repeat("x\n", limit+1), "251 lines"},
		{"long and generated", "[b](docs/b.md)", "<!-- Generated by x -->\n" + strings.Repeat("x\n", limit+1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pages []Page
			for name, text := range map[string]string{"README.md": c.readme, "docs/b.md": c.other} {
				p, err := Parse(name, text)
				if err != nil {
					t.Fatal(err)
				}
				pages = append(pages, p)
			}
			got := strings.Join(faults(pages, func(string) bool { return false }), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := Parse("a.md", strings.NewReplacer("'''", "```").Replace(`# A
'''sh
# a comment
wormbell status                what it says
make test  # all
install -m 644 a \
  b
'''
- in a list
  '''console
  $ wormbell alerts
  nothing
  …
  $ true
  '''
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range p.Commands() {
		got = append(got, fmt.Sprintf("%d %q %v %q", c.Line, c.Text, c.Shows, c.Output))
	}
	want := []string{`4 "wormbell status" false []`, `5 "make test" false []`, `6 "install -m 644 a \n  b" false []`,
		`11 "wormbell alerts" true ["nothing" "…"]`, `14 "true" true []`}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p, err = Parse("a.md", "<!-- run by x/y_test.go:TestZ: it needs a package -->\n```sh\nls\n```\n<!-- other -->\n```sh\nls\n```\n")
	if c := p.Commands(); err != nil || len(c) != 2 || c[0].By != "x/y_test.go:TestZ" || c[0].Why != "it needs a package" || c[1].By != "" {
		t.Errorf("%+v, %v", c, err)
	}
	p, err = Parse("a.md", strings.ReplaceAll("|toml\n# /etc/x/50-a.toml\na=1\n|\n|sh\ncheck 50-a.toml\ncheck\n|\n|toml\n# /etc/y/50-a.toml\na=2\n|\n|sh\ncheck 50-a.toml\n|\n", "|", "```"))
	if c := p.Commands(); err != nil || len(c) != 3 || !strings.HasSuffix(c[0].Files["50-a.toml"], "a=1\n") || len(c[1].Files) != 0 || !strings.HasSuffix(c[2].Files["50-a.toml"], "a=2\n") {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Parse("a.md", "```sh\nls\n"); err == nil {
		t.Error("a fence that is not closed was taken")
	}
}
