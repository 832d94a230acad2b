package sessiontest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
)

// The tracks of a recording and their time scales.
const (
	videoTrackID = 1
	audioTrackID = 2
	videoScale   = 90000
	audioScale   = 48000
)

// recordable are the codecs of recordings, the preferred one first: the real
// runtime records H.264.
func recordable() []string { return []string{"h264", "vp9"} }

// silence is 20 ms of Opus without a sound.
func silence() []byte { return []byte{0xf8, 0xff, 0xfe} }

// recorded is a picture or a packet of sound with its place on the media clock.
type recorded struct {
	data     []byte
	keyframe bool
	at, long time.Duration
}

// fragment is one chunk of a recording: pictures from a keyframe on, and the
// packets of sound beside them, which follow one another without a gap.
type fragment struct {
	index    int
	pictures []recorded
	sound    []recorded
}

// initSegment is the head of a recording that begins with this keyframe.
func initSegment(codec string, keyframe []byte) ([]byte, error) {
	video := mp4Track{id: videoTrackID, scale: videoScale}
	var err error
	switch codec {
	case "h264":
		err = video.describeH264(keyframe)
	case "vp9":
		err = video.describeVP9(keyframe)
	default:
		err = fmt.Errorf("no recording of %s", codec)
	}
	if err != nil {
		return nil, err
	}
	return mp4Head(video, mp4Track{id: audioTrackID, scale: audioScale, entry: opusEntry()}), nil
}

// errNoParameters says that a picture does not begin a stream.
var errNoParameters = errors.New("keyframe without the parameters of its stream")

func (t *mp4Track) describeH264(keyframe []byte) error {
	units, err := nalUnits(keyframe)
	if err != nil {
		return err
	}
	sps, pps := unitOf(units, h264.NALUTypeSPS), unitOf(units, h264.NALUTypePPS)
	if len(sps) < 4 || pps == nil {
		return errNoParameters
	}
	var p h264.SPS
	if err := p.Unmarshal(sps); err != nil {
		return err
	}
	t.width, t.height = p.Width(), p.Height()
	// ISO/IEC 14496-15, section 5.3.3.1: lengths of four bytes, one SPS, one PPS.
	avcC := box("avcC", []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}, be16(uint16(len(sps))), sps, []byte{1}, be16(uint16(len(pps))), pps)
	t.entry = visualEntry("avc1", t.width, t.height, avcC)
	return nil
}

func (t *mp4Track) describeVP9(keyframe []byte) error {
	var h vp9.Header
	if err := h.Unmarshal(keyframe); err != nil {
		return err
	}
	if h.ColorConfig == nil || h.FrameSize == nil {
		return errNoParameters
	}
	t.width, t.height = h.Width(), h.Height()
	const level, unspecified = 10, 2
	vpcC := fullBox("vpcC", 1, 0, []byte{
		h.Profile, level, h.ColorConfig.BitDepth<<4 | h.ChromaSubsampling()<<1,
		unspecified, unspecified, unspecified, 0, 0,
	})
	t.entry = visualEntry("vp09", t.width, t.height, vpcC)
	return nil
}

// nalUnits are the units of a picture in Annex B form.
func nalUnits(picture []byte) (units [][]byte, err error) {
	err = (*h264.AnnexB)(&units).Unmarshal(picture)
	return units, err
}

// avcc is a picture in Annex B form as files have it: with the size before every unit.
func avcc(picture []byte) ([]byte, error) {
	units, err := nalUnits(picture)
	if err != nil {
		return nil, err
	}
	return h264.AVCC(units).Marshal()
}

func unitOf(units [][]byte, t h264.NALUType) []byte {
	i := slices.IndexFunc(units, func(u []byte) bool { return len(u) > 0 && h264.NALUType(u[0]&0x1f) == t })
	if i < 0 {
		return nil
	}
	return units[i]
}

// marshal writes the fragment as a media segment.
func (f fragment) marshal(codec string) ([]byte, error) {
	video := mp4Run{track: videoTrackID}
	for _, p := range f.pictures {
		data := p.data
		if codec == "h264" {
			var err error
			if data, err = avcc(data); err != nil {
				return nil, err
			}
		}
		begin, end := ticks(p.at, videoScale), ticks(p.at+p.long, videoScale)
		video.samples = append(video.samples, mp4Sample{data, uint32(end - begin), p.keyframe})
	}
	if len(f.pictures) > 0 {
		video.begin = ticks(f.pictures[0].at, videoScale)
	}
	runs := []mp4Run{video}
	if len(f.sound) > 0 {
		audio := mp4Run{track: audioTrackID, begin: ticks(f.sound[0].at, audioScale)}
		for _, p := range f.sound {
			audio.samples = append(audio.samples, mp4Sample{p.data, uint32(ticks(p.long, audioScale)), true})
		}
		runs = append(runs, audio)
	}
	return mp4Fragment(uint32(f.index+1), runs...), nil
}

func ticks(d time.Duration, scale int64) uint64 {
	return uint64(d.Microseconds() * scale / 1e6)
}

// opusDuration is how long a packet sounds.
func opusDuration(packet []byte) time.Duration {
	return time.Duration(opus.PacketDuration2(packet)) * time.Second / audioScale
}
