package sdk

import "time"

// How far a subscriber may fall behind.
const (
	messageDepth = 1024
	eventDepth   = 256
)

// Message is something the model said, to everybody or in answer to a command.
type Message struct {
	Type string
	Data map[string]any // nil where the message carries none; shared, not to be changed
	At   time.Time      // of arrival
	// Missed is how many messages before this one fell out of the queue.
	Missed int
	// Tied says of a command_error that a command of this client was waiting for its
	// reply, and has the refusal for an error.
	Tied bool
}

// EventType names what an [Event] tells.
type EventType string

// The events of a session.
const (
	// EventStatus: the status is now Status.
	EventStatus EventType = "status"
	// EventLost: the connection was lost, because of Err; it is being tried again.
	EventLost EventType = "lost"
	// EventReconnected: the connection is back, after Outage and Attempts tries.
	EventReconnected EventType = "reconnected"
	// EventError: something failed that nobody waits for any more.
	EventError EventType = "error"
	// EventSessionEnded: the server ended the session, for Reason.
	EventSessionEnded EventType = "sessionEnded"
	// EventModeration: the platform's verdict on an input, in Moderation.
	EventModeration EventType = "moderation"
	// EventClipReady: the server granted a clip, in Clip; it may take a while yet.
	EventClipReady EventType = "clipReady"
	// EventClipFailed: the server has no clip, for Reason.
	EventClipFailed EventType = "clipFailed"
	// EventOver: the session is over for good, because of Err. It is the last one.
	EventOver EventType = "over"
)

// Event is a change of the session.
type Event struct {
	Type       EventType
	At         time.Time
	Status     Status
	Err        error
	Reason     string
	Moderation *Moderation
	Clip       *Clip
	Outage     time.Duration
	Attempts   int
}

// Moderation is a verdict of the platform.
type Moderation struct {
	Action     string // "terminate" ends the session
	InputKind  string
	Command    string
	Categories []string
	Message    string
}
