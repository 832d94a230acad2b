package wire

import (
	"errors"
	"iter"
)

// Bits of the header byte of a chunk. The others are the version and are zero.
const (
	chunkMore = 1 << 0 // another frame of this message follows
	chunkText = 1 << 1 // the message is text
)

// DefaultChunkSize is the size of a chunk, its header byte included, that the
// reference peers send. A receiver accepts any.
const DefaultChunkSize = 65536

var (
	// ErrChunk is a violation of the framing: the receiver closes the channel.
	ErrChunk = errors.New("malformed chunk")
	// ErrMessageTooLarge says that a message exceeds the limit. A receiver
	// drops the message and goes on.
	ErrMessageTooLarge = errors.New("message too large")
)

// Chunks cuts a message into the binary frames that carry it, each of at most
// size bytes (at least 2; 0 means [DefaultChunkSize]). The frames are fresh
// memory and belong to the caller.
func Chunks(text bool, message []byte, size int) iter.Seq[[]byte] {
	if size <= 0 {
		size = DefaultChunkSize
	}
	body := max(size, 2) - 1
	return func(yield func([]byte) bool) {
		for {
			n := min(body, len(message))
			frame := make([]byte, 1, 1+n)
			if text {
				frame[0] |= chunkText
			}
			if n < len(message) {
				frame[0] |= chunkMore
			}
			if !yield(append(frame, message[:n]...)) {
				return
			}
			message = message[n:]
			if len(message) == 0 {
				return
			}
		}
	}
}

// Reassembler puts the chunks of one channel together again. The zero value has
// the limit of [MaxChunkedMessage].
type Reassembler struct {
	// Limit is the largest message accepted, in bytes; 0 means [MaxChunkedMessage].
	Limit int

	message  []byte
	started  bool
	text     bool
	tooLarge bool
}

// Push takes the next frame of the channel. When that completes a message, done
// is true and the message belongs to the caller. [ErrMessageTooLarge] comes with
// the last frame of a message that was dropped, [ErrChunk] at once; after the
// latter the channel is to be closed.
func (r *Reassembler) Push(frame []byte) (message []byte, text, done bool, err error) {
	if len(frame) == 0 || frame[0]&^(chunkMore|chunkText) != 0 {
		return nil, false, false, ErrChunk
	}
	header, body := frame[0], frame[1:]
	isText := header&chunkText != 0
	if r.started && isText != r.text {
		return nil, false, false, ErrChunk
	}
	r.started, r.text = true, isText
	r.add(body)
	if header&chunkMore != 0 {
		return nil, false, false, nil
	}
	message, tooLarge := r.message, r.tooLarge
	*r = Reassembler{Limit: r.Limit}
	if tooLarge {
		return nil, false, false, ErrMessageTooLarge
	}
	return message, isText, true, nil
}

func (r *Reassembler) add(body []byte) {
	limit := r.Limit
	if limit <= 0 {
		limit = MaxChunkedMessage
	}
	if r.tooLarge || len(body) > limit-len(r.message) {
		r.tooLarge, r.message = true, nil
		return
	}
	r.message = append(r.message, body...)
}
