package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"wormbell/internal/cli"
	"wormbell/packaging"
)

// Where pages and completions lie below the folder of pages.
const (
	manFolder  = "man"
	bashFile   = "completions/wormbell.bash"
	zshFile    = "completions/_wormbell"
	fishFile   = "completions/wormbell.fish"
	optionsTag = "@OPTIONS@"
)

// makePages has the clone write its pages, and asks the agent and the tray, as
// they were built, for their options.
func (b *build) makePages(ctx context.Context) error {
	host := Target{runtime.GOOS, runtime.GOARCH}
	if _, err := b.outputEnv(ctx, b.src, b.goEnv(host), "go", "run", "./internal/release", "pages", b.pages); err != nil {
		return err
	}
	for program, help := range map[string]string{"wormbelld": "--help", "wormbell-tray": "-help"} {
		file := filepath.Join(b.bin(host), host.file(program))
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%q has to be built to be asked for its options: %w", program, err)
		}
		// Go's flag package writes its help to standard error, and both end with status 0.
		text, err := b.output(ctx, b.work, "/bin/sh", "-c", `exec "$0" "$1" 2>&1`, file, help)
		if err != nil {
			return err
		}
		page, err := programPage(program, text)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.pages, manFolder, program+".1"), page, 0o644); err != nil {
			return fmt.Errorf("write the page of %s: %w", program, err)
		}
	}
	return nil
}

// writePages writes the pages of the command line and its completions.
func writePages(dir string) error {
	for _, d := range []string{manFolder, "completions"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("make folders for pages: %w", err)
		}
	}
	root := cli.Command()
	noDates(root)
	if err := manTree(root, filepath.Join(dir, manFolder)); err != nil {
		return err
	}
	for file, write := range map[string]func(*bytes.Buffer) error{
		bashFile: func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		zshFile:  func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		fishFile: func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return fmt.Errorf("make %s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

// noDates keeps the day of the build out of the pages.
func noDates(c *cobra.Command) {
	c.DisableAutoGenTag = true
	for _, sub := range c.Commands() {
		noDates(sub)
	}
}

// manTree writes a page for a command and those below it.
func manTree(c *cobra.Command, dir string) error {
	for _, sub := range c.Commands() {
		if sub.Hidden || !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := manTree(sub, dir); err != nil {
			return err
		}
	}
	var page bytes.Buffer
	// The date is left out by a text of our own: cobra puts the day of the build where it is nil, and a page's date
	// says nothing that its version does not.
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "Wormbell", Manual: "Wormbell"}
	if err := doc.GenMan(c, header, &page); err != nil {
		return fmt.Errorf("make the page of %q: %w", c.CommandPath(), err)
	}
	text := titleDate.ReplaceAll(page.Bytes(), []byte(`$1 ""`))
	if err := os.WriteFile(filepath.Join(dir, name+".1"), text, 0o644); err != nil {
		return fmt.Errorf("write the page of %q: %w", c.CommandPath(), err)
	}
	return nil
}

// titleDate matches the title line up to its date.
var titleDate = regexp.MustCompile(`(?m)^(\.TH "[^"]*" "[^"]*") "[^"]*"`)

// programPage makes the page of a program whose commands are not cobra's: what
// it is for is written by hand (packaging/man), its options are what the
// program itself says.
func programPage(program, help string) ([]byte, error) {
	text, err := packaging.Files.ReadFile("man/" + program + ".md")
	if err != nil {
		return nil, fmt.Errorf("read the page of %s: %w", program, err)
	}
	var options strings.Builder
	for _, o := range parseOptions(help) {
		fmt.Fprintf(&options, "**%s**\n: %s\n\n", escapeMarkdown(o.flags), escapeMarkdown(o.says))
	}
	if options.Len() == 0 {
		return nil, fmt.Errorf("%s names no options when it is asked", program)
	}
	page := strings.Replace(string(text), optionsTag, options.String(), 1)
	return md2man.Render([]byte(page)), nil
}

type option struct{ flags, says string }

// parseOptions reads the options out of what a program says of itself, as
// package flag or cobra writes it.
func parseOptions(help string) []option {
	var found []option
	lines := strings.Split(help, "\n")
	for i, line := range lines {
		t := strings.TrimSpace(line)
		if !strings.HasPrefix(t, "-") {
			continue
		}
		flags, says, ok := strings.Cut(t, "   ")
		if !ok && i+1 < len(lines) {
			says = lines[i+1] // package flag puts it on the next line
		}
		found = append(found, option{strings.TrimSpace(flags), strings.TrimSpace(says)})
	}
	return found
}

// escapeMarkdown keeps a plain text from being taken for markup.
func escapeMarkdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "\\`").Replace(s)
}
