package sdk

import (
	"math"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

func numbered(seq uint16, timestamp uint32) *rtp.Packet {
	return &rtp.Packet{Header: rtp.Header{SequenceNumber: seq, Timestamp: timestamp, Marker: true}}
}

func TestLossIsCounted(t *testing.T) {
	tests := []struct {
		name string
		seqs []uint16
		want int64
	}{
		{"none", nil, 0},
		{"all there", []uint16{5, 6, 7}, 0},
		{"one missing", []uint16{5, 7}, 1},
		{"reordered", []uint16{5, 7, 6, 8}, 0},
		{"the first is late", []uint16{6, 5, 7}, 0},
		{"late over the wrap", []uint16{0, 65535, 1}, 0},
		{"missing over the wrap", []uint16{65534, 1}, 2},
		{"duplicates", []uint16{5, 6, 6, 6}, -2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var i inbound
			for _, seq := range tt.seqs {
				i.packet(numbered(seq, 0), "vp8", 100, time.Unix(0, 0))
			}
			if got := i.lost(); got != tt.want || i.packets != uint64(len(tt.seqs)) || i.bytes != 100*i.packets {
				t.Errorf("lost %d of %d, want %d", got, i.packets, tt.want)
			}
		})
	}
}

// TestJitterIsCounted follows a stream through its timestamps' wrap: packets that
// come on time have none, one that is 16 ms late adds a sixteenth of it twice.
func TestJitterIsCounted(t *testing.T) {
	i := inbound{clock: 90_000}
	at, timestamp := time.Unix(1000, 0), uint32(1<<32-4*90)
	for n := range uint16(10) {
		i.packet(numbered(n, timestamp), "vp8", 1, at)
		at, timestamp = at.Add(time.Millisecond), timestamp+90
	}
	if i.jitter != 0 {
		t.Errorf("%v ticks on time", i.jitter)
	}
	i.packet(numbered(10, timestamp), "vp8", 1, at.Add(16*time.Millisecond))
	if i.jitter != 90 {
		t.Errorf("%v ticks after one late packet, want 90", i.jitter)
	}
}

func TestMeter(t *testing.T) {
	m := newMeter()
	var left int
	write := m.BindLocalStream(&interceptor.StreamInfo{SSRC: 7}, interceptor.RTPWriterFunc(
		func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { left++; return 0, nil },
	))
	for _, seq := range []uint16{65535, 0, 65535, 1} { // the third is a repair
		if _, err := write.Write(&numbered(seq, 0).Header, make([]byte, 88), nil); err != nil {
			t.Fatal(err)
		}
	}
	o := m.sending(7)
	if left != 4 || o.packets != 4 || o.resent != 1 || o.frames != 3 || o.bytes != 400 {
		t.Errorf("%d left; counted %d packets, %d repairs, %d frames, %d bytes", left, o.packets, o.resent, o.frames, o.bytes)
	}

	requests := m.BindRTCPWriter(interceptor.RTCPWriterFunc(func([]rtcp.Packet, interceptor.Attributes) (int, error) { return 0, nil }))
	_, err := requests.Write([]rtcp.Packet{
		&rtcp.TransportLayerNack{MediaSSRC: 9}, &rtcp.TransportLayerNack{MediaSSRC: 9},
		&rtcp.PictureLossIndication{MediaSSRC: 9}, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 9}}},
	}, nil)
	if got := m.requested(9); err != nil || got.nacks != 2 || got.keyframes != 1 || m.requested(8).nacks != 0 {
		t.Errorf("got %+v, %v", got, err)
	}

	// Our report left at 1000 s, theirs 250 ms after it arrived; it is here
	// 350 ms after ours left.
	left1000 := time.Unix(1000, 0)
	m.reported(7, []rtcp.ReceptionReport{
		{SSRC: 7, FractionLost: 64, TotalLost: 0xffffff, LastSenderReport: ntpMiddle(left1000), Delay: 65536 / 4},
		{SSRC: 8, TotalLost: 1},
	}, left1000.Add(350*time.Millisecond))
	r := o.report
	if off := r.roundTrip - 100*time.Millisecond; off.Abs() > time.Millisecond || r.fractionLost != 0.25 || r.lost != -1 || r.totalTrip != r.roundTrip {
		t.Errorf("got %+v", r)
	}
}

func TestRate(t *testing.T) {
	var r rate
	at := time.Unix(1000, 0)
	for _, tt := range []struct {
		name  string
		count uint64
		want  float64 // -1 is nil
	}{
		{"nothing to compare with", 100, -1},
		{"measured", 130, 30},
		{"none is zero", 130, 0},
	} {
		r.tick(at, tt.count)
		at = at.Add(time.Second)
		got, bits := r.value(1), r.bits()
		if (got == nil) != (tt.want < 0) || got != nil && (*got != tt.want || *bits != 8*tt.want) {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// TestReportIsTakenOnce: the streams that one report speaks of are each handed
// the whole of it.
func TestReportIsTakenOnce(t *testing.T) {
	m := newMeter()
	report := &rtcp.ReceiverReport{}
	for _, ssrc := range []uint32{7, 8} {
		m.BindLocalStream(&interceptor.StreamInfo{SSRC: ssrc}, nil)
		report.Reports = append(report.Reports, rtcp.ReceptionReport{SSRC: ssrc, LastSenderReport: ntpMiddle(time.Now().Add(-time.Second))})
	}
	for _, ssrc := range []uint32{7, 8} {
		s := &sender{conn: &conn{meter: m}}
		s.feedback(report) // not bound yet
		s.writer.Store(&boundWriter{ssrc: ssrc})
		s.feedback(report)
	}
	for _, ssrc := range []uint32{7, 8} {
		if r := m.sending(ssrc).report; r == nil || r.roundTrip <= 0 || r.totalTrip != r.roundTrip {
			t.Errorf("stream %d: got %+v", ssrc, r)
		}
	}
}

// slow is an estimator that takes a moment to answer.
type slow struct{ cc.BandwidthEstimator }

func (slow) GetTargetBitrate() int {
	pass(time.Millisecond)
	return firstBitrate
}

// TestRatesAreOfASecond: what else is done every few seconds, at the same time or
// just after it, cuts no second short.
func TestRatesAreOfASecond(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.connect(t, Config{})
		under, err := s.ready("")
		if err != nil {
			t.Fatal(err)
		}
		c := &conn{session: s, log: s.log, pc: under.pc, data: under.data, control: under.control, meter: newMeter(), bwe: slow{}, net: new(bufferedNet), lost: make(chan struct{})}
		o := &outbound{}
		c.meter.out[7] = o
		c.workers.Go(c.keepAlive)
		defer c.workers.Wait()
		defer c.lose(ErrClosed)
		for n := range uint16(600) { // ten a second, a minute long
			pass(50 * time.Millisecond)
			o.packet(&numbered(n, 0).Header, nil)
			pass(50 * time.Millisecond)
			if n < 20 {
				continue // nothing was measured yet
			}
			o.mu.Lock()
			fps := o.fps.last
			o.mu.Unlock()
			if math.Abs(fps-10) > 0.1 {
				t.Fatalf("after %d frames: %v frames a second, want 10", n, fps)
			}
		}
	})
}
