package gen

// What every package has, whatever its model.
const (
	head = `//
// [New] puts it over a session. Each command is a method: what the command
// requires is a parameter, what it does not is a field of its options, nil for
// the model's default; the only argument of a command is always a parameter.
// Arguments are checked with the schema that this package was generated from: what
// does not fit is the error of [sdk.Schema.Check], and nothing was sent. The other
// errors are those of [sdk.Session.Command].
package %s

import (
	"context"
	_ "embed" // the schema
%s	"iter"
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
	b, err := json.Marshal(m.Data)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
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
	if err := schema().Check(command, args, nil); err != nil {
		return sdk.Reply{}, err
	}
	return c.Session.Command(ctx, command, args)
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
