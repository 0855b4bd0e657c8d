// Package bucket reads and writes object stores by URI: S3 and what speaks its
// protocol, Google Cloud Storage, Azure Blob Storage, the Hugging Face Hub.
//
// It adds to gocloud.dev/blob what a store of records needs and that package has no
// common word for: the spellings that fsspec takes, endpoints and credentials from
// where each vendor's own tools find them, writes that succeed only if nothing, or
// only if the known content, is there, and errors that tell an object that is gone
// from a bucket that is, and both from a store that does not answer. Where a store has
// commits, a View is one of them, and writes many objects by another. It caches nothing
// and retries nothing beyond what the vendors' clients, and hfblob, do.
package bucket
