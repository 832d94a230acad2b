// Package doctor finds out why something does not work: [Machine] tells what
// this machine can do, [Walk] goes the way of a session hop by hop and names the
// one that fails.
package doctor
