#ifndef REACTORPIPE_DECODE_AUDIO_H
#define REACTORPIPE_DECODE_AUDIO_H

#include <libavcodec/avcodec.h>

void rp_set_channels(AVCodecContext *ctx, int rate, int channels);
int rp_samples(const AVFrame *f, int16_t *dst);

#endif
