package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Markdown returns docs/commands.md: every command with its flags, as --help
// has them.
func Markdown() string {
	root := (&app{}).root()
	var b strings.Builder
	b.WriteString("<!-- Generated from internal/cli by go generate. Do not edit. -->\n\n# Commands\n\n")
	b.WriteString("What `wormbell --help` says, on one page. All commands take `--json`, which writes JSON for programs, and `--socket PATH`,\n" +
		"which speaks to the agent there; without it that is the system's agent, else your own. ")
	_, exits, _ := strings.Cut(root.Long, "Exit status: ")
	b.WriteString("Exit status: " + strings.Join(strings.Fields(exits), " ") + "\n\n| command | |\n|---|---|\n")
	var pages strings.Builder
	for _, c := range commands(root) {
		path := c.CommandPath()
		anchor := strings.ReplaceAll(strings.ToLower(path), " ", "-")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", path, anchor, cell(c.Short))
		use := c.UseLine()
		fmt.Fprintf(&pages, "\n## %s\n\n`%s`\n\n%s\n", path, strings.TrimSuffix(use, " [flags]"), paragraphs(c))
		var rows []string
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !f.Hidden {
				rows = append(rows, flagRow(f))
			}
		})
		if len(rows) > 0 {
			pages.WriteString("\n| flag | |\n|---|---|\n" + strings.Join(rows, ""))
		}
	}
	return b.String() + pages.String()
}

// commands are those that do something, in order, each before what is below it.
func commands(of *cobra.Command) (list []*cobra.Command) {
	for _, c := range of.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if !c.HasSubCommands() {
			list = append(list, c)
		}
		list = append(list, commands(c)...)
	}
	return list
}

// paragraphs is what a command says of itself. What is set off there, such as
// a list, stays so.
func paragraphs(c *cobra.Command) string {
	text := c.Long
	if text == "" {
		text = strings.TrimSuffix(c.Short, ".") + "."
	}
	if !strings.Contains(text, "\n  ") {
		return markdown(text)
	}
	return "```text\n" + strings.TrimSpace(text) + "\n```"
}

func flagRow(f *pflag.Flag) string {
	value, says := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + value
	}
	if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" && d != "[]" {
		says += fmt.Sprintf(" (default `%s`)", d)
	}
	return fmt.Sprintf("| `%s` | %s |\n", name, cell(says))
}

// cell is text in a table.
func cell(s string) string {
	return strings.ReplaceAll(markdown(strings.ReplaceAll(s, "\n", " ")), "|", `\|`)
}

// markdown keeps what a page would take for marks of its own.
func markdown(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`, "~", `\~`).Replace(strings.TrimSpace(s))
}
