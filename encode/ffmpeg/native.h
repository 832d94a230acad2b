#ifndef REACTORPIPE_ENCODE_NATIVE_H
#define REACTORPIPE_ENCODE_NATIVE_H

#include <errno.h>

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>

// rp_writable_i420 makes the frame's planes writable and one contiguous buffer:
// Y with an even stride, then U and V with half of it.
static int rp_writable_i420(AVFrame *f, int width, int height) {
	if (f->buf[0] && av_frame_is_writable(f))
		return 0;
	int stride = (width + 63) & ~63, chroma = stride / 2 * (height / 2);
	av_frame_unref(f);
	// libvpx and x264 read a little past the end in vector registers.
	f->buf[0] = av_buffer_allocz((size_t)stride * height + 2 * chroma + 64);
	if (!f->buf[0])
		return AVERROR(ENOMEM);
	f->format = AV_PIX_FMT_YUV420P;
	f->width = width;
	f->height = height;
	f->colorspace = AVCOL_SPC_SMPTE170M;
	f->color_range = AVCOL_RANGE_MPEG;
	f->linesize[0] = stride;
	f->linesize[1] = f->linesize[2] = stride / 2;
	f->data[0] = f->buf[0]->data;
	f->data[1] = f->data[0] + (size_t)stride * height;
	f->data[2] = f->data[1] + chroma;
	f->extended_data = f->data;
	return 0;
}

#endif
