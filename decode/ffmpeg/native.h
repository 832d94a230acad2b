#ifndef REACTORPIPE_DECODE_NATIVE_H
#define REACTORPIPE_DECODE_NATIVE_H

#include <errno.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavutil/mathematics.h>
#include <libswscale/swscale.h>

// rp_conversion is what a conversion goes from and to.
typedef struct {
	int src_format, src_width, src_height, src_colorspace, src_full;
	int dst_format, dst_width, dst_height, dst_colorspace, dst_full;
} rp_conversion;

typedef struct rp_scaler rp_scaler;

int rp_send(AVCodecContext *ctx, AVPacket *pkt, const uint8_t *data, int size, int64_t pts, int keyframe);
int64_t rp_parsed_pixels(enum AVCodecID id, const uint8_t *data, int size);
int rp_damaged(const AVFrame *f);

rp_scaler *rp_scaler_open(rp_conversion c);
int rp_scaler_run(rp_scaler *s, const AVFrame *src, uint8_t *dst, int stride);
void rp_scaler_close(rp_scaler *s);
void rp_copy_plane(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height);
void rp_expand_luma(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height);

#endif
