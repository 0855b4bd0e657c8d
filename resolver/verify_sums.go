package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store"
)

// summing compares a version's files with what their store recorded of each.
type summing struct {
	t    *Tree
	read bool             // the digests too
	done func(read int64) // is told of what was read

	mu       sync.Mutex // guards what follows
	files    int
	bytes    int64
	same     int // whose digest is what was recorded
	none     int // of which no digest is recorded, or none that can be compared
	missing  findings
	changed  findings
	unread   findings
	unlisted error
}

// sumsAtOnce is how many files of one version are looked at side by side.
const sumsAtOnce = 8

// sums compares the files of a version that its store has recorded one by one; nil if
// it has not. With read it reads those that have a digest, as the caller.
func (t *Tree) sums(ctx context.Context, name string, n int, o VerifyOptions) *summing {
	f, ok := t.src.(Filer)
	if !ok {
		return nil
	}
	s := &summing{t: t, read: o.Digests, done: o.Read}
	files, err := f.Files(ctx, name, n)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		s.unlisted = err
		return s
	}
	of, ok := files.(store.Summed)
	if !ok {
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(sumsAtOnce)
	err = of.Sums(ctx, func(sum store.Sum) error {
		all.Go(func() error {
			s.file(ctx, sum)
			return ctx.Err()
		})
		return nil
	})
	s.unlisted = errors.Join(err, all.Wait())
	return s
}

// file looks at one file.
func (s *summing) file(ctx context.Context, sum store.Sum) {
	size, real := sum.Size, ""
	if sum.Local != "" {
		p, err := s.t.data.Resolve(ctx, sum.Local)
		if err != nil {
			s.failed(sum, err)
			return
		}
		if real, size = p.Path, p.Attr.Size; sum.Size >= 0 && size != sum.Size {
			s.add(&s.changed, "%s has %d bytes, %d were recorded", sum.Path, size, sum.Size)
			return
		}
	}
	s.mu.Lock()
	s.files++
	s.bytes += max(0, size)
	s.mu.Unlock()
	if !s.read {
		return
	}
	alg, want := sum.Digest(real)
	h := store.NewHash(alg)
	if h == nil {
		s.mu.Lock()
		s.none++
		s.mu.Unlock()
		return
	}
	err := s.hash(ctx, h, real, sum.Object, size)
	switch got := h.Sum(nil); {
	case errors.Is(err, store.ErrDigest): // its store has compared it itself
		s.add(&s.changed, "%s: %v", sum.Path, err)
	case err != nil:
		s.failed(sum, err)
	case !bytes.Equal(got, want):
		s.add(&s.changed, "%s: its %s is %x, %x was recorded", sum.Path, alg, got, want)
	default:
		s.mu.Lock()
		s.same++
		s.mu.Unlock()
	}
}

func (s *summing) failed(sum store.Sum, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		s.add(&s.missing, "%s is not there: %v", sum.Path, err)
	} else {
		s.add(&s.unread, "%s: %v", sum.Path, err)
	}
}

func (s *summing) add(to *findings, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.n++; len(to.list) < maxFindings {
		to.list = append(to.list, fmt.Sprintf(format, args...))
	}
}

// findings are files of which something is to be said. Of a directory that is gone
// there may be millions.
type findings struct {
	n    int
	list []string // the first of them
}

const maxFindings = 1000

// few is the beginning of them, by name.
func (f *findings) few() []string { return fewOf(f.list, f.n) }

// hash reads all of a file.
func (s *summing) hash(ctx context.Context, h hash.Hash, real string, o store.Object, size int64) error {
	var r io.Reader
	if real != "" {
		f, _, err := s.t.data.OpenWith(ctx, real, nil)
		if err != nil {
			return err
		}
		r = &patient{ctx: ctx, data: s.t.data, real: real, f: f}
		defer f.Close()
	} else {
		if size < 0 {
			size = math.MaxInt64 // all there is
		}
		body, err := o.ReadRange(ctx, 0, max(size, 1))
		if err != nil {
			return err
		}
		defer body.Close()
		r = body
	}
	buf := make([]byte, 1<<20)
	for {
		k, err := r.Read(buf)
		h.Write(buf[:k])
		s.done(int64(k))
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// patient reads a local file, and waits for its file system until the deadline.
type patient struct {
	ctx  context.Context
	data *store.Local
	real string
	f    *os.File
}

func (p *patient) Read(b []byte) (int, error) {
	var n int
	var eof bool
	own := make([]byte, len(b)) // of a read that is left behind
	err := p.data.Do(p.ctx, p.real, func() error {
		var err error
		n, err = p.f.Read(own)
		eof = err == io.EOF
		if eof {
			err = nil
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if eof {
		return 0, io.EOF
	}
	return copy(b, own[:n]), nil
}

// wrong are the verdict, and what it is of; "" if nothing is wrong.
func (s *summing) wrong() (Verdict, []string) {
	switch {
	case s.missing.n > 0:
		return Gone, s.missing.few()
	case s.changed.n > 0:
		return Changed, s.changed.few()
	case s.unlisted != nil:
		return Unreachable, []string{"its list of files: " + s.unlisted.Error()}
	case s.unread.n > 0:
		return Unreachable, s.unread.few()
	}
	return "", nil
}

// judge adds to what was found otherwise.
func (s *summing) judge(r *Verified) {
	r.Digests = s.same
	if r.Files == 0 {
		r.Files, r.Bytes = s.files, s.bytes
	}
	verdict, what := s.wrong()
	all, words := s.all()
	switch {
	case verdict != "" && !r.State.Wrong():
		r.State, r.What = verdict, what
	case verdict != "":
		r.is(r.State, what...)
	case r.State == Unknown && all:
		r.State, r.What = OK, nil
	case r.State == Unknown:
		r.What = []string{words}
	}
}

// all reports whether every file was compared with its digest, or says how many were.
func (s *summing) all() (bool, string) {
	switch {
	case !s.read:
		return false, fmt.Sprintf("%d files are there with their recorded sizes (verify --digests reads those that have digests)", s.files)
	case s.none > 0:
		return false, fmt.Sprintf("%d of %d files have the recorded digests, the others have none of their content", s.same, s.files)
	}
	return s.files > 0, fmt.Sprintf("%d files have the recorded digests", s.same)
}

// few is the beginning of a long list.
func few(list []string) []string { return fewOf(list, len(list)) }

// fewOf is few of a list that has the first of n.
func fewOf(list []string, n int) []string {
	const most = 10
	slices.Sort(list)
	if n > most {
		list = append(list[:most:most], fmt.Sprintf("and %d files more", n-most))
	}
	return list
}
