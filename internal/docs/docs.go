// Package docs reads the project's documentation as the tests that keep it true
// see it: its pages, links, headings, commands and the output that it shows.
//
// It knows as much of Markdown as our pages use. It runs nothing and knows
// neither the command line nor the agent; the tests that do stand beside those.
package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Page is one page of the documentation.
type Page struct {
	Path   string // from the top of the repository, with slashes
	Lines  []string
	Blocks []Block // fenced ones, in order
}

// Block is what stands between two fences.
type Block struct {
	Lang  string // what it says it is, such as "sh"; "" if it says nothing
	Line  int    // of its first fence, from 1
	Lines []string
	By    string // the test that runs it, FILE or FILE:Test, where that is another than of internal/e2e
	Why   string // what keeps it from being run there
}

// Command is one line that a reader is told to type.
type Command struct {
	Page   string
	Line   int    // where it stands, from 1
	Text   string // without the prompt, and without what is said beside it
	Output []string
	Shows  bool   // the page shows what it prints: Output, which may be nothing
	By     string // as of its [Block]
	Why    string
	Files  map[string]string // what it reads of what the page shows: text by name
}

// Link is a link in a page.
type Link struct {
	Line   int
	Target string
}

// Folder finds the top of the repository: the nearest folder above the
// current one with a go.mod.
func Folder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("find the repository: no go.mod above %q", dir)
		}
	}
}

// Pages reads README*.md and docs/**.md below root, sorted by path.
func Pages(root string) ([]Page, error) {
	names, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the pages: %w", err)
	}
	var pages []Page
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", name, err)
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		p, err := Parse(filepath.ToSlash(rel), string(b))
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.Path, b.Path) })
	return pages, nil
}

// runBy stands in the line before a block that another test runs.
var runBy = regexp.MustCompile(`^\s*<!-- run by ([\w./:-]+?): (.+) -->$`)

// Parse reads one page. A fence that is never closed is an error: what comes
// after it would be looked at by nobody.
func Parse(name, text string) (Page, error) {
	p := Page{Path: name, Lines: strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")}
	open, indent := false, 0
	for i, line := range p.Lines {
		rest, fence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && !open:
			open, indent = true, len(line)-len(strings.TrimLeft(line, " "))
			b := Block{Lang: strings.TrimSpace(rest), Line: i + 1}
			if m := runBy.FindStringSubmatch(p.Lines[max(i-1, 0)]); m != nil {
				b.By, b.Why = m[1], m[2]
			}
			p.Blocks = append(p.Blocks, b)
		case fence && strings.TrimSpace(rest) == "":
			open = false
		case open:
			b := &p.Blocks[len(p.Blocks)-1]
			cut := min(indent, len(line)-len(strings.TrimLeft(line, " "))) // a block in a list
			b.Lines = append(b.Lines, line[cut:])
		}
	}
	if open {
		return Page{}, fmt.Errorf("%s:%d: the fence is not closed", name, p.Blocks[len(p.Blocks)-1].Line)
	}
	return p, nil
}

// prose calls each with every line outside of fenced blocks and comments, and
// its number.
func (p Page) prose(each func(n int, line string)) {
	fenced, comment := false, false
	for i, line := range p.Lines {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "```"):
			fenced = !fenced
		case fenced:
		case comment || strings.HasPrefix(trimmed, "<!--"):
			comment = !strings.Contains(line, "-->")
		default:
			each(i+1, line)
		}
	}
}

var (
	codeSpan = regexp.MustCompile("``[^`]+(?:`[^`]+)*``|`[^`]+`")
	linked   = regexp.MustCompile(`\[[^\]]*\]\(([^()\s]+)\)`)
	plainURL = regexp.MustCompile(`https?://[^\s)>"'` + "`" + `]+`)
)

// Links returns the links of p, and the addresses that stand in its text and
// in its blocks.
func (p Page) Links() (links []Link) {
	// A link's text may go over the end of a line, so all lines are looked at together.
	var text strings.Builder
	var starts, numbers []int
	p.prose(func(n int, line string) {
		starts, numbers = append(starts, text.Len()), append(numbers, n)
		text.WriteString(codeSpan.ReplaceAllStringFunc(line, blank) + "\n")
	})
	for _, m := range linked.FindAllStringSubmatchIndex(text.String(), -1) {
		at, _ := slices.BinarySearch(starts, m[2]+1)
		links = append(links, Link{numbers[at-1], text.String()[m[2]:m[3]]})
	}
	for i, line := range p.Lines {
		for _, url := range plainURL.FindAllString(line, -1) {
			if l := (Link{i + 1, strings.TrimRight(url, ".,;:")}); !slices.Contains(links, l) {
				links = append(links, l)
			}
		}
	}
	return links
}

// blank is as long as a code span and has nothing in it. A link whose text is
// code is still a link: only brackets go.
func blank(span string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]()", r) {
			return ' '
		}
		return r
	}, span)
}

// Headings returns the headings of p with their marks, such as "## Try it".
func (p Page) Headings() (list []string) {
	p.prose(func(_ int, line string) {
		if rest := strings.TrimLeft(line, "#"); rest != line && strings.HasPrefix(rest, " ") {
			list = append(list, line)
		}
	})
	return list
}

