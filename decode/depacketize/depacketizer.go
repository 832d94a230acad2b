package depacketize

import (
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// maxBytes bounds a unit where the configuration does not: a lossless 4K
// picture of a real encoder is smaller.
const maxBytes = 8 << 20

// Config is what a Depacketizer may be told besides its codec.
type Config struct {
	// MaxBytes bounds the data of a unit; 0 is 8 MiB. What is longer is dropped.
	MaxBytes int
	// ShowDamaged lets complete units through that refer to lost ones. Their
	// pictures are damaged up to the next keyframe.
	ShowDamaged bool
}

// format is what differs from codec to codec.
type format interface {
	// begin forgets the unit before.
	begin()
	// add appends the payload of the unit's next packet.
	add(u *unit, payload []byte) error
	// whole says that the unit may end here.
	whole(u *unit) bool
}

// unit is an access unit in the making.
type unit struct {
	data      []byte
	size      int // of the payloads so far
	open      bool
	afterLoss bool // packets are missing right before the unit
	broken    bool
	keyframe  bool
	picture   bool // there is more than parameter sets in it
	timestamp int64
	began     time.Time // arrival of its first packet
	arrival   time.Time // of its last

	pictureID     uint16 // of the payload descriptor, where it has one
	pictureIDBits int    // 0: it has none
}

// Errors of a unit's assembly. They stay in this package: the outside sees
// counts and NeedKeyframe.
var (
	errMalformed = errors.New("malformed payload")
	errNoStart   = errors.New("the unit's beginning is missing")
)

// Depacketizer assembles the access units of one stream. It is used by one
// goroutine.
type Depacketizer struct {
	cfg    Config
	codec  decode.Codec
	format format
	unit   unit
	spare  []byte // the other buffer: a unit is read while the next is made
	out    []decode.AccessUnit

	notes        notes
	clock        timestamps
	needKeyframe bool
	last         unit // the unit delivered last, without data
	stats        Stats
}

// Stats counts access units since the depacketizer was made.
type Stats struct {
	Units     uint64 // delivered
	Keyframes uint64 // of these
	Broken    uint64 // dropped: incomplete or not what they should be
	Withheld  uint64 // dropped: complete, but nothing to decode them with
	Malformed uint64 // broken by a packet that no sender should have made
	Oversized uint64 // broken by their size
	Untrue    uint64 // delivered whole, with a trailer that lies about its length or is no message
}

// New returns a depacketizer for codec. It waits for a keyframe.
func New(codec decode.Codec, cfg Config) (*Depacketizer, error) {
	if cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("max bytes: must not be negative, got %d", cfg.MaxBytes)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = maxBytes
	}
	d := &Depacketizer{cfg: cfg, codec: codec, needKeyframe: codec.Video()}
	switch codec {
	case decode.VP8:
		d.format = &vp8{}
	case decode.VP9:
		d.format = &vp9{}
	case decode.H264:
		d.format = &annexB{nal: h264{}}
	case decode.H265:
		d.format = &annexB{nal: h265{}}
	case decode.AV1:
		d.format = &av1{}
	case decode.Opus:
		d.format = opus{}
	default:
		return nil, fmt.Errorf("codec: no depacketizer for %q", codec)
	}
	return d, nil
}

// NeedKeyframe says that nothing comes before the next keyframe: one should be
// asked for.
func (d *Depacketizer) NeedKeyframe() bool { return d.needKeyframe }

// Stats returns the counts so far.
func (d *Depacketizer) Stats() Stats { return d.stats }

// Push takes the next packet in order and returns the units that it completed,
// mostly none or one. They stay valid until the next call; PTS and SenderTime
// are for the caller to fill in.
func (d *Depacketizer) Push(p decode.Packet) []decode.AccessUnit {
	d.out = d.out[:0]
	if p.Restart {
		d.abandon()
		d.lose()
	}
	if p.Lost > 0 {
		d.unit.broken = d.unit.open
	}
	timestamp := d.clock.unwrap(p.Timestamp)
	if d.unit.open && timestamp != d.unit.timestamp {
		d.end()
	}
	if !d.unit.open {
		d.begin(p.Lost > 0)
	}
	if d.unit.began.IsZero() {
		d.unit.began = p.Arrival
	}
	d.unit.timestamp, d.unit.arrival = timestamp, p.Arrival
	d.add(p.Payload)
	if p.Marker || d.codec == decode.Opus {
		d.end()
	}
	return d.out
}

