// Package config reads a pipeline's file into a checked [Spec]: strict at every
// depth, all mistakes at once, each with its line. It alone reads the
// environment. Its scalar types are what kinds' own settings are written in.
package config
