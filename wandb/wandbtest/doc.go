// Package wandbtest is a W&B server for tests: in process, on loopback, in memory but for its
// blobs, unless Options.State keeps it. It executes GraphQL over package schema with a real executor, so what it takes and
// answers is what the schema says, not what a test had in mind.
//
//	srv := wandbtest.New(t, nil)
//	srv.Log(wandbtest.Version{Name: "data", Files: map[string][]byte{"a.txt": []byte("hello")}})
//	srv.Fail("commitArtifact", wandbtest.Fault{Status: 409})
//	… a client is pointed at srv.URL with srv.Key …
//	srv.Versions("team", "nemotron", "data")
//
// Server.Python runs W&B's own SDK against it, and the command cmd/wandbtest serves it to other
// processes.
//
// There is a user ada, who has an entity of her own and is in the team entity team of the
// organization acme, whose registries lie in the entity acme-org.
//
// # What it is not
//
// It is not W&B's server, nor made from its code, which nobody outside has. Facts are what the
// released SDKs send and accept: the two that the tests run against it see the same as they were
// recorded to see. Known from documents and from the SDK's sources are the digests, the manifest,
// the states, deduplication by digest within a sequence, numbers that are not given again, and
// that a commit can end in 409.
//
// That a document which does not fit the schema is answered with 200 is concluded from where the
// SDK looks for the words. Guesses are: that a version has no index before its commit; that
// a commit checks the artifact's digest and that its files are there; that a second request for an
// artifact with a client id that is known finds that artifact; that linking moves latest in the
// portfolio; which fields an older server lacks; the status of most errors; and the form of the
// redirects of /artifactsV2. A client should not lean on any of them.
// A commit ends in 409 only where a Fault says so: when W&B's own does is known too little.
//
// Not served: uploads in parts (of 2 GiB and more), manifests of type PATCH, filters other than
// equality, pages counted from the end.
//
// # Faults
//
// Fail breaks requests of an operation: a status, a broken or hanging connection, a cut or corrupt
// answer, before the operation takes effect or after it. Limit limits their rate, Down and Up take
// the server off the network and bring it back, ExpireURLs and Advance let signed URLs and TTLs run
// out, SetFeatures makes an older server of it, and Requests and BytesServed count.
//
// # Blobs
//
// They lie behind another host name, localhost beside 127.0.0.1, as W&B's lie in S3: URLs are
// signed and expire, ranges are served, an upload needs the headers that were signed, and a
// request that brings credentials is refused with 400.
package wandbtest
