package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Of a Reader's requests. A request that is not read to its end costs its
// connection, so the first ones are small, and only who goes on reading gets long
// ones: at 20 ms to the server and 25 MiB/s, ranges of 1 MiB reach two thirds of
// what there is, and of 8 MiB nineteen twentieths.
const (
	firstAhead = 1 << 20  // of a reader that has read on once; files up to it are fetched whole
	mostAhead  = 64 << 20 // of one that goes on
	window     = 2 << 20  // how much is kept of what was read on: the kernel asks out of order
	piece      = 1 << 20  // the longest single read
)

// Reader reads one open file of an Object. Who reads on gets one long range, whose
// length grows while he does; other reads are ranges of their own, and wait for
// nobody. It keeps at most a few MiB. ReadAt may be called concurrently.
type Reader struct {
	obj  Object
	size int64
	wait func() time.Duration // the deadline of one read

	turn chan struct{} // holds the stream; a waiter may leave
	last atomic.Int64  // where the newest read ends
	stream
}

// stream is a range that is being read from front to back, and the last of what
// was read.
type stream struct {
	body  io.ReadCloser // nil: none is open
	end   context.CancelFunc
	pos   int64  // of the next byte in body
	until int64  // where body ends
	kept  []byte // what lies before pos
	ahead int64  // how long the next range is

	back, backEnd int64 // how much was read on behind it, and to where
}

// NewReader returns a reader of o, which has size bytes. wait says how long one read
// may take.
func NewReader(o Object, size int64, wait func() time.Duration) *Reader {
	r := &Reader{obj: o, size: size, wait: wait, turn: make(chan struct{}, 1)}
	r.ahead = firstAhead
	r.last.Store(-1)
	return r
}

// ReadAt reads len(p) bytes at off, fewer only at the end, with io.EOF. Past the
// deadline it is os.ErrDeadlineExceeded. An error of the network's is EIO, whatever
// number it has: those of sockets say nothing of a file.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	return r.ReadContext(context.Background(), p, off)
}

// ReadContext is ReadAt that ends with ctx as well.
func (r *Reader) ReadContext(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	eof := error(nil)
	if rest := max(0, r.size-off); int64(len(p)) > rest {
		p, eof = p[:rest], io.EOF
	}
	done := 0
	for done < len(p) {
		n, err := r.within(ctx, p[done:min(len(p), done+piece)], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, eof
}

// within is a read within the deadline.
func (r *Reader) within(ctx context.Context, p []byte, off int64) (int, error) {
	wait := r.wait()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	n, err := r.read(ctx, p, off)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("bytes %d to %d of %d: not within %v: %w", off, off+int64(len(p)), r.size, wait, os.ErrDeadlineExceeded)
	}
	return n, NetworkError(err)
}

func (r *Reader) read(ctx context.Context, p []byte, off int64) (int, error) {
	last := r.last.Swap(off + int64(len(p)))
	near := last >= 0 && off >= last-window/2 && off <= last+window/2
	if near || r.size <= firstAhead || r.holds(off) {
		n, err := r.follow(ctx, p, off)
		if !errors.Is(err, errBehind) {
			return n, err
		}
	}
	return r.single(ctx, p, off)
}

// errBehind is that a range is being read from front to back, and has passed by: some read, and
// not one that goes on there.
var errBehind = errors.New("passed by")

// holds reports whether the stream is at off, if nobody else has it.
func (r *Reader) holds(off int64) bool {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
		return r.body != nil && r.reaches(off)
	default:
		return false
	}
}

// reaches reports whether off lies in what is kept, or a little ahead.
func (s *stream) reaches(off int64) bool {
	return off >= s.pos-int64(len(s.kept)) && off <= s.pos+window/2
}

// goesBack notes a read behind the stream, and reports whether so much was read on there that
// whoever has the file open has gone back, and the stream is to follow him.
func (s *stream) goesBack(off, n int64) bool {
	if off < s.backEnd-window/2 || off > s.backEnd+window/2 {
		s.back = 0
	}
	s.back += n
	s.backEnd = off + n
	return s.back > firstAhead
}

