// Package store reads local storage on behalf of whoever asked.
//
// Every access is made as its caller (fsuid, fsgid, groups, capabilities), by
// full path so that the permissions of every ancestor count, in a goroutine of
// its own so that a hung file server costs its readers a deadline and nobody
// else anything, and never through a symbolic link that was not followed here,
// into procfs, or into a mount of artifactfs itself.
//
// The package knows no artifacts and no FUSE: paths in, bytes and attributes
// out. Local is the whole of it; the context names the Caller.
package store
