// Package web reads single files behind http and https URLs, by ranges.
//
// A file is what its server said of it when it was looked at: its length, and the ETag
// or the time of its last change, which every range has to have as well. A server that
// says neither, or not the length, has no files here, for a change could not be noticed.
// Nor has it directories: none can be listed.
//
// A URL may come from anybody's record, and the requests from a machine that reaches
// what its author does not. So they carry no credential, no cookie and no referrer, and
// each place that one goes to, by redirect too, is asked about before.
package web
