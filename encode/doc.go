// Package encode is the contract between what has pictures and what wants them
// encoded: the encoder, its settings, its packets.
//
// Package encode/ffmpeg encodes, encode/container writes files.
package encode
