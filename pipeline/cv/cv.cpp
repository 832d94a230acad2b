#include "cv.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/objdetect.hpp>

// guarded runs work and returns what it threw, as a string of malloc's.
static char* guarded(const std::function<void()>& work) {
    try {
        work();
        return nullptr;
    } catch (const cv::Exception& e) {
        return strdup(e.err.empty() ? e.what() : e.err.c_str());
    } catch (const std::exception& e) {
        return strdup(e.what());
    } catch (...) {
        return strdup("unknown exception");
    }
}

char* cv_hog_people(void** hog) {
    return guarded([&] {
        auto made = std::unique_ptr<cv::HOGDescriptor>(new cv::HOGDescriptor());
        made->setSVMDetector(cv::HOGDescriptor::getDefaultPeopleDetector());
        *hog = made.release();
    });
}

char* cv_hog_detect(void* hog, void* image, double hit_threshold, int stride, double scale, double group,
                    cv_found** found, int* n) {
    return guarded([&] {
        std::vector<cv::Rect> boxes;
        std::vector<double> weights;
        const cv::Size step(stride, stride);
        static_cast<cv::HOGDescriptor*>(hog)->detectMultiScale(*static_cast<cv::Mat*>(image), boxes, weights,
                                                               hit_threshold, step, step, scale, group);
        *n = 0;
        *found = static_cast<cv_found*>(malloc((boxes.size() + 1) * sizeof(cv_found)));
        if (*found == nullptr) throw std::bad_alloc();
        for (size_t i = 0; i < boxes.size(); i++) {
            const cv::Rect& b = boxes[i];
            (*found)[i] = {b.x, b.y, b.width, b.height, i < weights.size() ? weights[i] : 0};
        }
        *n = static_cast<int>(boxes.size());
    });
}

void cv_hog_free(void* hog) { delete static_cast<cv::HOGDescriptor*>(hog); }