// single is a read by a request of its own.
func (r *Reader) single(ctx context.Context, p []byte, off int64) (int, error) {
	body, err := r.obj.ReadRange(ctx, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	return n, short(err)
}

// short is what a body means that ends early: the size was another one.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the store has fewer bytes of it than it says: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// follow is a read by way of the stream.
func (r *Reader) follow(ctx context.Context, p []byte, off int64) (int, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	reaches := r.reaches(off)
	if !reaches && off < r.pos && r.body != nil && !r.goesBack(off, int64(len(p))) {
		return 0, errBehind
	}
	if !reaches || r.body == nil && len(r.kept) == 0 {
		r.drop()
		r.pos, r.ahead = off, firstAhead
		if r.size <= firstAhead {
			r.pos, r.ahead = 0, r.size
		}
	}
	end := off + int64(len(p))
	for tries := 0; r.pos < end; tries++ {
		err := r.advance(ctx, end)
		if err == nil {
			break
		}
		// A connection that was idle for long may be gone; the rest is asked for anew.
		if tries > 0 || ctx.Err() != nil || !Retryable(err) {
			return 0, err
		}
	}
	from := off - (r.pos - int64(len(r.kept)))
	n := copy(p, r.kept[from:])
	if r.pos == r.size {
		r.close()
	}
	return n, nil
}

// Retryable reports whether an error may be that of one connection.
func Retryable(err error) bool {
	_, ok := network(err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF)
}

// advance reads on to end, and keeps what it reads.
func (r *Reader) advance(ctx context.Context, end int64) error {
	for r.pos < end {
		if r.body == nil {
			if err := r.open(ctx, end); err != nil {
				return err
			}
		}
		stop := context.AfterFunc(ctx, r.end)
		err := r.fill(min(end, r.until))
		stop()
		if err != nil {
			r.close()
			return err
		}
		if r.pos == r.until {
			r.close()
		}
	}
	return nil
}

// open asks for the range that comes next. It outlives the read that needs it.
func (r *Reader) open(ctx context.Context, end int64) error {
	n := min(max(r.ahead, end-r.pos), r.size-r.pos)
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	body, err := r.obj.ReadRange(long, r.pos, n)
	if err != nil {
		cancel()
		return err
	}
	r.body, r.end, r.until = body, cancel, r.pos+n
	r.ahead = min(2*r.ahead, mostAhead)
	return nil
}

// fill reads the body up to end.
func (r *Reader) fill(end int64) error {
	n := int(end - r.pos)
	if len(r.kept)+n > window+piece { // not at every read: it moves what it keeps
		r.kept = r.kept[:copy(r.kept, r.kept[max(0, len(r.kept)+n-window):])]
	}
	at := len(r.kept)
	r.kept = append(r.kept, make([]byte, n)...)
	k, err := io.ReadFull(r.body, r.kept[at:])
	r.kept = r.kept[:at+k]
	r.pos += int64(k)
	return short(err)
}

// close ends the range; what was read of it stays.
func (s *stream) close() {
	if s.body != nil {
		s.body.Close()
		s.end()
		s.body = nil
	}
}

func (s *stream) drop() {
	s.close()
	s.kept = nil
	s.back = 0
}

// Close ends what is being read, after the reads that are under way.
func (r *Reader) Close() error {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.drop()
	return nil
}

// NetworkError keeps an error's words, and takes its number where that is a socket's:
// it says nothing of a file.
func NetworkError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	n, ok := network(err)
	switch {
	case !ok:
		return err
	case n.Timeout():
		return fmt.Errorf("%w: %w", err, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("%s: %w", err.Error(), syscall.EIO)
}

// network returns what in err is the network's. Every system error number is a
// net.Error by its methods, those of files included.
func network(err error) (net.Error, bool) {
	var op *net.OpError
	if errors.As(err, &op) {
		return op, true
	}
	var n net.Error
	if !errors.As(err, &n) {
		return nil, false
	}
	if e, bare := n.(syscall.Errno); bare && !e.Temporary() {
		switch e {
		case syscall.EPIPE, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		default:
			return nil, false
		}
	}
	return n, true
}
