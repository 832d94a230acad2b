#ifndef REACTORPIPE_DECODE_AUDIO_H
#define REACTORPIPE_DECODE_AUDIO_H

#include <libavcodec/avcodec.h>
#include <libswresample/swresample.h>

void rp_set_channels(AVCodecContext *ctx, int rate, int channels);
int rp_samples(const AVFrame *f, int16_t *dst);
SwrContext *rp_resampler(SwrContext *swr, AVFrame *f, int rate);
void rp_free_resampler(SwrContext *swr);
int rp_resample(SwrContext *swr, const AVFrame *f, int16_t *dst, int most);

#endif