// begin starts a unit in the buffer that the last one does not lie in.
func (d *Depacketizer) begin(afterLoss bool) {
	data := d.spare
	d.spare = d.unit.data
	d.unit = unit{open: true, data: data[:0], afterLoss: afterLoss}
	d.format.begin()
}

func (d *Depacketizer) add(payload []byte) {
	u := &d.unit
	if u.broken {
		return
	}
	if u.size+len(payload) > d.cfg.MaxBytes {
		d.stats.Oversized++
		u.broken = true
		return
	}
	err := d.format.add(u, payload)
	if errors.Is(err, errMalformed) {
		d.stats.Malformed++
	}
	u.broken = err != nil
	u.size += len(payload)
}

// end closes the unit and delivers it if it can be decoded. Parameter sets
// alone stay, to go with the picture that they are for.
func (d *Depacketizer) end() {
	u := &d.unit
	if !u.broken && !u.picture && d.format.whole(u) {
		return
	}
	u.open = false
	if u.broken || !d.format.whole(u) {
		d.stats.Broken++
		d.lose()
		return
	}
	if u.afterLoss && !u.keyframe && !u.continues(&d.last) {
		d.lose()
	}
	if u.keyframe {
		d.needKeyframe = false
	}
	if d.needKeyframe && !d.cfg.ShowDamaged {
		d.stats.Withheld++
		return
	}
	d.deliver()
}

func (d *Depacketizer) deliver() {
	u := &d.unit
	au := decode.AccessUnit{
		Codec:   d.codec,
		Data:    u.data,
		RTPTime: u.timestamp,
		Arrival: u.arrival, Receiving: u.arrival.Sub(u.began),
		Keyframe: u.keyframe,
	}
	if d.codec.Video() && d.codec != decode.AV1 { // an AV1 packetizer takes a trailer for an OBU
		d.splitTrailer(&au)
	}
	d.stats.Units++
	if u.keyframe {
		d.stats.Keyframes++
	}
	d.last, d.last.data = *u, nil
	d.out = append(d.out, au)
}

// lose breaks the chain of references.
func (d *Depacketizer) lose() { d.needKeyframe = d.codec.Video() }

// abandon drops the unit in the making.
func (d *Depacketizer) abandon() {
	if d.unit.open {
		d.stats.Broken++
	}
	d.unit.open = false
	d.last = unit{}
}

// continues says that u is the picture after last by its number, so that what
// was lost between them was no picture: a bandwidth probe, say.
func (u *unit) continues(last *unit) bool {
	mask := uint16(1)<<u.pictureIDBits - 1
	return u.pictureIDBits > 0 && u.pictureIDBits == last.pictureIDBits && (last.pictureID+1)&mask == u.pictureID
}

func (d *Depacketizer) splitTrailer(au *decode.AccessUnit) {
	data, m := wire.SplitTrailer(au.Data)
	if m == nil {
		if wire.EndsLikeTrailer(au.Data) {
			d.stats.Untrue++
		}
		return
	}
	au.Data = data
	au.FrameID = m.GetFrameId()
	au.CaptureTime = time.Duration(m.GetCaptureTimeUs()) * time.Microsecond
	au.UserData = d.notes.keep(m.GetUserData())
}

// notes is memory for user data, which goes with frames for as long as anybody
// has them: one allocation for many.
type notes []byte

// noteSize holds the user data of a second or more.
const noteSize = 4 << 10

// keep returns a copy of b.
func (n *notes) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > cap(*n)-len(*n) {
		*n = make([]byte, 0, max(noteSize, len(b)))
	}
	start := len(*n)
	*n = append(*n, b...)
	return (*n)[start:len(*n):len(*n)]
}
