package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// Bucket is a prefix of a bucket; keys are below it. It is safe for concurrent use.
type Bucket struct {
	uri  URI
	blob *blob.Bucket
	rule conditions
	wait *atomic.Int64 // the deadline, a time.Duration; views share it
	pace *store.Pace   // of listing and looking; views share it
	then bool          // it is a view, which does not change
	mu   sync.Mutex    // held by Replace where the store compares nothing itself

	silent atomic.Int64 // when a listing of Files got no answer last, in Unix nanoseconds; 0: it does answer
}

// Open returns the bucket at uri. It does not ask the store whether there is one:
// the first access does. Credentials, regions and endpoints come from where the
// vendor's client finds them, and uri's parameters go before those.
func Open(ctx context.Context, uri URI) (*Bucket, error) {
	open := map[string]func(context.Context, *url.URL) (*blob.Bucket, conditions, error){
		"s3": openS3, "gs": openGCS, "azblob": openAzure, "hf": openHF, "mem": openMem,
	}[uri.Scheme]
	if open == nil {
		return nil, fmt.Errorf("%s: no such kind of store: %w", uri, fs.ErrInvalid)
	}
	b, rule, err := open(ctx, &url.URL{Scheme: uri.Scheme, Host: uri.Bucket, RawQuery: uri.Params.Encode()})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", uri, err)
	}
	if uri.Prefix != "" {
		b = blob.PrefixedBucket(b, uri.Prefix)
	}
	out := &Bucket{uri: uri, blob: b, rule: rule, wait: new(atomic.Int64), pace: new(store.Pace)}
	out.SetDeadline(0)
	return out, nil
}

// SetDeadline bounds each request that is made from now on, with the retries of the
// vendor's client, of which some go on for ever; 0 is 30 s.
func (b *Bucket) SetDeadline(d time.Duration) {
	if d <= 0 {
		d = store.DefaultDeadline
	}
	b.wait.Store(int64(d))
}

// bounded is ctx with the deadline of one request.
func (b *Bucket) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := time.Duration(b.wait.Load())
	switch b.uri.Scheme {
	case "azblob":
		ctx = azureRetries(ctx, wait)
	case "s3", "gs":
		ctx = withLast(ctx)
	}
	return context.WithTimeout(ctx, wait)
}

// URI returns where the bucket is.
func (b *Bucket) URI() URI { return b.uri }

func (b *Bucket) String() string { return b.uri.String() }

// Close frees the client. Nothing may use the bucket by then.
func (b *Bucket) Close() error { return b.blob.Close() }

// Entry is one name in a listing.
type Entry struct {
	Key     string // a directory's without its last slash
	Dir     bool
	Marker  bool // it is an empty object by which some tools mark a directory
	Size    int64
	ModTime time.Time
	Tag     string // of an object's content; "" where a listing does not say
	md5     []byte // of the content, where a listing says
}

// pageSize is the most that every store gives at once.
const pageSize = 1000

// List calls fn with what lies below prefix, in order of the keys; with one slash
// as the delimiter only what lies directly there, else everything. It makes one
// request for each thousand. A prefix of which there is nothing is no error.
func (b *Bucket) List(ctx context.Context, prefix, delimiter string, fn func(Entry) error) error {
	if b.Commits() && !b.then {
		v, err := b.View(ctx)
		if err != nil {
			return err
		}
		b = v.Bucket
	}
	o := &blob.ListOptions{Prefix: prefix, Delimiter: delimiter, BeforeList: b.rule.list}
	for token := blob.FirstPageToken; token != nil; {
		page, next, err := b.page(ctx, token, o)
		if err != nil {
			return err
		}
		for _, o := range page {
			if err := fn(b.entry(o)); err != nil {
				return err
			}
		}
		token = next
		if len(token) == 0 {
			token = nil
		}
	}
	return nil
}

func (b *Bucket) entry(o *blob.ListObject) Entry {
	e := Entry{Key: strings.TrimSuffix(o.Key, "/"), Dir: o.IsDir, Marker: !o.IsDir && strings.HasSuffix(o.Key, "/"), Size: o.Size, ModTime: o.ModTime}
	if !o.IsDir {
		e.md5 = o.MD5
		if b.rule.entry != nil {
			e.Tag = b.rule.entry(o)
		}
	}
	return e
}

func (b *Bucket) page(ctx context.Context, token []byte, o *blob.ListOptions) ([]*blob.ListObject, []byte, error) {
	for {
		ctx, cancel := b.bounded(ctx)
		asked := time.Now()
		page, next, err := b.blob.ListPage(ctx, token, pageSize, o)
		b.answered(asked, err)
		if err != nil && !errors.Is(err, hfblob.ErrMore) {
			err = b.failed(ctx, "list", o.Prefix, err, true)
		}
		cancel()
		if !errors.Is(err, hfblob.ErrMore) {
			return page, next, err
		}
	}
}

