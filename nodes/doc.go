// Package nodes presents a [resolver.Tree] as go-fuse nodes: one node type for
// each kind of entry, and one table of errnos.
//
// The nodes hold no policy. What exists, who may see it and what a write does is
// decided by the tree; nodes decide how the kernel may cache it and by which lane
// the bytes of a data file travel (lane.go).
//
// Requests run to their end although the reader was interrupted: any signal, the
// Go runtime's preemption included, interrupts a FUSE request, and an EINTR from
// stat or open is more than most programs expect. The deadline of [store.Local]
// bounds them.
package nodes
