package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/gen"
)

// whichModel is what the help of the commands that read a schema says of M.
const whichModel = "M is the URL of a local runtime, such as http://localhost:8080, a file with a schema, or\n" +
	"the name of a model in the cloud. Such a model tells its schema in a session only, which\n" +
	"costs as any session does: --connect opens one, asks, and ends it."

func (p *program) modelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Look at a model's commands, messages and tracks",
	}
	c.AddCommand(p.modelShowCommand())
	return c
}

func (p *program) modelShowCommand() *cobra.Command {
	var connect, asJSON bool
	c := &cobra.Command{
		Use:   "show M",
		Short: "Print a model's commands with their arguments, its messages and its tracks",
		Args:  oneModel,
		Long: "Print a model's commands with their arguments, its messages and its tracks.\n\n" + whichModel + "\n\n" +
			"--json prints the OpenAPI document, with sorted keys, for gen and for version control:\n\n" +
			"  reactorpipe model show http://localhost:8080 --json > x2.json",
		RunE: func(c *cobra.Command, args []string) error {
			document, err := p.modelSchema(c.Context(), args[0], connect)
			if err != nil {
				return err
			}
			if asJSON {
				return printDocument(p.out, document)
			}
			schema, err := sdk.ParseSchema(document)
			if err != nil {
				return &configError{fmt.Errorf("%s: %w", args[0], err)}
			}
			_, err = io.WriteString(p.out, showModel(schema))
			return err
		},
	}
	c.Flags().BoolVar(&connect, "connect", false, "open a session to ask a model of the cloud")
	c.Flags().BoolVar(&asJSON, "json", false, "print the model's OpenAPI document")
	return c
}

func oneModel(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &usageError{fmt.Errorf("%s: which model? Name one: a URL, a file or a model of the cloud", c.Name())}
	}
	return nil
}

func printDocument(w io.Writer, document json.RawMessage) error {
	canonical, err := gen.Canonical(document)
	if err != nil {
		return &configError{err}
	}
	_, err = w.Write(canonical)
	return err
}

// schemaPatience bounds how long a model that is asked may take to answer, its
// session included.
const schemaPatience = 3 * time.Minute

// modelSchema reads the OpenAPI document of the model that name names.
func (p *program) modelSchema(ctx context.Context, name string, connect bool) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, schemaPatience)
	defer cancel()
	if document, err := os.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
		return document, noRetry(err)
	}
	if strings.HasSuffix(name, ".json") {
		return nil, &configError{fmt.Errorf("%s: no such file", name)}
	}
	peer, err := config.Peer(name, p.getenv)
	if err != nil {
		return nil, &configError{err}
	}
	if peer.Local {
		return localSchema(ctx, peer.URL)
	}
	if !connect {
		return nil, &usageError{fmt.Errorf("%s: a model of the cloud tells its schema in a session only, which costs: add --connect, or name a file", name)}
	}
	return cloudSchema(ctx, peer)
}

func noRetry(err error) error {
	if err == nil {
		return nil
	}
	return &configError{err}
}

func localSchema(ctx context.Context, url string) (json.RawMessage, error) {
	document, err := sdk.FetchSchema(ctx, url)
	if err == nil && strings.TrimSpace(string(document)) == "{}" {
		return nil, fmt.Errorf("%s: the model is still loading", url)
	}
	if err != nil {
		return nil, unanswered(url, err)
	}
	return document, nil
}

// unanswered says in plain words why a runtime told no schema, and what to do.
func unanswered(url string, err error) error {
	failed, ok := errors.AsType[*sdk.Error](err)
	if !ok {
		return err
	}
	var text string
	noHost, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		text = "nothing listens there: is the model running, and on that port?"
	case unknown:
		text = fmt.Sprintf("the host %q is not found: is its name right?", noHost.Name)
	case failed.Status != 0, failed.Code == sdk.CodeDecode:
		text = "what answers there tells no schema: is that a model's address? (" + failed.Message + ")"
	case errors.Is(err, sdk.ErrTimeout):
		text = "no answer came in time"
	default:
		text = failed.Message
	}
	return &wordedError{fmt.Sprintf("%s: %s\nreactorpipe doctor --model %s goes the way there and names the hop that fails", url, text, url), err}
}

