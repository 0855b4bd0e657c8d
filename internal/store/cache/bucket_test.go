package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/internal/store/cache"
)

func openBucket(t testing.TB, at string) *bucket.Bucket {
	t.Helper()
	u, err := bucket.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bucket.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// Whatever lies between us and a store does, a read has the right bytes or is an
// error by its deadline, and the next one is not spoilt by it.
func TestStoreFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	buckettest.Each(t, func(t *testing.T, s buckettest.Store) {
		through, proxy := s.Through(t)
		b := openBucket(t, through.URI)
		body := content(6 << 20)
		if err := b.Create(t.Context(), "x", body); err != nil {
			t.Fatal(err)
		}
		for name, f := range faults {
			t.Run(name, func(t *testing.T) { testFault(t, b, proxy, body, f) })
		}
	})
}

const deadline = 2 * time.Second

type storeFault struct {
	fault buckettest.Fault
	times int64 // 0: always
	want  error // nil: the read succeeds
}

var errAny = errors.New("any")

var faults = map[string]storeFault{
	"stall":       {fault: buckettest.Fault{Stall: true}, want: os.ErrDeadlineExceeded},
	"cut":         {fault: buckettest.Fault{Cut: 300_000}},
	"cut once":    {fault: buckettest.Fault{Cut: 100_000}, times: 1},
	"reset once":  {fault: buckettest.Fault{Reset: true}, times: 1},
	"reset":       {fault: buckettest.Fault{Reset: true}, want: errAny},
	"unavailable": {fault: buckettest.Fault{Status: 503}, want: errAny},
	"503 once":    {fault: buckettest.Fault{Status: 503}, times: 1},
	"403":         {fault: buckettest.Fault{Status: 403}, want: fs.ErrPermission},
	"404":         {fault: buckettest.Fault{Status: 404}, want: errAny},
	"changed":     {fault: buckettest.Fault{Status: 412}, want: syscall.EIO},
	"200":         {fault: buckettest.Fault{Answer: whole}, want: errAny},
	"other range": {fault: buckettest.Fault{Answer: shifted}, want: errAny},
	"short":       {fault: buckettest.Fault{Answer: shorter}, want: errAny},
}

func whole(status int, h http.Header) int {
	if status == 206 {
		h.Del("Content-Range")
		return 200
	}
	return status
}

func shifted(status int, h http.Header) int {
	var from, to, size int64
	if n, _ := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); n == 3 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from-1000, to-1000, size))
	}
	return status
}

func shorter(status int, h http.Header) int {
	if status == 206 {
		h.Set("Content-Length", "1000")
	}
	return status
}

func testFault(t *testing.T, b *bucket.Bucket, proxy *buckettest.Proxy, body []byte, f storeFault) {
	c, err := cache.Open(t.TempDir(), &cache.Options{Size: 64 << 20, Deadline: func() time.Duration { return deadline }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o, err := b.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	file := c.Object(o, o.Size)
	defer file.Close()
	var n atomic.Int64
	proxy.Break(func(r *http.Request) buckettest.Fault {
		if f.times > 0 && n.Add(1) > f.times || !strings.HasSuffix(r.URL.Path, "x") {
			return buckettest.Fault{}
		}
		return f.fault
	})
	p := make([]byte, 1<<20)
	start := time.Now()
	k, err := file.ReadContext(t.Context(), p, 2<<20)
	proxy.Break(nil)
	if took := time.Since(start); took > deadline+time.Second {
		t.Errorf("it took %v", took)
	}
	if !bytes.Equal(p[:k], body[2<<20:2<<20+k]) {
		t.Error("wrong bytes")
	}
	if f.want == nil && err != nil || f.want != nil && (err == nil || f.want != errAny && !errors.Is(err, f.want)) {
		t.Errorf("%v, want %v", err, f.want)
	}
	got, err := io.ReadAll(io.NewSectionReader(file, 0, o.Size))
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("afterwards: %d bytes, %v", len(got), err)
	}
}