// answered notes how long an answer took.
func (b *Bucket) answered(asked time.Time, err error) {
	if now := time.Now(); err == nil {
		b.pace.Note(now, now.Sub(asked))
	}
}

// Ping asks for one name, and returns why the bucket cannot be read, if it cannot.
func (b *Bucket) Ping(ctx context.Context) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	o := &blob.ListOptions{Delimiter: "/"}
	if b.Commits() {
		o.BeforeList = pages(1) // and not all of them for the first name
	}
	if _, _, err := b.blob.ListPage(ctx, blob.FirstPageToken, 1, o); err != nil && !errors.Is(err, hfblob.ErrMore) {
		return b.failed(ctx, "list", "", err, true)
	}
	return nil
}

// Read returns an object of at most max bytes, and the tag of its content, which it
// returns of longer ones too, with fs.ErrInvalid. The error is fs.ErrNotExist only if the bucket is there and the object is not.
func (b *Bucket) Read(ctx context.Context, key string, max int64) ([]byte, string, error) {
	data, tag, _, err := b.ReadDated(ctx, key, max)
	return data, tag, err
}

// ReadDated is Read that says as well when the object was written.
func (b *Bucket) ReadDated(ctx context.Context, key string, max int64) ([]byte, string, time.Time, error) {
	var none time.Time
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	r, err := b.blob.NewReader(ctx, key, nil)
	if err != nil {
		err = b.failed(ctx, "read", key, err, false)
		if errors.Is(err, fs.ErrNotExist) && b.uri.Scheme == "gs" { // which says the same where there is no bucket
			err = cmp.Or(b.Ping(ctx), err)
		}
		return nil, "", none, err
	}
	defer r.Close()
	tag := b.rule.tag(r)
	if r.Size() > max {
		return nil, tag, none, fmt.Errorf("%s/%s has %d bytes, more than the %d that are read: %w", b, key, r.Size(), max, fs.ErrInvalid)
	}
	data, err := io.ReadAll(io.LimitReader(r, max+1))
	if err == nil && int64(len(data)) != r.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, "", none, b.failed(ctx, "read", key, err, false)
	}
	return data, tag, r.ModTime(), nil
}

// Create writes an object that is not there: fs.ErrExist if it is, and then it is
// left alone. Of several at once, one wins.
func (b *Bucket) Create(ctx context.Context, key string, data []byte) error {
	err := b.write(ctx, key, data, &blob.WriterOptions{IfNotExist: true})
	if errors.Is(err, errCondition) {
		return fmt.Errorf("%s/%s: %w", b, key, fs.ErrExist)
	}
	return err
}

// Replace writes an object in place of the content with a tag: ErrChanged if it is
// no longer that. The tag "" is of an object that is not there.
func (b *Bucket) Replace(ctx context.Context, key string, data []byte, tag string) error {
	o := &blob.WriterOptions{IfNotExist: tag == ""}
	switch {
	case tag == "":
	case b.rule.write != nil:
		o.BeforeWrite = b.rule.write(tag)
	default: // in memory: no other process has it
		b.mu.Lock()
		defer b.mu.Unlock()
		now, err := b.Stat(ctx, key)
		if err != nil {
			return err
		}
		if now.tag != tag {
			return fmt.Errorf("%s/%s: %w", b, key, ErrChanged)
		}
	}
	err := b.write(ctx, key, data, o)
	if errors.Is(err, errCondition) {
		return fmt.Errorf("%s/%s: %w", b, key, ErrChanged)
	}
	return err
}

// Write writes an object, whatever is there.
func (b *Bucket) Write(ctx context.Context, key string, data []byte) error {
	return b.write(ctx, key, data, &blob.WriterOptions{})
}

// write uploads in one request. Upload, and not WriteAll: that panics on Azure when
// a condition fails (gocloud v0.47.0).
func (b *Bucket) write(ctx context.Context, key string, data []byte, o *blob.WriterOptions) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	o.ContentType = "application/json"
	if !bytes.HasPrefix(data, []byte("{")) {
		o.ContentType = "text/plain"
	}
	if err := b.blob.Upload(ctx, key, bytes.NewReader(data), o); err != nil {
		return b.failed(ctx, "write", key, err, true)
	}
	return nil
}

// Remove deletes an object; fs.ErrNotExist if there is none, where the store tells.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	if err := b.blob.Delete(ctx, key); err != nil {
		return b.failed(ctx, "delete", key, err, false)
	}
	return nil
}
