package pipetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestSessionRemembersCommands(t *testing.T) {
	refused := &pipeline.Refused{Command: "set_prompt", Code: "invalid_command", Reason: "too long"}
	s := &Session{Reply: func(_ context.Context, _ string, args map[string]any) (pipeline.Reply, error) {
		if args["prompt"] == "long" {
			return pipeline.Reply{}, refused
		}
		return pipeline.Reply{Type: "prompt_accepted"}, nil
	}}
	ctx := pipeline.WithCause(t.Context(), pipeline.Cause{Node: "steer", Seq: 7})
	reply, err := s.Command(ctx, "set_prompt", map[string]any{"prompt": "rain"})
	if err != nil || reply.Type != "prompt_accepted" {
		t.Errorf("%v %v", reply, err)
	}
	if _, err := s.Command(t.Context(), "set_prompt", map[string]any{"prompt": "long"}); !errors.Is(err, error(refused)) {
		t.Errorf("got %v", err)
	}
	s.SetReady(false)
	if _, err := s.Command(t.Context(), "set_prompt", nil); !errors.Is(err, pipeline.ErrNotReady) {
		t.Errorf("got %v", err)
	}
	want := []Command{
		{"set_prompt", map[string]any{"prompt": "rain"}, pipeline.Cause{Node: "steer", Seq: 7}},
		{"set_prompt", map[string]any{"prompt": "long"}, pipeline.Cause{}},
	}
	if diff := cmp.Diff(want, s.Commands()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSessionSaysAndEnds(t *testing.T) {
	var s Session
	messages := s.Messages(t.Context())
	s.Say(pipeline.Message{Type: "a"})
	s.Say(pipeline.Message{Type: "b"})
	var got []string
	for m := range messages {
		got = append(got, m.Type)
		if len(got) == 2 {
			s.End()
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range s.Messages(t.Context()) {
		t.Error("a message after the end")
	}
}

func TestSessionPublishesAndUploads(t *testing.T) {
	var s Session
	w, err := s.Publish(t.Context(), pipeline.Publish{Track: "source"})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte{1, 2}
	if err := w.WriteSample(pipeline.Sample{Data: data}); err != nil {
		t.Error(err)
	}
	data[0] = 9 // it belongs to the encoder
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.WriteSample(pipeline.Sample{}); err == nil {
		t.Error("a closed track took a sample")
	}
	track := s.Tracks()[0]
	if !track.Closed() || w.Codec() != "vp8" || !cmp.Equal(track.Samples(), []pipeline.Sample{{Data: []byte{1, 2}}}) {
		t.Errorf("%+v", track.Samples())
	}
	ref, err := s.Upload(t.Context(), pipeline.File{Name: "a.png", Size: 3, Content: strings.NewReader("abc")})
	if err != nil || ref.UploadID != "upload-1" || string(s.Uploads()[0].Content) != "abc" {
		t.Errorf("%+v %v", ref, err)
	}
}
