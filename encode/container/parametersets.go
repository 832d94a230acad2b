package container

import "bytes"

var startCode = []byte{0, 0, 1}

// parameterSets returns the sequence and picture parameter sets of an H.264
// access unit in Annex B form, each behind a start code; nil if one is missing.
func parameterSets(unit []byte) []byte {
	const sequence, picture = 7, 8
	var out []byte
	var seen [32]bool
	for nal := range nalUnits(unit) {
		kind := nal[0] & 0x1f
		if kind == sequence || kind == picture {
			out = append(append(append(out, 0), startCode...), nal...)
			seen[kind] = true
		}
	}
	if !seen[sequence] || !seen[picture] {
		return nil
	}
	return out
}

// nalUnits yields the NAL units between start codes, without trailing zeros.
func nalUnits(unit []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		_, rest, ok := bytes.Cut(unit, startCode)
		for ok {
			var nal []byte
			nal, rest, ok = bytes.Cut(rest, startCode)
			nal = bytes.TrimRight(nal, "\x00")
			if len(nal) > 0 && !yield(nal) {
				return
			}
		}
	}
}
