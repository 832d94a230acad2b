// Package sdk is the Go client of a Reactor model session: it connects over
// WebRTC, receives and publishes encoded media, sends commands, listens to
// messages, uploads files and reconnects. It is pure Go and knows nothing of
// pixels; package pipeline/ingest turns its packets into decoded frames.
//
// A [Session] is opened by [Connect] and is ready when that returns:
//
//	s, err := sdk.Connect(ctx, sdk.Config{Model: "owner/name", APIKey: key})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//
// A lost connection is made anew by itself, for as long as the server keeps the
// session: tracks, publications and subscriptions go on. [Session.Done] says when
// it is over for good, and [Session.Err] why.
//
// # Media
//
// [Session.Track] and [Session.Tracks] hand out the tracks that the model
// declares. What it sends is read packet by packet with [Track.ReadRTP]; what it
// takes is published with [Track.Publish] and written with
// [Publication.WriteSample], one access unit of video or packet of Opus at a time,
// which leave paced.
//
// # Commands and messages
//
// [Session.Command] waits for the reply, [Session.Post] does not. A file that was
// uploaded with [Session.Upload] may stand anywhere in the arguments. With
// [Config.CheckCommands] a command is checked against the model's schema before it
// is sent. [Session.Messages] and [Session.Events] are sequences with a bounded
// queue for each reader: a slow one blocks nobody.
//
// # Errors
//
// Methods return an [*Error], with a code, the operation, whether trying again may
// help and how long the server asks to wait. What a caller may act on is a value
// for [errors.Is], such as [ErrRefused] or [ErrNotReady].
//
// # Stepped generation
//
// With [Config.Generation] set to [Stepped] no media flows: each [Session.Step]
// takes its frames with it and brings back what the model made of them.
package sdk
