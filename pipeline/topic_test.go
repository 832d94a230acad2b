package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func told(topic *pipeline.MessageTopic, types ...string) {
	for _, t := range types {
		topic.Tell(pipeline.Message{Type: t})
	}
}

func TestMessageTopic(t *testing.T) {
	var topic pipeline.MessageTopic
	told(&topic, "to nobody")
	first := topic.Subscribe(t.Context())
	told(&topic, "a")
	second := topic.Subscribe(t.Context())
	told(&topic, "b")
	topic.Close()
	topic.Close()
	told(&topic, "too late")
	third := topic.Subscribe(t.Context())
	types := func(m func(func(pipeline.Message) bool)) (got []string) {
		for m := range m {
			got = append(got, m.Type)
		}
		return got
	}
	for i, want := range [][]string{{"a", "b"}, {"b"}, nil} {
		if got := types([]func(func(pipeline.Message) bool){first, second, third}[i]); !slices.Equal(got, want) {
			t.Errorf("reader %d: got %v, want %v", i, got, want)
		}
	}
}

func TestMessageTopicOfASlowReader(t *testing.T) {
	var topic pipeline.MessageTopic
	slow := topic.Subscribe(t.Context())
	for i := range 2000 {
		topic.Tell(pipeline.Message{Data: map[string]any{"n": i}})
	}
	topic.Close()
	var got []int
	for m := range slow {
		got = append(got, m.Data["n"].(int))
	}
	if len(got) != 1024 || got[0] != 2000-1024 || got[1023] != 1999 {
		t.Errorf("%d messages, from %d", len(got), got[0])
	}
}

func TestMessageTopicWhoseReaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic pipeline.MessageTopic
		ctx, cancel := context.WithCancel(t.Context())
		reader := topic.Subscribe(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range reader {
				t.Error("a message that nobody said")
			}
		}()
		cancel()
		<-done
		told(&topic, "to nobody")
	})
}
