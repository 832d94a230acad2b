#include "native.h"

#include <string.h>

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
