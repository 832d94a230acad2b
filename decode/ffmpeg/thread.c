#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

struct rp_thread {
	pthread_t thread;
	AVCodecContext *ctx;
	int results; // file descriptor

	pthread_mutex_t mutex; // guards what follows
	pthread_cond_t change;
	AVPacket *pkt;
	int waiting, stop;
};

// next waits for a packet; 0 at the end.
static int next(rp_thread *t) {
	pthread_mutex_lock(&t->mutex);
	while (!t->waiting && !t->stop)
		pthread_cond_wait(&t->change, &t->mutex);
	int more = t->waiting;
	t->waiting = 0;
	pthread_mutex_unlock(&t->mutex);
	return more;
}

static void *run(void *p) {
	rp_thread *t = p;
#ifdef __linux__
	prctl(PR_SET_NAME, "decode");
#endif
	while (next(t)) {
		int ret = avcodec_send_packet(t->ctx, t->pkt);
		av_packet_unref(t->pkt);
		while (write(t->results, &ret, sizeof ret) < 0 && errno == EINTR)
			;
	}
	return NULL;
}

// start_thread lets signals be Go's affair, but for the one that profiles.
static int start_thread(rp_thread *t) {
	sigset_t others, before;
	sigfillset(&others);
	sigdelset(&others, SIGPROF);
	pthread_sigmask(SIG_SETMASK, &others, &before);
	int ret = pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

// rp_thread_start starts a thread that sends packets to ctx and then writes what
// avcodec_send_packet returned, an int, to results. NULL: see errno.
rp_thread *rp_thread_start(AVCodecContext *ctx, int results) {
	rp_thread *t = av_mallocz(sizeof *t);
	AVPacket *pkt = av_packet_alloc();
	int ret = ENOMEM;
	if (t && pkt) {
		t->ctx = ctx;
		t->results = results;
		t->pkt = pkt;
		pthread_mutex_init(&t->mutex, NULL);
		pthread_cond_init(&t->change, NULL);
		ret = start_thread(t);
	}
	if (ret) {
		av_packet_free(&pkt);
		av_free(t);
		errno = ret;
		return NULL;
	}
	return t;
}

// rp_thread_send hands over a copy of data. The result of the one before must
// have been read. An error is of the copy: then there is no result.
int rp_thread_send(rp_thread *t, const uint8_t *data, int size, int64_t pts, int keyframe) {
	int ret = av_new_packet(t->pkt, size);
	if (ret < 0)
		return ret;
	memcpy(t->pkt->data, data, size);
	t->pkt->pts = pts;
	t->pkt->flags = keyframe ? AV_PKT_FLAG_KEY : 0;
	pthread_mutex_lock(&t->mutex);
	t->waiting = 1;
	pthread_cond_signal(&t->change);
	pthread_mutex_unlock(&t->mutex);
	return 0;
}

// rp_thread_stop ends a thread that has nothing to do.
void rp_thread_stop(rp_thread *t) {
	pthread_mutex_lock(&t->mutex);
	t->stop = 1;
	pthread_cond_signal(&t->change);
	pthread_mutex_unlock(&t->mutex);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->change);
	pthread_mutex_destroy(&t->mutex);
	av_packet_free(&t->pkt);
	av_free(t);
}
