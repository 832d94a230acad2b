#include <opencv2/core.hpp>

#include "wrap.h"

void* mat_wrap(void* p, int rows, int cols, int type, size_t step) {
    try {
        return new cv::Mat(rows, cols, type, p, step);
    } catch (...) {
        return nullptr;
    }
}
