package hfblob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"gocloud.dev/blob/driver"
)

// spoolTo is how much of an object is kept in memory until it is uploaded; beyond
// that, it is in a file.
const spoolTo = 8 << 20

// writer gathers an object, whose digest must be known before it is sent, and commits
// it when it is closed.
type writer struct {
	ctx  context.Context
	repo *Repo
	key  string
	o    WriteOptions
	cond condition

	mem  bytes.Buffer
	file *os.File // nil: all is in mem
	size int64
}

func (b *bucket) NewTypedWriter(ctx context.Context, key, _ string, o *driver.WriterOptions) (driver.Writer, error) {
	if len(o.Metadata) > 0 {
		return nil, fmt.Errorf("metadata of %s: %w", key, errUnsupported)
	}
	if key == "" {
		return nil, fmt.Errorf("an object without a name: %w", errUnsupported)
	}
	w := &writer{ctx: ctx, repo: b.repo, key: key, o: WriteOptions{Message: "Upload " + key + " with artifactfs"}, cond: condition{absent: o.IfNotExist}}
	if o.BeforeWrite != nil {
		if err := o.BeforeWrite(asWriteOptions(&w.o)); err != nil {
			return nil, err
		}
	}
	w.cond.tag = w.o.Tag
	return w, nil
}

func (w *writer) Write(p []byte) (int, error) {
	if w.file == nil && w.mem.Len()+len(p) > spoolTo {
		f, err := os.CreateTemp("", "hfblob-*")
		if err != nil {
			return 0, err
		}
		os.Remove(f.Name())
		w.file = f
		if _, err := f.Write(w.mem.Bytes()); err != nil {
			return 0, err
		}
		w.mem = bytes.Buffer{}
	}
	w.size += int64(len(p))
	if w.file != nil {
		return w.file.Write(p)
	}
	return w.mem.Write(p)
}

func (w *writer) Close() error {
	if w.file != nil {
		defer w.file.Close()
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	var at io.ReaderAt = bytes.NewReader(w.mem.Bytes())
	if w.file != nil {
		at = w.file
	}
	return w.repo.change(w.ctx, File{w.key, io.NewSectionReader(at, 0, w.size)}, w.o.Message, w.cond)
}
