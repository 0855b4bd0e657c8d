// Package hfblob is a gocloud.dev/blob driver for repositories on the Hugging Face
// Hub: models, datasets and spaces, at hf://[KIND/]NAMESPACE/NAME[@REVISION][/PATH].
//
// A repository is a git repository, and the driver says what that means for a bucket.
// Every write is a commit, of which the Hub takes some hundred per hour and
// repository; so several objects are best written by one Repo.Commit, which
// Bucket.As(**Repo) leads to. A commit names its parent, which makes every condition
// exact: the content is looked at in the parent, and the Hub refuses the commit if the
// branch has moved on. A listing is of one commit, however many pages it has. The tag
// of content is its name in git or, of large files, its SHA-256.
//
// What a repository has no place for is not kept: a content type (it is made from the
// name), other headers, metadata (which is refused), an MD5. Objects cannot be copied,
// and have no signed URLs. A key that git does not take, such as one with "..", is
// written with escapes (see path.go).
//
// What lies in the Hub's own cache on this machine is read from there: huggingface_hub
// put it there, and it can be named by its digest. Nothing is written to that cache.
package hfblob
