#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Functions return NULL, or what went wrong as a string for the caller to free.
// Mats are cv::Mat*.

typedef struct {
    int x, y, width, height;
    double weight;
} cv_found;

char* cv_hog_people(void** hog);
// cv_hog_detect sets found to n results for the caller to free.
char* cv_hog_detect(void* hog, void* image, double hit_threshold, int stride, double scale, double group,
                    cv_found** found, int* n);
void cv_hog_free(void* hog);

#ifdef __cplusplus
}
#endif
