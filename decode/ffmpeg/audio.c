#include "audio.h"

#include <math.h>

#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>

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

// rp_resampler returns a resampler that takes frames like f and makes stereo of 16
// bits and that rate: swr if that does, which may be NULL, or else another one in
// its place. It is NULL where there can be none.
SwrContext *rp_resampler(SwrContext *swr, AVFrame *f, int rate) {
	AVChannelLayout in = {0}, out = {0};
	int64_t now = 0;
	enum AVSampleFormat format = AV_SAMPLE_FMT_NONE;
	if (swr) {
		av_opt_get_int(swr, "in_sample_rate", 0, &now);
		av_opt_get_sample_fmt(swr, "in_sample_fmt", 0, &format);
		av_opt_get_chlayout(swr, "in_chlayout", 0, &in);
	}
	int fits = swr && now == f->sample_rate && format == f->format && !av_channel_layout_compare(&in, &f->ch_layout);
	av_channel_layout_uninit(&in);
	if (fits)
		return swr;
	swr_free(&swr);
	av_channel_layout_default(&out, 2);
	if (swr_alloc_set_opts2(&swr, &out, AV_SAMPLE_FMT_S16, rate, &f->ch_layout, f->format, f->sample_rate, 0, NULL) < 0 || swr_init(swr) < 0)
		swr_free(&swr);
	return swr;
}

void rp_free_resampler(SwrContext *swr) { swr_free(&swr); }

// rp_resample returns how many samples of each channel it wrote.
int rp_resample(SwrContext *swr, const AVFrame *f, int16_t *dst, int most) {
	uint8_t *out = (uint8_t *)dst;
	return swr_convert(swr, &out, most, (const uint8_t **)f->extended_data, f->nb_samples);
}
