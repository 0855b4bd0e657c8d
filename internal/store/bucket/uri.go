package bucket

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// URI is where a bucket and a prefix in it are.
type URI struct {
	Scheme string     // s3, gs, azblob, hf or mem, whatever it was spelled
	Bucket string     // the container, on Azure; [KIND/]NAMESPACE/NAME[@REVISION] on the Hub
	Prefix string     // "" or ends in a slash
	Params url.Values // of gocloud's openers: region, endpoint, use_path_style, …
}

// schemes are the spellings that fsspec takes, and those of gocloud.
var schemes = map[string]string{
	"s3": "s3", "s3a": "s3", "s3n": "s3",
	"gs": "gs", "gcs": "gs",
	"azblob": "azblob", "az": "azblob", "abfs": "azblob", "abfss": "azblob", "wasb": "azblob", "wasbs": "azblob",
	"hf":  "hf",
	"mem": "mem",
}

// Is reports whether s begins with a scheme of an object store.
func Is(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && schemes[strings.ToLower(scheme)] != ""
}

// Parse reads SCHEME://BUCKET[/PREFIX][?PARAM=VALUE&…]. The prefix is taken as it is
// written, without percent-decoding, as fsspec does. On Azure the bucket may also be
// CONTAINER@ACCOUNT.dfs.core.windows.net; on the Hugging Face Hub it is the repository,
// [KIND/]NAMESPACE/NAME[@REVISION]. An error satisfies fs.ErrInvalid.
func Parse(s string) (URI, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	u := URI{Scheme: schemes[strings.ToLower(scheme)], Params: url.Values{}}
	if !ok || u.Scheme == "" {
		return URI{}, fmt.Errorf("%q names no object store; those are s3://, gs://, azblob:// and hf://: %w", s, fs.ErrInvalid)
	}
	rest, query, _ := strings.Cut(rest, "?")
	if err := u.split(rest); err != nil {
		return URI{}, err
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return URI{}, fmt.Errorf("%q: parameters after ? are KEY=VALUE&…: %w", s, fs.ErrInvalid)
	}
	u.Params = params
	if err := u.cleanPrefix(); err != nil {
		return URI{}, fmt.Errorf("%q: %w", s, err)
	}
	if u.Scheme == "azblob" {
		u.account()
		if u.Bucket == "" {
			return URI{}, fmt.Errorf("%q has no container: %w", s, fs.ErrInvalid)
		}
	}
	return u, nil
}

// split tells the bucket from the prefix.
func (u *URI) split(s string) error {
	if u.Scheme == "hf" {
		repo, err := hfblob.ParseURI("hf://" + s)
		if err == nil {
			u.Bucket, u.Prefix = strings.TrimPrefix(repo.Repo().String(), "hf://"), repo.Path
		}
		return err
	}
	u.Bucket, u.Prefix, _ = strings.Cut(s, "/")
	if u.Bucket == "" && u.Scheme != "mem" {
		return fmt.Errorf("%s://%s has no bucket: %w", u.Scheme, s, fs.ErrInvalid)
	}
	return nil
}

// cleanPrefix refuses what an object store takes literally and a person does not.
func (u *URI) cleanPrefix() error {
	u.Prefix = strings.Trim(u.Prefix, "/")
	if u.Prefix == "" {
		return nil
	}
	if path.Clean(u.Prefix) != u.Prefix || strings.HasPrefix(u.Prefix, "..") || strings.ContainsRune(u.Prefix, 0) {
		return fmt.Errorf("the prefix %q holds an empty, . or .. component: %w", u.Prefix, fs.ErrInvalid)
	}
	u.Prefix += "/"
	return nil
}

// account takes the account out of CONTAINER@ACCOUNT.dfs.core.windows.net.
func (u *URI) account() {
	container, host, ok := strings.Cut(u.Bucket, "@")
	if !ok {
		return
	}
	account, domain, _ := strings.Cut(host, ".")
	u.Bucket = container
	u.Params.Set("storage_account", account)
	if domain != "" && domain != "dfs.core.windows.net" && domain != "blob.core.windows.net" {
		u.Params.Set("domain", strings.Replace(domain, "dfs.", "blob.", 1))
	}
}

// String returns the URI for people and records: without the parameters, which say
// how to reach the bucket from here, and may name an account's key file.
func (u URI) String() string {
	return u.Scheme + "://" + u.Bucket + strings.TrimSuffix("/"+u.Prefix, "/")
}
