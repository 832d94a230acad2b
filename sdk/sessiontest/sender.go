package sessiontest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

const (
	// maxPayload is the size of the real server's packets.
	maxPayload = 1190
	// maxQueued is how many samples wait for the pacer: a second at 30 fps.
	maxQueued = 30
	// packetsPerMillisecond is what a receiver with a stock socket buffer takes.
	packetsPerMillisecond = 10
	// maxCatchUp bounds the burst after the pacer itself was held up.
	maxCatchUp = 2 * time.Millisecond
	// askAgain is when a viewer without a picture asks again for a keyframe.
	askAgain = 500 * time.Millisecond
)

// sender is one output track on one connection. It packetizes and paces.
type sender struct {
	out     *Output
	conn    *connection
	id      string
	queue   chan queued
	done    chan struct{}
	stopped sync.Once

	mu      sync.Mutex // guards what follows
	codec   codec      // negotiated; zero before
	writer  webrtc.TrackLocalWriter
	header  rtp.Header // SSRC and payload type
	resumed bool
	epoch   int       // counts pauses: what was queued before one is not sent
	blocked bool      // nothing but a keyframe may be sent next
	wanted  bool      // a keyframe is needed and nobody was told
	told    time.Time // when somebody was

	// Touched by run only.
	payloader rtp.Payloader
	sequence  uint16
	offset    uint32
	frames    uint64
}

type queued struct {
	Sample
	epoch int
}

var _ webrtc.TrackLocal = (*sender)(nil)

