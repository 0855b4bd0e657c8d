package hfblob

import (
	"context"
	"io"
)

// resumed is content that is asked for again, from where it was, if it ends in between:
// what lies on a content network is read for hours. Its tag says that it is the same.
type resumed struct {
	io.ReadCloser
	ctx    context.Context // of the read, as gocloud has it
	repo   *Repo
	key    string
	off, n int64 // what is left; n is negative for all
	tag    string
	again  int // how often, since it went on
}

func (r *resumed) Read(b []byte) (int, error) {
	for {
		n, err := r.ReadCloser.Read(b)
		if r.off += int64(n); r.n > 0 {
			r.n -= int64(n)
		}
		if n > 0 {
			r.again = 0
		}
		switch {
		case err == nil || err == io.EOF || r.tag == "" || r.n == 0 || r.ctx.Err() != nil || r.again+1 >= tries:
			return n, err
		case n > 0:
			return n, nil // and the error comes again
		}
		r.again++
		c, err2 := r.repo.open(r.ctx, r.key, r.off, r.n, r.tag)
		if err2 != nil {
			return 0, err
		}
		r.ReadCloser.Close()
		r.ReadCloser = c.ReadCloser
	}
}
