// Package plan says what a pipeline will do with its frames before one flows:
// which pixels go along each edge, where they are converted or copied and what
// that costs, what runs beside what, and what is held in flight. It goes by what
// the kinds declare and opens nothing.
package plan