// Anchors returns what a link to a heading of p may name, as the usual
// renderers make it: lower case, spaces to hyphens, no punctuation.
func (p Page) Anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, h := range p.Headings() {
		a := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(strings.TrimLeft(h, "#")))
		one := a
		for n := 1; anchors[one]; n++ {
			one = fmt.Sprintf("%s-%d", a, n)
		}
		anchors[one] = true
	}
	return anchors
}

// Spans returns the code spans of p's text by line.
func (p Page) Spans() (list []Command) {
	p.prose(func(n int, line string) {
		for _, s := range codeSpan.FindAllString(line, -1) {
			list = append(list, Command{Page: p.Path, Line: n, Text: strings.TrimSpace(strings.Trim(s, "`"))})
		}
	})
	return list
}

// Commands returns what a reader is told to type: every line of a block of
// "sh", and every line after "$ " or "# " (for root) of a block of "console",
// with what is shown to be printed. A line that ends in a backslash goes on.
//
// A block of settings that begins with "# /FOLDER/NAME" is a file; a command
// that names it by NAME reads the one that stands nearest above.
func (p Page) Commands() (list []Command) {
	files := map[string]string{}
	defer func() {
		for i := range list {
			for name := range list[i].Files {
				if !strings.Contains(list[i].Text, name) {
					delete(list[i].Files, name)
				}
			}
		}
	}()
	for _, b := range p.Blocks {
		if len(b.Lines) > 0 && strings.HasPrefix(b.Lines[0], "# /") && b.Lang != "sh" {
			files[path.Base(b.Lines[0])] = strings.Join(b.Lines, "\n") + "\n"
		}
		before := len(list)
		if b.Lang != "sh" && b.Lang != "console" {
			continue
		}
		more := false
		for i, line := range b.Lines {
			n := b.Line + 1 + i
			switch {
			case more:
				last := &list[len(list)-1]
				last.Text += "\n" + line
			case b.Lang == "sh" && (strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")):
				continue
			case b.Lang == "sh":
				list = append(list, Command{Page: p.Path, Line: n, Text: line, By: b.By, Why: b.Why})
			case strings.HasPrefix(line, "$ "):
				list = append(list, Command{Page: p.Path, Line: n, Text: line[2:], Shows: true, By: b.By, Why: b.Why})
			default:
				if i == 0 {
					list = append(list, Command{Page: p.Path, Line: n, Text: line}) // the tests say that it is not there
					continue
				}
				last := &list[len(list)-1]
				last.Output = append(last.Output, line)
				continue
			}
			last := &list[len(list)-1]
			last.Text, more = strings.CutSuffix(strings.TrimRight(last.Text, " "), `\`)
			if !more {
				last.Text = aside(last.Text)
			}
		}
		for i := range list[before:] {
			list[before+i].Files = maps.Clone(files)
		}
	}
	return list
}

// aside takes off what is said beside a command: a comment, or words after two
// spaces or more.
func aside(line string) string {
	if i := strings.Index(line, "   "); i > 0 {
		line = line[:i]
	}
	if i := strings.Index(line, "  #"); i > 0 {
		line = line[:i]
	}
	return strings.TrimRight(line, " ")
}

// Piece is a block that goes into a file of the repository, as the line of text
// before it says: "…`FILE`:" is all of the file, "…`FILE`, after `LINE`:" comes
// after the first line that holds LINE.
type Piece struct {
	Page  string
	Line  int // of the block
	File  string
	After string // "" for the whole file
	Text  string
}

var intoFile = regexp.MustCompile("`([\\w./-]+/[\\w.-]+)`(?:, after `(.+)`)?:$")

// Pieces returns the blocks of p that go into a file, in order.
func (p Page) Pieces() (list []Piece) {
	for _, b := range p.Blocks {
		if b.Lang == "sh" || b.Lang == "console" {
			continue
		}
		n := b.Line - 2
		for n >= 0 && strings.TrimSpace(p.Lines[n]) == "" {
			n--
		}
		if n < 0 {
			continue
		}
		if m := intoFile.FindStringSubmatch(p.Lines[n]); m != nil {
			list = append(list, Piece{p.Path, b.Line, m[1], m[2], strings.Join(b.Lines, "\n") + "\n"})
		}
	}
	return list
}

// Put writes the piece below root. A file that is there already, and is to be
// the piece alone, is an error: the page would teach to overwrite it.
func (c Piece) Put(root string) error {
	name := filepath.Join(root, filepath.FromSlash(c.File))
	b, err := os.ReadFile(name)
	switch {
	case c.After == "" && err == nil:
		return fmt.Errorf("%s:%d: %q is there already", c.Page, c.Line, c.File)
	case c.After == "":
		return os.WriteFile(name, []byte(c.Text), 0o644)
	case err != nil:
		return fmt.Errorf("%s:%d: read %q: %w", c.Page, c.Line, c.File, err)
	}
	at := strings.Index(string(b), c.After)
	if at < 0 {
		return fmt.Errorf("%s:%d: %q has no line with %q", c.Page, c.Line, c.File, c.After)
	}
	end := at + strings.IndexByte(string(b[at:]), '\n') + 1
	return os.WriteFile(name, slices.Concat(b[:end], []byte(c.Text), b[end:]), 0o644)
}
