package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// served is an object on an HTTP server, which notes the ranges that it is asked for.
type served struct {
	t    testing.TB
	url  string
	body []byte

	mu    sync.Mutex // guards asked
	asked []string
	each  func(w http.ResponseWriter, n int) bool // before request n is answered; false: it was
}

func serve(t testing.TB, body []byte, each func(w http.ResponseWriter, n int) bool) *served {
	s := &served{t: t, body: body, each: each}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Header.Get("Range"))
	n := len(s.asked)
	s.mu.Unlock()
	if s.each == nil || s.each(w, n) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.body))
	}
}

func (s *served) ranges() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *served) Key() string { return "" }

func (s *served) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusPartialContent:
		return res.Body, nil
	case http.StatusNotFound:
		err = fs.ErrNotExist
	default:
		err = errors.New(res.Status)
	}
	res.Body.Close()
	return nil, err
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func soon() time.Duration { return 10 * time.Second }

func readAt(t *testing.T, r *Reader, body []byte, off, n int) {
	t.Helper()
	p := make([]byte, n)
	k, err := r.ReadAt(p, int64(off))
	want := body[min(off, len(body)):min(off+n, len(body))]
	if wantEOF := off+n > len(body); k != len(want) || !bytes.Equal(p[:k], want) || errors.Is(err, io.EOF) != wantEOF || err != nil && !wantEOF {
		t.Fatalf("ReadAt(%d bytes at %d) = %d, %v; want the %d bytes there", n, off, k, err, len(want))
	}
}

// Who reads from front to back asks seldom, and for more and more.
func TestReaderSequential(t *testing.T) {
	body := content(40<<20 + 17)
	s := serve(t, body, nil)
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	for off := 0; off < len(body); off += 128 << 10 {
		readAt(t, r, body, off, 128<<10)
	}
	if asked := s.ranges(); len(asked) > 8 {
		t.Errorf("%d requests: %q", len(asked), asked)
	}
	if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.size)); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the second time: %d bytes, %v", len(got), err)
	}
}

// Who reads here and there gets what he asks for and no byte more.
func TestReaderRandom(t *testing.T) {
	body := content(64 << 20)
	s := serve(t, body, nil)
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	for i, mib := range []int{60, 3, 40, 12, 55, 20} {
		readAt(t, r, body, mib<<20, 4096)
		if got, want := s.ranges()[i], fmt.Sprintf("bytes=%d-%d", mib<<20, mib<<20+4095); got != want {
			t.Errorf("request %d is %s; want %s", i, got, want)
		}
	}
}

// A small file is one request, whatever is read of it first.
func TestReaderSmall(t *testing.T) {
	body := content(700_000)
	s := serve(t, body, nil)
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	for _, off := range []int{650_000, 0, 300_000, 699_999} {
		readAt(t, r, body, off, 100_000)
	}
	readAt(t, r, body, 700_000, 10)
	readAt(t, r, body, 1_000_000, 10)
	if asked := s.ranges(); len(asked) != 1 {
		t.Errorf("requests %q; want one", asked)
	}
	empty := NewReader(s, 0, soon)
	readAt(t, empty, nil, 0, 10)
	if _, err := r.ReadAt(make([]byte, 1), -1); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("before the start: %v", err)
	}
}

// What the kernel asks out of order, and by many threads, is right all the same.
func TestReaderDisorder(t *testing.T) {
	body := content(24 << 20)
	s := serve(t, body, nil)
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	const n, threads = 128 << 10, 4
	for _, base := range rand.New(rand.NewPCG(7, 7)).Perm(4) {
		for i := 0; i < 48; i += threads { // the kernel has few reads of a file under way: nobody is left far behind
			var wg sync.WaitGroup
			for k := range threads { // each pair the wrong way round
				wg.Go(func() { readAt(t, r, body, (base*48+i+k^1)*n, n) })
			}
			wg.Wait()
		}
	}
	if asked := s.ranges(); len(asked) > 80 { // a few for each stretch but for one before what is being read
		t.Errorf("%d requests for 192 reads", len(asked))
	}
}

// Who goes back in a file and reads on there has ranges that grow, as from the start: some reads back are requests of
// their own.
func TestReaderGoesBack(t *testing.T) {
	body := content(32 << 20)
	s := serve(t, body, nil)
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	const n = 128 << 10
	read := func(from, to int) int {
		before := len(s.ranges())
		for off := from; off < to; off += n {
			readAt(t, r, body, off, n)
		}
		return len(s.ranges()) - before
	}
	read(16<<20, 20<<20) // the range goes on beyond
	if asked := read(4<<20, 4<<20+4*n); asked != 4 {
		t.Errorf("%d requests for four reads back", asked)
	}
	if asked := read(20<<20, 22<<20); asked > 1 {
		t.Errorf("%d requests to read on", asked)
	}
	if asked := read(0, 16<<20); asked > 9+5 { // a MiB of single reads, then 1, 2, 4, 8 and more
		t.Errorf("%d requests for 16 MiB from the start", asked)
	}
}

// A range that breaks off is asked for again, from where it broke off, and once.
func TestReaderBroken(t *testing.T) {
	body := content(8 << 20)
	s := serve(t, body, func(w http.ResponseWriter, n int) bool {
		if n != 2 {
			return true
		}
		w.Header().Set("Content-Length", "4000000")
		w.WriteHeader(http.StatusPartialContent)
		w.Write(body[128<<10:][:500_000])
		panic(http.ErrAbortHandler)
	})
	r := NewReader(s, int64(len(body)), soon)
	defer r.Close()
	for off := 0; off < len(body); off += 128 << 10 {
		readAt(t, r, body, off, 128<<10)
	}
	if asked := s.ranges(); asked[2] != "bytes=631072-2728223" {
		t.Errorf("requests %q; want the third from where the second broke off", asked)
	}
}

// A server that says nothing costs a read its deadline, and one that fails is EIO;
// the next read asks anew.
func TestReaderErrors(t *testing.T) {
	body := content(8 << 20)
	var mode atomic.Int32
	hang := make(chan struct{})
	s := serve(t, body, func(w http.ResponseWriter, n int) bool {
		switch mode.Load() {
		case 1:
			w.Header().Set("Content-Length", "4096")
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
			<-hang
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			w.WriteHeader(http.StatusNotFound)
		default:
			return true
		}
		return false
	})
	defer close(hang)
	var wait atomic.Int64
	wait.Store(int64(10 * time.Second))
	r := NewReader(s, int64(len(body)), func() time.Duration { return time.Duration(wait.Load()) })
	defer r.Close()
	for m, want := range map[int32]error{1: os.ErrDeadlineExceeded, 2: syscall.EIO, 3: fs.ErrNotExist} {
		for _, off := range []int64{5 << 20, 5<<20 + 4096} { // by a request of its own, and by the stream
			r.last.Store(-1)
			if off%(1<<20) != 0 {
				r.last.Store(off)
			}
			mode.Store(m)
			if m == 1 {
				wait.Store(int64(50 * time.Millisecond))
			}
			if n, err := r.ReadAt(make([]byte, 4096), off); !errors.Is(err, want) || n != 0 {
				t.Errorf("mode %d: ReadAt = %d, %v; want %v", m, n, err, want)
			}
			mode.Store(0)
			wait.Store(int64(10 * time.Second))
			readAt(t, r, body, int(off), 4096)
			r.drop()
		}
	}
	r = NewReader(s, int64(len(body))+5, soon)
	if _, err := r.ReadAt(make([]byte, 4096), int64(len(body))-100); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		t.Errorf("fewer bytes than the size says: %v", err)
	}
}
