// Package mat offers the pixels of frames as OpenCV Mats: [View], [Gray],
// [Luma] and [Scaled] for reading, [Edit] for writing, [New] and [NewScaled] for
// a picture of another size; and [RGBA], [Bytes] and [JPEG] for who does without
// OpenCV.
//
// What these functions lend is valid until Process returns (or until the frame
// is released, for who owns it). Each call returns a header of its own: closing
// it is harmless and not needed, and what OpenCV does to the header (a result of
// another size moves it to memory of its own) does not reach the frame. Never
// copy a gocv.Mat; pass *gocv.Mat.
//
// Conversions happen on first use, once per frame and format whoever asks, and
// straight into pooled memory; who never asks for BGR never pays for it.
package mat
