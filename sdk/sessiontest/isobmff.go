package sessiontest

import "encoding/binary"

// box is one box of an ISO base media file (ISO/IEC 14496-12): its type and
// what is in it.
func box(kind string, content ...[]byte) []byte {
	size := 8
	for _, c := range content {
		size += len(c)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(size))
	b = append(b, kind...)
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}

// fullBox is a box with a version and flags.
func fullBox(kind string, version byte, flags uint32, content ...[]byte) []byte {
	return box(kind, append([][]byte{be32(uint32(version)<<24 | flags)}, content...)...)
}

func be16(values ...uint16) []byte {
	b := make([]byte, 0, 2*len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func be32(values ...uint32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// identity is the matrix of a picture that is neither turned nor scaled.
func identity() []byte { return be32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000) }

// mp4Track is a track of a file.
type mp4Track struct {
	id, scale     uint32
	width, height int    // 0 for sound
	entry         []byte // the sample entry with the decoder's parameters
}

// mp4Head is the head of a fragmented file.
func mp4Head(tracks ...mp4Track) []byte {
	moov := [][]byte{fullBox("mvhd", 0, 0, be32(0, 0, 1000, 0, 0x10000), be16(0x100), make([]byte, 10), identity(), make([]byte, 24), be32(0xffffffff))}
	var mvex [][]byte
	for _, t := range tracks {
		moov = append(moov, t.trak())
		mvex = append(mvex, fullBox("trex", 0, 0, be32(t.id, 1, 0, 0, 0)))
	}
	moov = append(moov, box("mvex", mvex...))
	ftyp := box("ftyp", []byte("iso5"), be32(1), []byte("iso5iso6mp41"))
	return append(ftyp, box("moov", moov...)...)
}

func (t mp4Track) trak() []byte {
	const enabledInMovie = 3
	handler, header, volume := "vide", fullBox("vmhd", 0, 1, make([]byte, 8)), uint16(0)
	if t.width == 0 {
		handler, header, volume = "soun", fullBox("smhd", 0, 0, make([]byte, 4)), 0x100
	}
	const undetermined = 0x55c4 // the language "und"
	return box("trak",
		fullBox("tkhd", 0, enabledInMovie, be32(0, 0, t.id, 0, 0, 0, 0), be16(0, 0, volume, 0), identity(), be32(uint32(t.width)<<16, uint32(t.height)<<16)),
		box("mdia",
			fullBox("mdhd", 0, 0, be32(0, 0, t.scale, 0), be16(undetermined, 0)),
			fullBox("hdlr", 0, 0, be32(0), []byte(handler), make([]byte, 12), []byte{0}),
			box("minf", header,
				box("dinf", fullBox("dref", 0, 0, be32(1), fullBox("url ", 0, 1))),
				box("stbl",
					fullBox("stsd", 0, 0, be32(1), t.entry),
					fullBox("stts", 0, 0, be32(0)), fullBox("stsc", 0, 0, be32(0)),
					fullBox("stsz", 0, 0, be32(0, 0)), fullBox("stco", 0, 0, be32(0))))))
}

// visualEntry is the sample entry of a video codec.
func visualEntry(kind string, width, height int, parameters []byte) []byte {
	const dpi72, depth, noTable = 0x480000, 0x18, 0xffff
	return box(kind, make([]byte, 6), be16(1), make([]byte, 16), be16(uint16(width), uint16(height)),
		be32(dpi72, dpi72, 0), be16(1), make([]byte, 32), be16(depth, noTable), parameters)
}

// opusEntry is the sample entry of stereo Opus.
func opusEntry() []byte {
	const channels, preSkip, bits = 2, 312, 16
	dOps := box("dOps", []byte{0, channels}, be16(preSkip), be32(audioScale), be16(0), []byte{0})
	return box("Opus", make([]byte, 6), be16(1), make([]byte, 8), be16(channels, bits, 0, 0), be32(audioScale<<16), dOps)
}

// mp4Sample is one sample of a fragment; its duration is in units of its track.
type mp4Sample struct {
	data     []byte
	duration uint32
	sync     bool
}

// mp4Run is what one track has in a fragment.
type mp4Run struct {
	track   uint32
	begin   uint64
	samples []mp4Sample
}

// mp4Fragment is a fragment of a file: its index, then its data.
func mp4Fragment(sequence uint32, runs ...mp4Run) []byte {
	moof := mp4Index(sequence, runs, 0)
	moof = mp4Index(sequence, runs, uint32(len(moof)))
	var data [][]byte
	for _, r := range runs {
		for _, s := range r.samples {
			data = append(data, s.data)
		}
	}
	return append(moof, box("mdat", data...)...)
}

// mp4Index is the index of a fragment, whose own size it has to know.
func mp4Index(sequence uint32, runs []mp4Run, size uint32) []byte {
	const (
		baseIsMoof          = 0x20000
		offsetDurationSizes = 0x1 | 0x100 | 0x200 | 0x400 // and flags
		syncSample          = 0x02000000
		otherSample         = 0x01010000
	)
	moof := [][]byte{fullBox("mfhd", 0, 0, be32(sequence))}
	offset := size + 8 // behind the header of the data
	for _, r := range runs {
		table := be32(uint32(len(r.samples)), offset)
		for _, s := range r.samples {
			flags := uint32(otherSample)
			if s.sync {
				flags = syncSample
			}
			table = append(table, be32(s.duration, uint32(len(s.data)), flags)...)
			offset += uint32(len(s.data))
		}
		moof = append(moof, box("traf",
			fullBox("tfhd", 0, baseIsMoof, be32(r.track)),
			fullBox("tfdt", 1, 0, be64(r.begin)),
			fullBox("trun", 0, offsetDurationSizes, table)))
	}
	return box("moof", moof...)
}
