package cv

import "gocv.io/x/gocv"

// OneThread keeps OpenCV from using threads of its own, in the whole process:
// the nodes of a graph run side by side already, and would only fight for the
// processors. A program calls it once, before its pipelines run.
func OneThread() { gocv.SetNumThreads(1) }
