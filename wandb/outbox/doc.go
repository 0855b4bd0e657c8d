// Package outbox logs versions to W&B in the background. What is to be logged is a
// file in a directory of this machine before anybody is told that it will be, and
// stays there until W&B has it: over failures, restarts and kill -9, each is logged
// once.
//
// An artifact is what Nemotron's tracker would have logged: references to the data
// where it lies, a few small files, metadata, aliases, and what it was made from. It
// is put together once and kept as it is, so that a second try sends the same.
//
// The package does not decide what is logged, nor which number it has: see resolver.
package outbox
