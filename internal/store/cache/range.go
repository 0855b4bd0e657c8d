package cache

import (
	"context"
	"io"
)

// ReadRange returns the n bytes at off, fewer only at the end of the object.
func (f *File) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return &section{ctx, f, off, off + min(n, max(f.size-off, 0))}, nil
}

// section is a range of a File that is read from its start.
type section struct {
	ctx      context.Context // of ReadRange, whose answer this is
	f        *File
	off, end int64
}

func (s *section) Read(p []byte) (int, error) {
	if s.off >= s.end {
		return 0, io.EOF
	}
	n, err := s.f.ReadContext(s.ctx, p[:min(int64(len(p)), s.end-s.off)], s.off)
	s.off += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

func (s *section) Close() error { return nil }
