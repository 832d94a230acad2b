package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p *program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the man pages of all commands into a folder",
		Long: "Write the man pages of all commands into a folder:\n\n" +
			"  reactorpipe man ~/.local/share/man/man1\n" +
			"  man reactorpipe-run",
		Args: oneFolder,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return writeMan(c.Root(), args[0])
		},
	}
}

// oneFolder wants a folder to be named.
func oneFolder(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &usageError{fmt.Errorf("%s: which folder should the pages be written to?", c.Name())}
	}
	return nil
}

// writeMan writes the pages of a command and those below it.
func writeMan(c *cobra.Command, folder string) error {
	for _, below := range manned(c) {
		if err := writeMan(below, folder); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, pageName(c)+".1")
	if err := os.WriteFile(path, md2man.Render([]byte(manPage(c))), 0o644); err != nil { //nolint:gosec // for all to read
		return fmt.Errorf("man: %w", err)
	}
	return nil
}

// manned are the commands below c that have a page.
func manned(c *cobra.Command) (all []*cobra.Command) {
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && !below.IsAdditionalHelpTopicCommand() {
			all = append(all, below)
		}
	}
	return all
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is a command's page as md2man takes it.
func manPage(c *cobra.Command) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%% %q \"1\" \"\" %q \"reactorpipe\"\n\n", strings.ToUpper(pageName(c)), "reactorpipe "+Version())
	section := func(title, body string) {
		if body != "" {
			fmt.Fprintf(&text, "# %s\n%s\n\n", title, body)
		}
	}
	section("NAME", pageName(c)+" - "+c.Short)
	section("SYNOPSIS", "**"+escapeMarkdown(c.UseLine())+"**")
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	section("DESCRIPTION", paragraphs(about))
	section("OPTIONS", flagList(c.NonInheritedFlags()))
	if c.Example != "" {
		section("EXAMPLE", "```\n"+c.Example+"\n```")
	}
	if !c.HasParent() {
		section("EXIT STATUS", exitCodes("**%d** %s.", " "))
	}
	section("SEE ALSO", seeAlso(c))
	return text.String()
}

// paragraphs keeps what is indented as it stands.
func paragraphs(text string) string {
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		if strings.HasPrefix(block, " ") {
			blocks[i] = "```\n" + block + "\n```"
			continue
		}
		blocks[i] = escapeMarkdown(block)
	}
	return strings.Join(blocks, "\n\n")
}

func escapeMarkdown(text string) string {
	return strings.NewReplacer("\\", "\\\\", "<", "\\<", ">", "\\>", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "`", "\\`").Replace(text)
}

func flagList(flags *pflag.FlagSet) string {
	var text strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		what, usage := pflag.UnquoteUsage(f)
		name := "**--" + f.Name + "**"
		if f.Shorthand != "" {
			name = "**-" + f.Shorthand + "**, " + name
		}
		if what != "" {
			name += "=" + what
		}
		fmt.Fprintf(&text, "%s\n\t%s", name, escapeMarkdown(usage))
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" && d != "[]" {
			fmt.Fprintf(&text, " (default %s)", escapeMarkdown(d))
		}
		text.WriteString("\n\n")
	})
	return strings.TrimRight(text.String(), "\n")
}

func seeAlso(c *cobra.Command) string {
	var pages []string
	if c.HasParent() {
		pages = append(pages, "**"+pageName(c.Parent())+"(1)**")
	}
	for _, below := range manned(c) {
		pages = append(pages, "**"+pageName(below)+"(1)**")
	}
	return strings.Join(pages, ", ")
}
