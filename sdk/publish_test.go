package sdk_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// arrived is one VP8 picture that reached the model.
type arrived struct {
	in       *sessiontest.Input
	data     []byte
	metadata *wire.FrameMetadata
}

// watching adds a receiver of VP8 to a model.
func watching(m sessiontest.Model) (sessiontest.Model, <-chan arrived) {
	out := make(chan arrived, 100)
	m.Receive = func(ctx context.Context, in *sessiontest.Input) {
		var frame []byte
		for {
			p, err := in.ReadRTP()
			if err != nil {
				return
			}
			var vp8 codecs.VP8Packet
			payload, err := vp8.Unmarshal(p.Payload)
			if err != nil {
				continue
			}
			if frame = append(frame, payload...); !p.Marker {
				continue
			}
			a := arrived{in: in}
			a.data, a.metadata = wire.SplitTrailer(frame)
			frame = nil
			select {
			case out <- a:
			case <-ctx.Done():
				return
			}
		}
	}
	return m, out
}

func write(t *testing.T, p *sdk.Publication, s sdk.Sample) {
	t.Helper()
	if err := p.WriteSample(s); err != nil {
		t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	m, out := watching(lamp())
	srv := sessiontest.New(t, m)
	s := connect(t, srv, sdk.Config{Codecs: []string{"h264"}})
	source := track(t, s, "source")
	pub, err := source.Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	clip := sessiontest.VP8Clip().Frames
	var first arrived

	t.Run("samples", func(t *testing.T) {
		for i, data := range clip[:5] {
			data = slices.Clone(data)
			write(t, pub, sdk.Sample{Data: data, PTS: time.Duration(i) * 33 * time.Millisecond, UserData: []byte{byte(i)}, CaptureTime: time.Second})
			clear(data) // WriteSample keeps nothing
		}
		for i, want := range clip[:5] {
			got := <-out
			if i == 0 {
				first = got
			}
			if diff := cmp.Diff(want, got.data); diff != "" {
				t.Fatalf("picture %d differs", i)
			}
			if md := got.metadata; md.GetFrameId() != uint64(i+1) || md.GetCaptureTimeUs() != 1e6 || string(md.GetUserData()) != string([]byte{byte(i)}) {
				t.Errorf("metadata of picture %d: %v", i, md)
			}
		}
	})

	t.Run("a large picture is whole", func(t *testing.T) {
		large := append(slices.Clone(clip[0]), make([]byte, 500_000)...)
		begun := time.Now()
		write(t, pub, sdk.Sample{Data: large, PTS: time.Second})
		if waited := time.Since(begun); waited > 20*time.Millisecond {
			t.Logf("WriteSample took %v", waited)
		}
		if got := <-out; len(got.data) != len(large) {
			t.Errorf("%d bytes of %d", len(got.data), len(large))
		}
		if took := time.Since(begun); took < 40*time.Millisecond {
			t.Errorf("430 packets in %v: not paced", took)
		}
	})

	t.Run("keyframe requests", func(t *testing.T) {
		if err := first.in.RequestKeyframe(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-pub.KeyframeRequests():
		case <-time.After(patience):
			t.Fatal("none came")
		}
	})

	t.Run("bitrate", func(t *testing.T) {
		if got := pub.Bitrate(); got < 100_000 || got > 10_000_000 {
			t.Errorf("got %d", got)
		}
		if err := first.in.SendREMB(777_000); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the receiver's estimate", func() bool { b := pub.Bitrate(); return b > 770_000 && b < 780_000 })
	})

	t.Run("published already", func(t *testing.T) {
		_, err := source.Publish(within(t), sdk.PublishConfig{})
		if message(err) != "publish_track: [publish_refused] track already published" || !errors.Is(err, sdk.ErrRefused) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("close", func(t *testing.T) {
		for range 2 {
			if err := pub.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := pub.WriteSample(sdk.Sample{Data: clip[0]}); !errors.Is(err, sdk.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		eventually(t, "the track can be published again", func() bool {
			again, err := source.Publish(within(t), sdk.PublishConfig{Codec: "h264"})
			return err == nil && again.Codec() == "h264" && again.Close() == nil
		})
	})
}

func TestPublishCodecs(t *testing.T) {
	m := lamp()
	m.Tracks = []sessiontest.Track{{Name: "source", Direction: sessiontest.SendOnly}}
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, Codecs: []string{"vp9", "h264"}})
	s := connect(t, srv, sdk.Config{})
	source := track(t, s, "source")
	if _, err := source.Publish(within(t), sdk.PublishConfig{Codec: "vp8"}); !errors.Is(err, sdk.ErrNoCodec) {
		t.Errorf("got %v", err)
	}
	pub, err := source.Publish(within(t), sdk.PublishConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if pub.Codec() != "vp9" {
		t.Errorf("got %s, want the server's first", pub.Codec())
	}
	write(t, pub, sdk.Sample{Data: sessiontest.VP9Clip().Frames[0]})
}

// TestPublishBetweenClients: the first publisher wins, over all clients.
func TestPublishBetweenClients(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	host := connect(t, srv, sdk.Config{})
	guest := connect(t, srv, sdk.Config{Local: true, SessionID: host.ID()})
	if _, err := track(t, host, "source").Publish(within(t), sdk.PublishConfig{}); err != nil {
		t.Fatal(err)
	}
	_, err := track(t, guest, "source").Publish(within(t), sdk.PublishConfig{})
	if message(err) != "publish_track: [publish_refused] track already published" {
		t.Errorf("got %v", err)
	}
	if err := host.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a track that was left is free", func() bool {
		_, err := track(t, guest, "source").Publish(within(t), sdk.PublishConfig{})
		return err == nil
	})
}
