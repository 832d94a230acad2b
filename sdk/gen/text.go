package gen

// What every package has, whatever its model.
const (
	head = `//
// [New] puts it over a session. Each command is a method: what the command
// requires is a parameter, what it does not is a field of its options, nil for
// the model's default; the only argument of a command is always a parameter.
// Arguments are checked with the schema that this package was generated from,
// then sent; the errors are those of [sdk.Session.Command].
package %s

import (
	"context"
	_ "embed" // the schema
	"encoding/json"
	"fmt"
	"iter"
%s	"sync"

	"github.com/reactorpipe/reactorpipe/sdk"
)
`

	clientType = `
//go:embed schema.json
var document []byte

var schema = sync.OnceValue(func() *sdk.Schema {
	s, err := sdk.ParseSchema(document)
	if err != nil {
		panic(err) // it was read when this package was generated
	}
	return s
})

// Schema returns the schema that this package was generated from. It is shared
// and not to be changed.
func Schema() *sdk.Schema { return schema() }

// Client steers the model of a session and understands what it says.
type Client struct{ Session *sdk.Session }

// New returns a client over a session, which stays the caller's.
func New(s *sdk.Session) *Client { return &Client{Session: s} }

// Messages yields what the model says, each message in its own type and as it
// came. It ends as [sdk.Session.Messages] does.
func (c *Client) Messages(ctx context.Context) iter.Seq2[Message, sdk.Message] {
	all := c.Session.Messages(ctx)
	return func(yield func(Message, sdk.Message) bool) {
		for m := range all {
			if !yield(decode(m), m) {
				return
			}
		}
	}
}
`

	other = `
// Other is a message that the schema does not know, or one that does not fit it:
// then Err says why.
type Other struct {
	sdk.Message
	Err error
}

func (Other) message() {}
`

	typed = `
func typed[T Message](m sdk.Message) Message {
	var v T
	if err := convert(m.Data, &v); err != nil {
		return Other{Message: m, Err: fmt.Errorf("message %s: %w", m.Type, err)}
	}
	return v
}
`

	foot = `
// tell sends a command.
func (c *Client) tell(ctx context.Context, command string, args map[string]any) error {
	_, err := c.send(ctx, command, args)
	return err
}

// send checks a command and sends it.
func (c *Client) send(ctx context.Context, command string, args map[string]any) (sdk.Reply, error) {
	plain := make(map[string]any, len(args))
	for name, v := range args {
		p, err := value(v)
		if err != nil {
			return sdk.Reply{}, fmt.Errorf("command %q: %s: %w", command, name, err)
		}
		plain[name] = p
	}
	if err := schema().Check(command, plain, nil); err != nil {
		return sdk.Reply{}, err
	}
	return c.Session.Command(ctx, command, plain)
}

// value turns an argument into what is sent for it. A file stays a file.
func value(v any) (any, error) {
	switch v := v.(type) {
	case sdk.FileRef:
		return v, nil
	case *sdk.FileRef:
		if v != nil {
			return *v, nil
		}
		return nil, nil
	}
	var plain any
	err := convert(v, &plain)
	return plain, err
}

// convert goes through JSON.
func convert(from, into any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
`

	answer = `
// answer sends a command and gives its reply a type.
func answer[T Message](ctx context.Context, c *Client, command string, args map[string]any) (T, error) {
	var v T
	r, err := c.send(ctx, command, args)
	if err != nil {
		return v, err
	}
	said := decode(sdk.Message{Type: r.Type, Data: r.Data, At: r.At})
	if o, wrong := said.(Other); wrong && o.Err != nil {
		return v, fmt.Errorf("command %q: %w", command, o.Err)
	}
	v, ok := said.(T)
	if !ok {
		return v, fmt.Errorf("command %q: answered with %q, not a %T", command, r.Type, v)
	}
	return v, nil
}
`
)
