#ifndef REACTORPIPE_DECODE_THREAD_H
#define REACTORPIPE_DECODE_THREAD_H

#include "native.h"

typedef struct rp_thread rp_thread;

rp_thread *rp_thread_start(AVCodecContext *ctx, int results);
int rp_thread_send(rp_thread *t, const uint8_t *data, int size, int64_t pts, int keyframe);
void rp_thread_stop(rp_thread *t);

#endif
