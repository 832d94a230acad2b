package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

var epochStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const frameTime = time.Second / 30

// network is what becomes of the packets of picture i on their way.
type network func(i int, s *sender, packets []sdk.Packet) []sdk.Packet

func clean(_ int, _ *sender, packets []sdk.Packet) []sdk.Packet { return packets }

// losing loses the packets of one picture from the first to before the last.
func losing(picture, first, last int) network {
	return func(i int, _ *sender, packets []sdk.Packet) []sdk.Packet {
		if i != picture {
			return packets
		}
		return slices.Delete(packets, first, min(last, len(packets)))
	}
}

const all = 1 << 30

// delayed has the second packet of a picture come later.
func delayed(picture int, by time.Duration) network {
	return func(i int, _ *sender, packets []sdk.Packet) []sdk.Packet {
		if i == picture {
			packets[1].Arrival = packets[1].Arrival.Add(by)
		}
		return packets
	}
}

// before has something happen to the sender before a picture.
func before(picture int, happen func(*sender)) func(int, *sender) {
	return func(i int, s *sender) {
		if i == picture {
			happen(s)
		}
	}
}

func TestReceiver(t *testing.T) {
	quiet := func(int, *sender) {}
	tests := []struct {
		name     string
		pictures string // K or P each
		prepare  func(i int, s *sender)
		network  network
		onLoss   OnLoss
		want     string // pictures that came out, with what was said of them
	}{
		{"in order", "KPPPKP", quiet, clean, FreezeLoss, "0k 1 2 3 4k 5"},
		{"reordered", "KPPPKP", quiet, func(_ int, _ *sender, p []sdk.Packet) []sdk.Packet {
			slices.Reverse(p[1:])
			return p
		}, FreezeLoss, "0k 1 2 3 4k 5"},
		{"duplicated", "KPPPKP", quiet, func(_ int, _ *sender, p []sdk.Packet) []sdk.Packet {
			return slices.Concat(p, p)
		}, FreezeLoss, "0k 1 2 3 4k 5"},
		{"padding between pictures", "KPPPKP", quiet, func(_ int, s *sender, p []sdk.Packet) []sdk.Packet {
			return append(p, s.padding(p[0].Arrival), s.padding(p[0].Arrival))
		}, FreezeLoss, "0k 1 2 3 4k 5"},
		{"a packet comes just in time", "KPPPKP", quiet, func(i int, _ *sender, p []sdk.Packet) []sdk.Packet {
			if i == 2 {
				p[1].Arrival = p[1].Arrival.Add(60 * time.Millisecond)
			}
			return p
		}, FreezeLoss, "0k 1 2 3 4k 5"},
		{"a packet comes behind the deadline, frozen", "KPPPPPKP", quiet, delayed(2, 120*time.Millisecond), FreezeLoss, "0k 1 2 3 4 5 6k 7"},
		{"a packet comes behind the deadline, shown", "KPPPPPKP", quiet, delayed(2, 120*time.Millisecond), ShowLoss, "0k 1 lost 3 4 5 6k 7"},
		{"a packet comes behind a keyframe", "KPPPPPKP", quiet, delayed(2, 300*time.Millisecond), FreezeLoss, "0k 1 lost 6k 7"},
		{"lost in the middle, frozen", "KPPPPKP", quiet, losing(2, 1, 2), FreezeLoss, "0k 1 lost 5k 6"},
		{"lost in the middle, shown", "KPPPPKP", quiet, losing(2, 1, 2), ShowLoss, "0k 1 lost 3 4 5k 6"},
		{"the first packet lost", "KPPPPKP", quiet, losing(2, 0, 1), FreezeLoss, "0k 1 lost 5k 6"},
		{"the marker lost", "KPPPPKP", quiet, func(i int, _ *sender, p []sdk.Packet) []sdk.Packet {
			if i == 2 {
				return p[:len(p)-1]
			}
			return p
		}, FreezeLoss, "0k 1 lost 5k 6"},
		{"a whole picture lost, frozen", "KPPPPKP", quiet, losing(2, 0, all), FreezeLoss, "0k 1 lost 5k 6"},
		{"a whole picture lost, shown", "KPPPPKP", quiet, losing(2, 0, all), ShowLoss, "0k 1 lost 3 4 5k 6"},
		{"the keyframe lost", "KPPKPPKP", quiet, losing(3, 0, 2), FreezeLoss, "0k 1 2 lost 6k 7"},
		{"begins amid a sequence", "PPPKP", quiet, clean, FreezeLoss, "lost 3k 4"},
		{"another SSRC", "KPPKP", before(3, func(s *sender) { s.restart(8) }), clean, FreezeLoss, "0k 1 2 restart 3k 4"},
		{"another SSRC amid a sequence", "KPPPKP", before(3, func(s *sender) { s.restart(8) }), clean, FreezeLoss, "0k 1 2 restart 4k 5"},
		{"another connection", "KPPKP", before(3, func(s *sender) { s.epoch++; s.restart(s.ssrc) }), clean, FreezeLoss, "0k 1 2 restart 3k 4"},
		{"another connection behind a gap", "KPPKP", before(3, func(s *sender) { s.epoch++; s.restart(8) }), losing(2, 1, 2), FreezeLoss, "0k 1 restart 3k 4"},
	}
	for _, tt := range tests {
		for _, codec := range []string{"vp8", "vp9", "h264"} {
			t.Run(tt.name+"/"+codec, func(t *testing.T) {
				s := newSender(t, codec)
				d := newDrive(tt.onLoss)
				for i, kind := range tt.pictures {
					tt.prepare(i, s)
					if kind == 'K' {
						s.keyframe()
					} else if s.next == 0 {
						s.next = 1
					}
					d.pictures[s.timestamp] = i
					d.arrive(tt.network(i, s, s.picture(epochStart.Add(time.Duration(i)*frameTime)))...)
				}
				if got := d.play(t); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			})
		}
	}
}

