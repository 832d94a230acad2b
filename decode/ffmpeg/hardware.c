#include "hardware.h"

#include <libavutil/dict.h>
#include <libavutil/mem.h>

// rp_hardware_surface returns the format of codec's pictures on a device of that
// type, AV_PIX_FMT_NONE where the codec cannot be decoded there.
enum AVPixelFormat rp_hardware_surface(const AVCodec *codec, enum AVHWDeviceType type) {
	const AVCodecHWConfig *config;
	for (int i = 0; (config = avcodec_get_hw_config(codec, i)); i++)
		if (config->device_type == type && (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX))
			return config->pix_fmt;
	return AV_PIX_FMT_NONE;
}

// rp_hardware_decoder returns the first decoder that uses such a device: FFmpeg's
// own where it does, else one that is made for it; NULL for none.
const AVCodec *rp_hardware_decoder(enum AVCodecID id, enum AVHWDeviceType type) {
	const AVCodec *codec;
	void *at = NULL;
	while ((codec = av_codec_iterate(&at)))
		if (codec->id == id && av_codec_is_decoder(codec) && rp_hardware_surface(codec, type) != AV_PIX_FMT_NONE)
			return codec;
	return NULL;
}

// rp_hardware_new returns NULL without memory.
rp_hardware *rp_hardware_new(enum AVPixelFormat surface) {
	rp_hardware *h = av_mallocz(sizeof *h);
	if (h)
		h->surface = surface;
	return h;
}

int rp_hardware_open(rp_hardware *h, enum AVHWDeviceType type, const char *which) {
	if (!h)
		return AVERROR(ENOMEM);
	AVDictionary *options = NULL;
	// One context of CUDA for the process, instead of some hundred megabytes on
	// the card for each decoder.
	if (type == AV_HWDEVICE_TYPE_CUDA)
		av_dict_set(&options, "primary_ctx", "1", 0);
	int ret = av_hwdevice_ctx_create(&h->device, type, which, options, 0);
	av_dict_free(&options);
	return ret;
}

// choose takes the device's format and no other: software is chosen elsewhere,
// where it is said and has threads.
static enum AVPixelFormat choose(AVCodecContext *ctx, const enum AVPixelFormat *formats) {
	rp_hardware *h = ctx->opaque;
	for (; *formats != AV_PIX_FMT_NONE; formats++)
		if (*formats == h->surface)
			return h->surface;
	h->refused = 1;
	return AV_PIX_FMT_NONE;
}

int rp_hardware_attach(rp_hardware *h, AVCodecContext *ctx) {
	ctx->hw_device_ctx = av_buffer_ref(h->device);
	ctx->opaque = h;
	ctx->get_format = choose;
	return ctx->hw_device_ctx ? 0 : AVERROR(ENOMEM);
}

// rp_hardware_download copies a picture to the host, in the device's own layout:
// NV12, unless it has more than 8 bits.
int rp_hardware_download(AVFrame *dst, const AVFrame *src) {
	int ret = av_hwframe_transfer_data(dst, src, 0);
	if (ret < 0)
		return ret;
	return av_frame_copy_props(dst, src);
}

void rp_hardware_close(rp_hardware *h) {
	if (!h)
		return;
	av_buffer_unref(&h->device);
	av_free(h);
}
