// Package decode is the contract between what brings encoded video and what
// turns it into pictures: the access unit, the decoder, the table of codecs.
//
// Package decode/jitter puts RTP packets in order, decode/depacketize makes
// access units of them, decode/ffmpeg decodes them.
package decode
