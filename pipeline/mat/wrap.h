#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// mat_wrap returns a new cv::Mat over rows of step bytes at p, which it does
// not own, or NULL when OpenCV refuses.
void* mat_wrap(void* p, int rows, int cols, int type, size_t step);

// mat_rewrap makes m a cv::Mat over other pixels, and mat_empty one over none.
// Memory of m's own is freed. -1 when OpenCV refuses.
int mat_rewrap(void* m, void* p, int rows, int cols, int type, size_t step);
void mat_empty(void* m);

#ifdef __cplusplus
}
#endif
