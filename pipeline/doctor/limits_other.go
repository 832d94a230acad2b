//go:build !unix

package doctor

func descriptors() Result { return ok("file descriptors", "no limit known") }
