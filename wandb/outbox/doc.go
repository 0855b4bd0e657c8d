// Package outbox logs versions, and their aliases, to W&B in the background. What is to be logged is a
// file in a directory of this machine before anybody is told that it will be, and
// stays there until W&B has it: over failures, restarts and kill -9, each is logged
// once.
//
// An artifact is what Nemotron's tracker would have logged: references to the data
// where it lies, a few small files, metadata, aliases, and what it was made from. It
// is put together once, as the caller, and kept as it is: a second try sends the same.
//
// # One log
//
// Push writes the contents and then the push (see box for the files). Whoever has the
// turn, one process at a time, then does this for each, in the order of the versions:
//
//	the run      the caller's, if W&B has it; else ours, named after the push
//	its inputs   marked as used; data that is no artifact becomes one
//	create       and keep the id before anything else is sent
//	fill         the manifest, the stored files, the manifest again
//	commit       409: begin anew with other client ids
//	read back    the number that W&B gives, and keep it
//	aliases      latest only if no later version has it
//	end the run  if it is ours
//	Done         the manifest store learns W&B's number
//
// Of an answer that was lost nobody knows what it said. So the id that was kept is
// asked after first: what is committed is done, what is pending is gone on with, and
// only what can never be committed is created anew. Aliases are not part of create,
// because W&B puts them on whatever version has the same content. Such a version is
// another log's, for the content holds the time of the log: unless it was ours, a mark
// makes a version of its own.
//
// An alias that a version gets later, or loses, is a push too, in the same order.
//
// The package does not decide what is logged, nor which number it has: see resolver.
package outbox
