package wandb

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
)

// object is the content of one entry. Of a listing there may be millions: what a read
// needs is made when there is one.
type object struct {
	f *files
	i int // of the entry

	mu    sync.Mutex // guards what follows
	state *reading
	other store.Object // what a reference into a bucket, or another artifact, leads to
}

var _ store.Object = (*object)(nil)

// reading is what is known of an object that was read.
type reading struct {
	e       entry
	web     *web
	checked checked
}

func (o *object) open() (*reading, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == nil {
		e := o.f.index.at(o.i)
		w, err := o.f.web(&e)
		if err != nil {
			return nil, err
		}
		o.state = &reading{e: e, web: w}
	}
	return o.state, nil
}

// Key names the content by its hash where there is one, else by the entry: a
// reference without any hash may change.
func (o *object) Key() string {
	e := o.f.index.at(o.i)
	switch digest, ok := e.hexDigest(); {
	case e.ref == "" && ok && e.size >= 0 && e.newHash() != nil:
		alg := "md5"
		if e.alg == xxh128 {
			alg = "xxh128"
		}
		return fmt.Sprintf("wandb:%s:%s:%d", alg, digest, e.size)
	case e.elsewhere():
	case e.ref == "" || e.etag != "":
		return "wandb:" + o.f.s.c.Server() + ":" + o.f.id + ":" + e.path
	}
	return ""
}

// Digest returns the hash that the manifest has of a stored file, "" if it has none
// that is known here.
func (o *object) Digest() (algorithm string, sum []byte) {
	e := o.f.index.at(o.i)
	if e.newHash() == nil {
		return "", nil
	}
	sum, _ = base64.StdEncoding.DecodeString(e.digest)
	if e.alg == xxh128 {
		return "xxh128", sum
	}
	return "md5", sum
}

// Allowed returns why the content is not to be read, nil if it may be.
func (o *object) Allowed() error {
	e := o.f.index.at(o.i)
	if err := o.f.s.allowed(&e); err != nil {
		return fmt.Errorf("file %s of %s: %w", e.path, o.f.of, err)
	}
	return nil
}

// ReadRange reads from W&B's own cache on this machine if the file is there, else
// from where the server says that it lies.
func (o *object) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if err := o.Allowed(); err != nil {
		return nil, err
	}
	if e := o.f.index.at(o.i); e.elsewhere() {
		to, err := o.follow(ctx, &e)
		if err != nil {
			return nil, err
		}
		return to.ReadRange(ctx, off, n)
	}
	r, err := o.open()
	if err != nil {
		return nil, err
	}
	if err := r.checked.spoilt(); err != nil {
		return nil, err
	}
	size, err := r.web.length(ctx)
	if err != nil {
		return nil, err
	}
	end := min(off+min(n, size-min(off, size)), size)
	if off >= end {
		// An empty file has a digest too, and nothing to be wrong.
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	remote := func(off, end int64) io.ReadCloser {
		in := &reader{ranged: ranged{ctx: ctx, w: r.web, off: off, end: end}, r: r}
		in.hashed = r.checked.begin(&r.e, off)
		return in
	}
	if f := o.f.s.local.open(ctx, &r.e); f != nil {
		return &cachedRange{ctx: ctx, file: f, off: off, end: end, rest: remote}, nil
	}
	return remote(off, end), nil
}

// size asks for a size that the manifest does not say.
func (o *object) size(ctx context.Context) (int64, error) {
	e := o.f.index.at(o.i)
	if err := o.f.s.allowed(&e); err != nil {
		return 0, err
	}
	if e.elsewhere() {
		to, err := o.follow(ctx, &e)
		if err != nil {
			return 0, err
		}
		return o.f.size(ctx, to)
	}
	r, err := o.open()
	if err != nil {
		return 0, err
	}
	return r.web.length(ctx)
}

// follow returns what a reference leads to.
func (o *object) follow(ctx context.Context, e *entry) (store.Object, error) {
	o.mu.Lock()
	to := o.other
	o.mu.Unlock()
	if to != nil {
		return to, nil
	}
	var err error
	if strings.HasPrefix(e.ref, "wandb-artifact:") {
		var file store.File
		if file, err = o.f.follow(ctx, e); err == nil && file.Object == nil {
			err = fmt.Errorf("file %s of %s lies at %s: %w", e.path, o.f.of, file.Local, syscall.EOPNOTSUPP)
		}
		to = file.Object
	} else {
		to, err = o.f.s.look(ctx, e)
	}
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.other = to
	return to, nil
}

// reader is a range that is hashed as it is read.
type reader struct {
	ranged
	r      *reading
	hashed bool
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.ranged.Read(b)
	if n > 0 && r.hashed {
		if bad := r.r.checked.took(&r.r.e, b[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

func (r *reader) Close() error {
	if r.hashed {
		r.r.checked.end()
		r.hashed = false
	}
	return r.ranged.Close()
}

// web returns how an entry's content is read.
func (f *files) web(e *entry) (*web, error) {
	if e.ref == "" {
		at := *e
		return &web{
			c: f.s.c, by: f.s.c.files, what: "file", size: e.size,
			address: func(ctx context.Context, refused string) (string, error) { return f.signed.get(ctx, &at, refused) },
		}, nil
	}
	return f.webReference(e)
}
