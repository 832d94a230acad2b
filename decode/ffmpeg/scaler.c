#include "native.h"

#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>

// vector is the number of pixels that swscale may write at once. Of a row that
// is no multiple of it, it writes past the end, of the last row past the
// picture; such pictures go through memory with room for that.
enum { vector = 32 };

struct rp_scaler {
	rp_conversion c;
	struct SwsContext *sws;
	uint8_t *roomy; // NULL: straight into the destination
	int roomy_stride;
};

static int is_rgb(int format) {
	return format == AV_PIX_FMT_BGR24 || format == AV_PIX_FMT_RGB24;
}

static struct SwsContext *open_sws(const rp_conversion *c) {
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
	const int *src = sws_getCoefficients(c->src_colorspace);
	const int *dst = sws_getCoefficients(is_rgb(c->dst_format) ? SWS_CS_DEFAULT : c->dst_colorspace);
	// Before the initialisation, which chooses the way by it; after, because
	// that falls back to defaults.
	sws_setColorspaceDetails(sws, src, c->src_full, dst, c->dst_full, 0, 1 << 16, 1 << 16);
	if (sws_init_context(sws, NULL, NULL) < 0) {
		sws_freeContext(sws);
		return NULL;
	}
	sws_setColorspaceDetails(sws, src, c->src_full, dst, c->dst_full, 0, 1 << 16, 1 << 16);
	return sws;
}

static int needs_room(const rp_conversion *c) {
	int planar = c->dst_format == AV_PIX_FMT_YUV420P;
	return c->dst_width % (planar ? 2 * vector : vector) != 0;
}

rp_scaler *rp_scaler_open(rp_conversion c) {
	rp_scaler *s = av_mallocz(sizeof *s);
	if (!s)
		return NULL;
	s->c = c;
	s->sws = open_sws(&s->c);
	if (s->sws && needs_room(&s->c)) {
		int bytes = is_rgb(c.dst_format) ? 3 : 1;
		s->roomy_stride = ((c.dst_width + 2 * vector - 1) / (2 * vector) + 1) * 2 * vector * bytes;
		s->roomy = av_malloc((size_t)s->roomy_stride * (2 * (size_t)c.dst_height + 2));
	}
	if (!s->sws || (s->roomy_stride && !s->roomy)) {
		rp_scaler_close(s);
		return NULL;
	}
	return s;
}

void rp_scaler_close(rp_scaler *s) {
	sws_freeContext(s->sws);
	av_free(s->roomy);
	av_free(s);
}

// planes of one buffer, as pipeline.Converter has them.
static void planes_of(const rp_conversion *c, uint8_t *buffer, int stride, uint8_t *planes[4], int strides[4]) {
	memset(planes, 0, 4 * sizeof *planes);
	memset(strides, 0, 4 * sizeof *strides);
	planes[0] = buffer;
	strides[0] = stride;
	if (c->dst_format == AV_PIX_FMT_NV12) {
		planes[1] = buffer + (size_t)stride * c->dst_height;
		strides[1] = stride;
	}
	if (c->dst_format == AV_PIX_FMT_YUV420P) {
		strides[1] = strides[2] = stride / 2;
		planes[1] = buffer + (size_t)stride * c->dst_height;
		planes[2] = planes[1] + (size_t)strides[1] * ((c->dst_height + 1) / 2);
	}
}

int rp_scaler_run(rp_scaler *s, const AVFrame *src, uint8_t *dst, int stride) {
	const rp_conversion *c = &s->c;
	uint8_t *to[4], *out[4];
	int to_strides[4], out_strides[4];
	planes_of(c, dst, stride, out, out_strides);
	planes_of(c, s->roomy ? s->roomy : dst, s->roomy ? s->roomy_stride : stride, to, to_strides);
	int ret = sws_scale(s->sws, (const uint8_t *const *)src->data, src->linesize, 0, src->height, to, to_strides);
	if (ret < 0 || !s->roomy)
		return ret;
	int width = c->dst_width * (is_rgb(c->dst_format) ? 3 : 1);
	int chroma_width = (c->dst_width + 1) / 2 * (c->dst_format == AV_PIX_FMT_NV12 ? 2 : 1);
	rp_copy_plane(out[0], out_strides[0], to[0], to_strides[0], width, c->dst_height);
	for (int i = 1; i < 4 && out[i]; i++)
		rp_copy_plane(out[i], out_strides[i], to[i], to_strides[i], chroma_width, (c->dst_height + 1) / 2);
	return ret;
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
