// Package manifest is the record core: what a logged version is, how it is
// written down and how it is named.
//
// A version of an artifact is two files in a store, NAME/vN/manifest.json and
// NAME/vN/metadata.json, with the bytes that NVIDIA's nemo_runspec.artifacts
// writes: its readers cannot tell who wrote a record, and this package reads
// what they write, Python's NaN and number spellings included.
//
//   - [ParseJSON] and [AppendJSON] are Python's json, with the order of keys and
//     the spelling of numbers kept.
//   - [Manifest] is manifest.json, [Record] both files of a version, with the
//     fields that ${art:NAME,FIELD} reads.
//   - [Ref] is a reference, [ParseRef] its one parser.
//   - [ParseRequest] reads what is written to a control file, [Request.Draft]
//     makes of it the files of a version that has no number yet.
//   - [Dir] is a store in a directory, [Catalog] one in a bucket.
//
// Both keep listings for a TTL, by themselves: a directory answers each user according
// to his rights, says by its times whether it has changed, and costs microseconds, so that
// Dir asks at every call as the caller, and its last answers go to who has seen them; a
// bucket answers everybody alike and costs a request, so that Catalog asks once for all
// who wait, and not again within the TTL. What a listing says of versions is common
// (snapshot, and what follows from it).
//
// It knows neither FUSE nor configuration nor the environment.
package manifest
