#include <opencv2/core.hpp>

#include "wrap.h"

void* mat_wrap(void* p, int rows, int cols, int type, size_t step) {
    try {
        return new cv::Mat(rows, cols, type, p, step);
    } catch (...) {
        return nullptr;
    }
}

int mat_rewrap(void* m, void* p, int rows, int cols, int type, size_t step) {
    try {
        *static_cast<cv::Mat*>(m) = cv::Mat(rows, cols, type, p, step);
        return 0;
    } catch (...) {
        return -1;
    }
}

void mat_empty(void* m) { static_cast<cv::Mat*>(m)->release(); }
