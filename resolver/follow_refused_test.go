package resolver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/internal/store/storetest"
	"artifactfs.dev/artifactfs/manifest"
)

// refusing is Files of which those of certain names may not be read, and which notes
// what is read of any.
type refusing struct {
	*storetest.Served
	mu    sync.Mutex // guards what follows
	read  map[string]bool
	asked int // for a file that may not be
}

func (r *refusing) Stat(ctx context.Context, path string) (store.File, error) {
	f, err := r.Served.Stat(ctx, path)
	if f.Object != nil {
		f.Object = &refusedObject{f.Object, r, path}
	}
	return f, err
}

type refusedObject struct {
	store.Object
	in   *refusing
	path string
}

func (o *refusedObject) Allowed() error {
	if strings.HasPrefix(o.path, "no") {
		o.in.mu.Lock()
		defer o.in.mu.Unlock()
		o.in.asked++
		return fmt.Errorf("%s lies outside of the roots: %w", o.path, syscall.EPERM)
	}
	return nil
}

func (o *refusedObject) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	o.in.mu.Lock()
	o.in.read[o.path] = true
	o.in.mu.Unlock()
	return o.Object.ReadRange(ctx, off, n)
}

// refusingRemote has one directory.
type refusingRemote struct{ files *refusing }

func (r *refusingRemote) Has(string) bool      { return true }
func (r *refusingRemote) Allowed(string) error { return nil }
func (r *refusingRemote) Files(context.Context, string) (store.Files, error) {
	return r.files, nil
}

// What may not be read is not fetched ahead of who reads what lies beside it.
func TestFollowRefused(t *testing.T) {
	s := newSite(t, nil)
	srv := httptest.NewServer(http.FileServer(http.Dir(s.data)))
	t.Cleanup(srv.Close)
	files := &refusing{Served: &storetest.Served{Dir: s.data, URL: srv.URL}, read: map[string]bool{}}
	c, err := cache.Open(t.TempDir(), &cache.Options{Size: 64 << 20})
	ok(t, err)
	defer c.Close()
	s.Tree = New(s.dir, &Options{Remote: &refusingRemote{files}, Cache: c, Log: s.Tree.opt.Log})
	for _, name := range []string{"a", "b", "no-1", "no-2", "o", "p"} {
		s.file(name, "of "+name)
	}
	s.record("m", 1, manifest.Manifest{Path: "far://d"})
	if _, err := s.walk1("m/v1").Node.(Dir).ReadDir(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		e := s.walk1("m/v1/" + name)
		ok(t, s.OpenStored(e.Node.(Stored), e.Attr.Size).Close())
	}
	for end, wait := time.Now().Add(30*time.Second), 2; wait > 0; time.Sleep(time.Millisecond) {
		files.mu.Lock()
		if files.read["o"] && files.read["p"] && files.asked == 2 {
			wait--
		}
		files.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("%v were fetched ahead, want o and p", files.read)
		}
	}
	c.Close() // which waits for what is being fetched
	if files.read["no-1"] || files.read["no-2"] {
		t.Errorf("a file that may not be read was fetched ahead: %v", files.read)
	}
}
