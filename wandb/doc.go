// Package wandb is Weights & Biases as a backend: a client that speaks to the
// server, and Source, which reads artifacts and their files from it.
//
// The client sends the documents of queries.graphql and mutations.graphql, typed by
// genqlient in internal/gql, with the key only ever to the server's own address.
// Nothing here reads the environment: whoever makes a Config passes it in.
//
// # A read
//
// Listings are kept for a TTL (recall.go), and their last answer for as long as the
// server does not give another; health.go knows which of the two it is. A record
// (record.go) is made of what the server has of a version: the data path by path.go, and
// the metadata.json that is stored with it. The files of a version are its manifest
// (index.go), read once as a stream; a file is fetched by ranges (ranged.go) when it is
// read, by a signed address (signed.go), by its reference (reference.go, buckets.go), or
// from W&B's own cache on this machine (localcache.go).
package wandb
