// Package wire is what travels over the two data channels of a Reactor session
// and beside its media: the messages in both codecs, data-channel chunking, the
// frame-metadata trailer and the SDP attributes that negotiate the last two.
// It does no I/O and serves clients and servers alike.
package wire

//go:generate protoc --go_out=. --go_opt=paths=source_relative reactor_wire.proto

// Channel is the label of a data channel.
type Channel string

// The two channels of a connection. A server takes any label but "control" for
// the data channel.
const (
	DataChannel    Channel = "data"
	ControlChannel Channel = "control"
)

// ChannelOf is the channel that a label stands for.
func ChannelOf(label string) Channel {
	if label == string(ControlChannel) {
		return ControlChannel
	}
	return DataChannel
}

// The largest message of a channel, in bytes of its encoded form.
const (
	// MaxPlainMessage holds where no chunking was agreed.
	MaxPlainMessage = 262144
	// MaxChunkedMessage is what both reference peers declare.
	MaxChunkedMessage = 67108864
)