// Padding that is lost between two pictures holds up nothing, where pictures are
// numbered.
func TestReceiverWaitsForNoPadding(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9"} {
		s, d := newSender(t, codec), newDrive(FreezeLoss)
		for i := range 4 {
			d.pictures[s.timestamp] = i
			for _, p := range s.picture(epochStart) {
				if err := d.r.push(p); err != nil {
					t.Fatal(err)
				}
			}
			s.padding(epochStart) // nobody sees it
			d.r.pop(epochStart, d.take(t))
		}
		if got, want := strings.Join(d.out, " "), "0k 1 2 3"; got != want {
			t.Errorf("%s: at once came %s, want %s", codec, got, want)
		}
	}
}

func TestReceiverTakesAnotherCodec(t *testing.T) {
	s := newSender(t, "vp8")
	d := newDrive(FreezeLoss)
	for i, codec := range []string{"vp8", "vp8", "h264", "h264", "vp9", "vp9"} {
		if codec != s.clip.Codec {
			s.switchTo(codec)
		}
		d.pictures[s.timestamp] = i
		d.arrive(s.picture(epochStart.Add(time.Duration(i) * frameTime))...)
	}
	if got, want := d.play(t), "0k 1 restart 2k 3 restart 4k 5"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := d.r.counts(); n.units != 6 || n.broken != 0 || n.withheld != 0 {
		t.Errorf("got %+v, want 6 units over all codecs", n)
	}
}

func TestReceiverRefusesAnUnknownCodec(t *testing.T) {
	r := &receiver{}
	err := r.push(sdk.Packet{Codec: "red"})
	if want := `received unknown codec "red"`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
	if _, waits := r.deadline(); waits || r.needKeyframe() {
		t.Error("a receiver without a packet waits for something")
	}
}

// drive plays packets to a receiver at the time of their arrival.
type drive struct {
	r        *receiver
	packets  []sdk.Packet
	pictures map[uint32]int // by RTP timestamp
	out      []string
	last     int64 // RTP time
}

func newDrive(onLoss OnLoss) *drive {
	return &drive{r: &receiver{onLoss: onLoss, repairs: true}, pictures: map[uint32]int{}}
}

func (d *drive) arrive(packets ...sdk.Packet) { d.packets = append(d.packets, packets...) }

// play returns the units in words.
func (d *drive) play(t *testing.T) string {
	t.Helper()
	slices.SortStableFunc(d.packets, func(a, b sdk.Packet) int { return a.Arrival.Compare(b.Arrival) })
	for _, p := range d.packets {
		d.pass(t, p.Arrival)
		if err := d.r.push(p); err != nil {
			t.Fatal(err)
		}
		d.r.pop(p.Arrival, d.take(t))
	}
	d.pass(t, epochStart.Add(time.Hour))
	return strings.Join(d.out, " ")
}

// pass lets the receiver act at each of its deadlines up to now.
func (d *drive) pass(t *testing.T, now time.Time) {
	t.Helper()
	for {
		deadline, waits := d.r.deadline()
		if !waits || deadline.After(now) {
			return
		}
		d.r.pop(deadline, d.take(t))
		if again, waits := d.r.deadline(); waits && !again.After(deadline) {
			t.Fatalf("nothing happened at the deadline")
		}
	}
}

func (d *drive) take(t *testing.T) func(unit) {
	return func(u unit) {
		if !u.restart && len(d.out) > 0 && u.RTPTime <= d.last {
			t.Errorf("RTP time %d after %d", u.RTPTime, d.last)
		}
		d.last = u.RTPTime
		word := fmt.Sprint(d.pictures[uint32(u.RTPTime)])
		if u.Keyframe {
			word += "k"
		}
		switch {
		case u.restart: // whatever was lost
			word = "restart " + word
		case u.lost:
			word = "lost " + word
		}
		d.out = append(d.out, word)
	}
}
