#ifndef REACTORPIPE_DECODE_HARDWARE_H
#define REACTORPIPE_DECODE_HARDWARE_H

#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>

// rp_hardware is a decoder's device.
typedef struct {
	AVBufferRef *device;
	enum AVPixelFormat surface; // what pictures on the device are
	int refused;                // the stream is none that the device takes
} rp_hardware;

enum AVPixelFormat rp_hardware_surface(const AVCodec *codec, enum AVHWDeviceType type);
const AVCodec *rp_hardware_decoder(enum AVCodecID id, enum AVHWDeviceType type);
rp_hardware *rp_hardware_new(enum AVPixelFormat surface);
int rp_hardware_open(rp_hardware *h, enum AVHWDeviceType type, const char *which);
int rp_hardware_attach(rp_hardware *h, AVCodecContext *ctx);
int rp_hardware_download(AVFrame *dst, const AVFrame *src);
void rp_hardware_close(rp_hardware *h);

#endif
