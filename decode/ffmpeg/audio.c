#include "audio.h"

#include <math.h>

#include <libavutil/channel_layout.h>

void rp_set_channels(AVCodecContext *ctx, int rate, int channels) {
	ctx->sample_rate = rate;
	av_channel_layout_default(&ctx->ch_layout, channels);
}

static int16_t clip(float v) {
	v = v * 32768;
	if (v > 32767)
		return 32767;
	return v < -32768 ? -32768 : (int16_t)lrintf(v);
}

// rp_samples writes the samples of f interleaved, in 16 bits. It returns -1 for a
// format that no Opus decoder has.
int rp_samples(const AVFrame *f, int16_t *dst) {
	int channels = f->ch_layout.nb_channels;
	for (int c = 0; c < channels; c++)
		for (int i = 0; i < f->nb_samples; i++)
			switch (f->format) {
			case AV_SAMPLE_FMT_FLTP:
				dst[i * channels + c] = clip(((const float *)f->extended_data[c])[i]);
				break;
			case AV_SAMPLE_FMT_FLT:
				dst[i * channels + c] = clip(((const float *)f->extended_data[0])[i * channels + c]);
				break;
			case AV_SAMPLE_FMT_S16:
				dst[i * channels + c] = ((const int16_t *)f->extended_data[0])[i * channels + c];
				break;
			default:
				return -1;
			}
	return 0;
}
