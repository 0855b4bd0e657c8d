// Package hfhubtest is a Hugging Face Hub for tests: repositories with commits,
// branches, tags and pull requests, answered over real HTTP as the Hub answers, and
// failing on demand.
//
// It takes what the Hub's clients send: huggingface_hub creates, commits, lists and
// downloads with HF_ENDPOINT set to its URL. Content that is in LFS is redirected to a
// second host name, localhost, which refuses credentials and whose URLs expire, as the
// Hub's does. It knows nothing of Xet, of multipart uploads, or of discussions.
package hfhubtest