// askLimit bounds the session that is opened to ask for a schema, should this
// program be killed meanwhile.
const askLimit = 5 * time.Minute

func cloudSchema(ctx context.Context, peer config.Session) (document json.RawMessage, err error) {
	if peer.APIKey == "" && peer.Token == "" {
		return nil, &configError{errors.New("REACTOR_API_KEY: must be set to open a session")}
	}
	s, err := sdk.Connect(ctx, sdk.Config{
		Model: peer.Model, APIKey: peer.APIKey, Token: peer.Token, BaseURL: peer.URL, Local: peer.Local,
		MaxSessionDuration: askLimit, NoAutoResume: true,
	})
	if errors.Is(err, sdk.ErrNotFound) {
		err = &configError{fmt.Errorf("model %q: %w", peer.Model, err)}
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Schema(ctx)
}

// showModel tells people what a model takes and says.
func showModel(s *sdk.Schema) string {
	var b strings.Builder
	b.WriteString(tame(s.Title) + "\n")
	if s.Description != "" {
		b.WriteString("  " + tame(s.Description) + "\n")
	}
	b.WriteString("\ntracks\n")
	var rows [][]string
	for _, t := range s.Tracks {
		does := "the model sends it"
		if t.Direction == "in" {
			does = "the model takes it"
		}
		rows = append(rows, []string{t.Name, t.Kind, does})
	}
	writeRows(&b, "  ", rows)
	b.WriteString("\ncommands\n")
	for _, c := range s.Commands {
		b.WriteString("  " + tame(c.Name) + aside(c.Summary, c.Name) + "\n")
		writeRows(&b, "      ", argumentRows(c.Args))
		if c.Open {
			b.WriteString("      and any other argument\n")
		}
		if c.Reply != "" {
			b.WriteString("      → " + tame(replyName(s, c.Reply)) + "\n")
		}
	}
	b.WriteString("\nmessages\n")
	for _, m := range s.Messages {
		b.WriteString("  " + tame(m.Name) + aside(m.Summary, m.Name) + "\n")
		writeRows(&b, "      ", fieldRows(m.Fields))
	}
	return b.String()
}

// replyName is the message that answers, as it is called on the wire.
func replyName(s *sdk.Schema, reply string) string {
	for _, m := range s.Messages {
		if m.Type == reply {
			return m.Name
		}
	}
	return reply
}

// aside is what a summary adds to a name; nothing where the model was given none.
func aside(summary, name string) string {
	if summary == "" || summary == "Trigger "+name {
		return ""
	}
	return ": " + tame(summary)
}

func argumentRows(args []sdk.ArgSchema) [][]string {
	var rows [][]string
	for _, a := range args {
		text := a.Value.String()
		switch {
		case a.Required:
			text += ", required"
		case a.Default != nil:
			value, err := json.Marshal(a.Default)
			if err == nil {
				text += ", " + string(value) + " by default"
			}
		}
		rows = append(rows, []string{a.Name, text, fieldText(a)})
	}
	return rows
}

func fieldRows(fields []sdk.ArgSchema) [][]string {
	var rows [][]string
	for _, f := range fields {
		rows = append(rows, []string{f.Name, f.Value.String(), fieldText(f)})
	}
	return rows
}

// fieldText is what the model says of a field. Of a file, only what a file is.
func fieldText(a sdk.ArgSchema) string {
	if a.Value.File() {
		return ""
	}
	return tame(a.Description)
}

// tame keeps a model's words from breaking the lines, or a terminal.
func tame(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// writeRows lines up the columns.
func writeRows(b *strings.Builder, indent string, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			row[i] = tame(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(indent+line.String(), " ") + "\n")
	}
}
