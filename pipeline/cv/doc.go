// Package cv is what pipelines need of OpenCV and gocv does not offer on OpenCV
// 4.6. All of it is in one C++ file, whose every entry turns an exception into
// an error.
package cv
