#include "native.h"

#include <string.h>

#include <libavutil/opt.h>

// rp_send gives data to the decoder, which copies it because the packet has no
// buffer of its own: nothing points at data after the call.
int rp_send(AVCodecContext *ctx, AVPacket *pkt, const uint8_t *data, int size, int64_t pts, int keyframe) {
	pkt->data = (uint8_t *)data;
	pkt->size = size;
	pkt->pts = pts;
	pkt->dts = AV_NOPTS_VALUE;
	pkt->flags = keyframe ? AV_PKT_FLAG_KEY : 0;
	int ret = avcodec_send_packet(ctx, pkt);
	pkt->data = NULL;
	pkt->size = 0;
	return ret;
}

// rp_parsed_pixels returns the picture size that a unit's parameter sets declare,
// 0 if there are none.
int64_t rp_parsed_pixels(enum AVCodecID id, const uint8_t *data, int size) {
	AVCodecParserContext *parser = av_parser_init(id);
	AVCodecContext *ctx = avcodec_alloc_context3(NULL);
	uint8_t *padded = av_mallocz((size_t)size + AV_INPUT_BUFFER_PADDING_SIZE);
	int64_t pixels = 0;
	if (parser && ctx && padded) {
		memcpy(padded, data, size);
		uint8_t *out;
		int out_size;
		parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		av_parser_parse2(parser, ctx, &out, &out_size, padded, size, AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
		pixels = (int64_t)parser->width * parser->height;
	}
	av_free(padded);
	avcodec_free_context(&ctx);
	av_parser_close(parser);
	return pixels;
}

int rp_damaged(const AVFrame *f) {
	return (f->flags & AV_FRAME_FLAG_CORRUPT) != 0 || f->decode_error_flags != 0;
}

static int is_rgb(int format) {
	return format == AV_PIX_FMT_BGR24 || format == AV_PIX_FMT_RGB24;
}

struct SwsContext *rp_scaler(const rp_conversion *c) {
	struct SwsContext *sws = sws_alloc_context();
	if (!sws)
		return NULL;
	av_opt_set_int(sws, "srcw", c->src_width, 0);
	av_opt_set_int(sws, "srch", c->src_height, 0);
	av_opt_set_int(sws, "src_format", c->src_format, 0);
	av_opt_set_int(sws, "src_range", c->src_full, 0);
	av_opt_set_int(sws, "dstw", c->dst_width, 0);
	av_opt_set_int(sws, "dsth", c->dst_height, 0);
	av_opt_set_int(sws, "dst_format", c->dst_format, 0);
	av_opt_set_int(sws, "dst_range", c->dst_full, 0);
	av_opt_set_int(sws, "sws_flags", SWS_BILINEAR, 0);
	const int *dst = sws_getCoefficients(is_rgb(c->dst_format) ? SWS_CS_DEFAULT : c->dst_colorspace);
	// Before, because it decides on the path; after, because that may set
	// defaults of its own.
	sws_setColorspaceDetails(sws, sws_getCoefficients(c->src_colorspace), c->src_full, dst, c->dst_full, 0, 1 << 16, 1 << 16);
	if (sws_init_context(sws, NULL, NULL) < 0) {
		sws_freeContext(sws);
		return NULL;
	}
	sws_setColorspaceDetails(sws, sws_getCoefficients(c->src_colorspace), c->src_full, dst, c->dst_full, 0, 1 << 16, 1 << 16);
	return sws;
}

int rp_scale(struct SwsContext *sws, const rp_conversion *c, const AVFrame *src, uint8_t *dst, int stride) {
	uint8_t *planes[4] = {dst, NULL, NULL, NULL};
	int strides[4] = {stride, 0, 0, 0};
	size_t luma = (size_t)stride * c->dst_height;
	int chroma_height = (c->dst_height + 1) / 2;
	if (c->dst_format == AV_PIX_FMT_YUV420P) {
		strides[1] = strides[2] = stride / 2;
		planes[1] = dst + luma;
		planes[2] = planes[1] + (size_t)strides[1] * chroma_height;
	}
	if (c->dst_format == AV_PIX_FMT_NV12) {
		strides[1] = stride;
		planes[1] = dst + luma;
	}
	return sws_scale(sws, (const uint8_t *const *)src->data, src->linesize, 0, src->height, planes, strides);
}

void rp_copy_plane(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height) {
	for (int y = 0; y < height; y++)
		memcpy(dst + (ptrdiff_t)y * dst_stride, src + (ptrdiff_t)y * src_stride, width);
}

// rp_expand_luma stretches 16..235 to 0..255: (y-16)*255/219, rounded, in
// 16 bits of fraction.
void rp_expand_luma(uint8_t *restrict dst, int dst_stride, const uint8_t *restrict src, int src_stride, int width, int height) {
	for (int y = 0; y < height; y++) {
		const uint8_t *s = src + (ptrdiff_t)y * src_stride;
		uint8_t *d = dst + (ptrdiff_t)y * dst_stride;
		for (int x = 0; x < width; x++) {
			int v = ((s[x] - 16) * 76309 + (1 << 15)) >> 16;
			d[x] = v < 0 ? 0 : v > 255 ? 255 : v;
		}
	}
}
