// Package cache keeps on local disk what is read of remote objects.
//
// An object's content lies in one sparse file, next to a file with one checksum for
// each unit of 64 KiB; a checksum of zero says that the unit is not there. The
// checksum is written after the unit and depends on the content's key and the unit's
// number, so what a crash, a bad disk or a person did to the files is noticed by
// whoever reads the unit, and the unit is fetched again. Nothing is ever synced:
// what a power failure leaves is found out the same way. A file that is complete is
// passed through once all of it was read and found right, or was written by this process
// alone, and no digest of it is known.
//
// In memory there is, for each block of consecutive units (8 MiB in a cache of
// 512 MiB or more), which of them are there. Blocks are what is evicted, by a hole in
// the file, and what requests for reading ahead end at. A unit is fetched once however
// many wait for it, and the fetch goes on when they leave.
//
// Room on the disk is reserved before a request is sent, as is the memory that the
// bytes pass through. Where there is no room to be had, or the disk fails or hangs, reads
// go to the store and nothing is kept: the cache never makes a read fail, nor wait for
// longer than a quarter of its deadline.
//
// What an earlier process left is looked at in the background, but for what is asked for,
// and until that is over nothing new is kept.
//
// The package knows objects by content key only, never who may read them.
package cache
