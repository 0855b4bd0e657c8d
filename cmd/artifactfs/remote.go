package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/web"
	"artifactfs.dev/artifactfs/resolver"
)

// remoteData is data in buckets, and files on the web. Buckets are read with the
// credentials of who mounts, and the web from where this machine is, so that data_roots
// confine both as they confine paths: once there are any, a URI that lies below none of
// them is refused.
type remoteData struct {
	cfg atomic.Pointer[config.Config]
	web *web.Client

	mu      sync.Mutex // guards what follows
	buckets map[string]*bucket.Bucket
	shown   map[string]store.Files
}

var (
	_ resolver.Remote    = (*remoteData)(nil)
	_ resolver.Forgetter = (*remoteData)(nil)
)

func (r *remoteData) Has(uri string) bool {
	return bucket.Is(uri) && !strings.HasPrefix(uri, "mem:") || web.Is(uri)
}

func (r *remoteData) Allowed(uri string) error {
	if web.Is(uri) {
		_, err := r.parseWeb(uri)
		return err
	}
	_, err := r.parse(uri)
	return err
}

// parse reads a URI that data may lie at. What it takes to reach the bucket is that of
// data_roots, or of the manifest root, where one of those names the same bucket. A
// record may be anybody's: one that says where the requests are to go is refused, for
// they carry credentials.
func (r *remoteData) parse(uri string) (bucket.URI, error) {
	u, err := bucket.Parse(uri)
	if err != nil {
		return u, err
	}
	return r.reach(u)
}

// reach is parse of a URI that was read.
func (r *remoteData) reach(u bucket.URI) (bucket.URI, error) {
	given, cfg := u.Params, r.cfg.Load()
	confined, known := len(cfg.Roots()) > 0, false
	for i, root := range append([]string{cfg.Root}, cfg.DataURIs...) {
		at, err := bucket.Parse(root)
		if err != nil || at.Scheme != u.Scheme || at.Bucket != u.Bucket || len(given) > 0 && given.Encode() != at.Params.Encode() {
			continue
		}
		known = true
		if len(u.Params) == 0 {
			u.Params = at.Params
		}
		if i > 0 && strings.HasPrefix(u.Prefix, at.Prefix) {
			confined = false
			break
		}
	}
	if confined {
		return u, outsideRoots(u.String(), u.Scheme+"://"+u.Bucket)
	}
	for key := range given {
		if !known && (key != "storage_account" || len(given[key]) != 1 || sentWithToken(given[key][0])) {
			return u, fmt.Errorf("%s: a record does not say how a bucket is reached (%s); artifactfs.data_roots does: %w", u, key, syscall.EPERM)
		}
	}
	return u, nil
}

// sentWithToken reports whether a SAS token would be sent to an account that it may not
// be of: it is a secret that whoever is asked reads.
func sentWithToken(account string) bool {
	return os.Getenv("AZURE_STORAGE_SAS_TOKEN") != "" && os.Getenv("AZURE_STORAGE_KEY") == "" && account != os.Getenv("AZURE_STORAGE_ACCOUNT")
}

// manyRemote bounds how many versions' listings are remembered.
const manyRemote = 256

func (r *remoteData) Files(ctx context.Context, uri string) (store.Files, error) {
	if web.Is(uri) {
		return r.file(uri)
	}
	beside, err := bucket.Parse(uri)
	if err != nil {
		return nil, err
	}
	u, err := r.reach(beside)
	if err != nil {
		return nil, err
	}
	f, err := r.files(u)
	if err != nil {
		return nil, err
	}
	_, err = f.Stat(ctx, "")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // whoever asked again would wait again
	}
	if err == nil || !strings.Contains(strings.TrimSuffix(u.Prefix, "/"), "/") {
		return f, nil
	}
	// As of a record that names a file: what lies beside it.
	name := path.Base(u.Prefix)
	beside.Prefix = besideOf(u.Prefix)
	if beside, err = r.reach(beside); err != nil {
		return nil, err
	}
	b, err := r.files(beside)
	if err != nil {
		return nil, err
	}
	if _, err := b.Stat(ctx, name); err != nil {
		return f, nil
	}
	return b, nil
}

// Forget forgets what lies at a URI, and beside it.
func (r *remoteData) Forget(uri string) {
	u, err := r.parse(uri)
	if err != nil || web.Is(uri) {
		return
	}
	_, key, err := r.bucket(u)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shown, key+"#"+u.Prefix)
	delete(r.shown, key+"#"+besideOf(u.Prefix))
}

// besideOf is the prefix of what lies beside an object.
func besideOf(prefix string) string { return path.Dir(strings.TrimSuffix(prefix, "/")) + "/" }

// files returns what lies at a URI.
func (r *remoteData) files(u bucket.URI) (*bucket.Files, error) {
	b, key, err := r.bucket(u)
	if err != nil {
		return nil, err
	}
	key += "#" + u.Prefix
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.shown[key].(*bucket.Files); ok {
		return f, nil
	}
	f := b.Files(u.Prefix, remoteLasts(r.cfg.Load()))
	r.show(key, f)
	return f, nil
}

// bucket returns the bucket of a URI, and what it is known by; it opens each once.
func (r *remoteData) bucket(u bucket.URI) (*bucket.Bucket, string, error) {
	u.Prefix = ""
	key := u.String() + "?" + u.Params.Encode()
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.buckets[key]; ok {
		return b, key, nil
	}
	b, err := bucket.Open(context.Background(), u)
	if err != nil {
		return nil, "", err
	}
	b.SetDeadline(r.cfg.Load().Deadline)
	if r.buckets == nil {
		r.buckets = make(map[string]*bucket.Bucket)
	}
	r.buckets[key] = b
	return b, key, nil
}

// show remembers what was asked for. The mutex is held.
func (r *remoteData) show(key string, f store.Files) {
	if r.shown == nil || len(r.shown) >= manyRemote {
		r.shown = make(map[string]store.Files)
	}
	r.shown[key] = f
}
