#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// mat_wrap returns a new cv::Mat over rows of step bytes at p, which it does
// not own, or NULL when OpenCV refuses.
void* mat_wrap(void* p, int rows, int cols, int type, size_t step);

#ifdef __cplusplus
}
#endif