// addSender adds a transceiver that sends the output.
func (c *connection) addSender(pc *webrtc.PeerConnection, track Track) (*webrtc.RTPTransceiver, error) {
	s := &sender{
		out: c.session.srv.outputs[track.Name], conn: c, id: track.Name,
		queue:    make(chan queued, maxQueued),
		done:     make(chan struct{}),
		sequence: uint16(rand.Uint32()),
		offset:   rand.Uint32(),
	}
	t, err := pc.AddTransceiverFromTrack(s, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.senders[track.Name] = s
	c.mu.Unlock()
	s.out.add(s)
	c.spawn(s.run)
	c.spawn(func() { s.readRTCP(t.Sender()) })
	return t, nil
}

// Bind chooses the codec: the track's first that was negotiated.
func (s *sender) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	usable := inOrder(ctx.CodecParameters(), s.out.track.Codecs)
	if len(usable) == 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	p := usable[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codec, _ = codecNamed(codecName(p.MimeType))
	s.writer = ctx.WriteStream()
	s.header = rtp.Header{Version: 2, SSRC: uint32(ctx.SSRC()), PayloadType: uint8(p.PayloadType)}
	return p, nil
}

// Unbind stops the sender.
func (s *sender) Unbind(webrtc.TrackLocalContext) error {
	s.stop()
	return nil
}

// ID, RID, StreamID and Kind describe the track to pion.
func (s *sender) ID() string { return s.id }

// RID is empty: there is no simulcast.
func (s *sender) RID() string { return "" }

// StreamID groups the tracks of one connection.
func (s *sender) StreamID() string { return fmt.Sprintf("reactor-%d", s.conn.id) }

// Kind is that of the track.
func (s *sender) Kind() webrtc.RTPCodecType {
	if s.out.track.Kind == Audio {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

func (s *sender) stop() {
	s.stopped.Do(func() {
		close(s.done)
		s.out.remove(s)
	})
}

func (s *sender) resume() {
	s.mu.Lock()
	if !s.resumed {
		s.resumed, s.blocked, s.wanted = true, true, true
	}
	s.mu.Unlock()
	s.out.signal()
}

// block lets nothing but a keyframe through, and asks for one.
func (s *sender) block() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked, s.wanted = true, true
}

func (s *sender) pause() {
	s.mu.Lock()
	s.resumed = false
	s.epoch++
	s.mu.Unlock()
	s.out.signal()
}

// demand says whether the sender watches in a codec, and whether it needs a
// keyframe. It counts as told.
func (s *sender) demand(codec string, now time.Time) (watching, keyframe bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.resumed || s.codec.name != codec || s.stepped() {
		return false, false
	}
	if s.codec.kind == Audio {
		return true, false
	}
	keyframe = s.wanted || s.blocked && now.Sub(s.told) > askAgain
	if keyframe {
		s.wanted, s.told = false, now
	}
	return true, keyframe
}

// stepped says that nothing but sound goes out: pictures are in the results.
func (s *sender) stepped() bool { return s.conn.session.stepped && s.out.track.Kind == Video }

// offer queues a sample, if the viewer can do anything with it.
func (s *sender) offer(sample Sample) {
	s.mu.Lock()
	if !s.resumed || s.codec.name != sample.Codec || s.stepped() {
		s.mu.Unlock()
		return
	}
	audio := s.codec.kind == Audio
	if s.blocked && !sample.Keyframe && !audio {
		s.mu.Unlock()
		return
	}
	overflow := false
	select {
	case s.queue <- queued{sample, s.epoch}:
		if sample.Keyframe {
			s.blocked, s.wanted = false, false
		}
	default:
		overflow = true
		s.blocked, s.wanted = !audio, !audio
	}
	s.mu.Unlock()
	if overflow {
		s.conn.log.Warn("sample dropped: the connection does not keep up", "track", s.id)
	}
}

func (s *sender) run() {
	for {
		select {
		case <-s.done:
			return
		case q := <-s.queue:
			s.send(q)
		}
	}
}

// send cuts a sample into packets and writes them, ten a millisecond, unless
// the track is paused meanwhile.
func (s *sender) send(q queued) {
	s.mu.Lock()
	codec, writer, header := s.codec, s.writer, s.header
	s.mu.Unlock()
	if s.payloader == nil {
		s.payloader = codec.payloader()
	}
	header.Timestamp = s.offset + uint32(int64(q.PTS)*int64(codec.clockRate)/int64(time.Second))
	payloads := s.payloader.Payload(maxPayload, s.withTrailer(q.Sample, codec))
	pace := time.Now()
	for i, payload := range payloads {
		if i > 0 && i%packetsPerMillisecond == 0 {
			pace = latest(pace.Add(time.Millisecond), time.Now().Add(-maxCatchUp))
			if !s.sleepUntil(pace) {
				return
			}
		}
		if s.stale(q.epoch) {
			return
		}
		header.Marker = i == len(payloads)-1
		header.SequenceNumber = s.sequence
		s.sequence++
		h := header.Clone() // interceptors add extensions
		if _, err := writer.WriteRTP(&h, payload); err != nil {
			s.conn.log.Debug("packet not sent", "track", s.id, "err", err)
			return
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *sender) sleepUntil(t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-s.done:
		return false
	}
}

func (s *sender) stale(epoch int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch != epoch
}

// withTrailer appends the metadata, where both sides agreed to it. AV1 cannot
// carry it.
func (s *sender) withTrailer(sample Sample, c codec) []byte {
	m := sample.Metadata
	if m == nil || !s.conn.features.FrameMetadata || c.kind == Audio || c.name == "av1" {
		return sample.Data
	}
	s.frames++
	tag := &wire.FrameMetadata{FrameId: m.FrameID, CaptureTimeUs: uint64(m.CaptureTime.Microseconds()), UserData: m.UserData}
	if tag.FrameId == 0 {
		tag.FrameId = s.frames
	}
	if tag.CaptureTimeUs == 0 {
		tag.CaptureTimeUs = uint64(time.Since(s.out.srv.started).Microseconds())
	}
	return wire.AppendTrailer(slices.Clip(sample.Data), tag)
}

// readRTCP takes the viewer's requests for keyframes.
func (s *sender) readRTCP(rs *webrtc.RTPSender) {
	for {
		packets, _, err := rs.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				s.mu.Lock()
				s.wanted = s.resumed
				s.mu.Unlock()
				s.out.signal()
			}
		}
	}
}
