// Package store reads local storage on behalf of whoever asked.
//
// Every access is made as its caller (fsuid, gid, groups, capabilities), by
// full path so that the permissions of every ancestor count, and never through
// a symbolic link that was not followed here, into procfs, or into a mount of
// artifactfs itself. Where a server answers for the storage, the access has a
// goroutine of its own, so that a hung server costs its readers a deadline and
// nobody else anything.
//
// A program that uses AsCaller should call runtime.LockOSThread in an init of
// its main package: that keeps its first thread, which /proc/PID and the
// parent-death signal go by, out of other people's credentials.
//
// The package knows no artifacts and no FUSE: paths in, bytes and attributes
// out. Local is all of that; the context names the Caller. An Object is what is read by
// ranges over a network instead, through a Reader for each open file.
package store
