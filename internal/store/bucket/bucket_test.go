package bucket

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// each runs fn on an empty bucket in memory, and of each kind of server.
func each(t *testing.T, fn func(t *testing.T, b *Bucket)) {
	t.Run("mem", func(t *testing.T) { fn(t, open(t, "mem://")) })
	t.Run("hf", func(t *testing.T) {
		hub := hfhubtest.New(&hfhubtest.Options{PageSize: 3})
		t.Cleanup(hub.Close)
		hub.AddUser("me", "hf_me", "org")
		hub.CreateRepo("datasets", "org/repo", nil)
		t.Setenv("HF_TOKEN", "hf_me")
		t.Setenv("HF_HOME", t.TempDir())
		fn(t, open(t, "hf://datasets/org/repo@main/dir?endpoint="+hub.URL))
	})
	if !testing.Short() {
		buckettest.Each(t, func(t *testing.T, s buckettest.Store) { fn(t, open(t, s.URI)) })
	}
}

func open(t *testing.T, at string) *Bucket {
	t.Helper()
	u, err := Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.Prefix += "some/prefix/"
	b, err := Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestReadWrite(t *testing.T) { each(t, testReadWrite) }

func testReadWrite(t *testing.T, b *Bucket) {
	ctx := t.Context()
	if _, _, err := b.Read(ctx, "a/x", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read of nothing: %v, want ErrNotExist", err)
	}
	if err := b.Create(ctx, "a/x", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(ctx, "a/x", []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create of what is there: %v, want ErrExist", err)
	}
	got, tag, err := b.Read(ctx, "a/x", 10)
	if err != nil || string(got) != "one" || tag == "" {
		t.Fatalf("read %q tag %q, %v; want one", got, tag, err)
	}
	if err := b.Replace(ctx, "a/x", []byte("three"), tag); err != nil {
		t.Fatal(err)
	}
	if err := b.Replace(ctx, "a/x", []byte("four"), tag); !errors.Is(err, ErrChanged) {
		t.Fatalf("replace of what was changed: %v, want ErrChanged", err)
	}
	if err := b.Replace(ctx, "a/x", []byte("four"), ""); !errors.Is(err, ErrChanged) {
		t.Fatalf("replace of nothing where something is: %v, want ErrChanged", err)
	}
	if got, _, err := b.Read(ctx, "a/x", 10); err != nil || string(got) != "three" {
		t.Fatalf("read %q, %v; want three", got, err)
	}
	if _, _, err := b.Read(ctx, "a/x", 4); !errors.Is(err, fs.ErrInvalid) {
		t.Fatalf("read beyond the limit: %v, want ErrInvalid", err)
	}
	if err := b.Remove(ctx, "a/x"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Read(ctx, "a/x", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read of what was removed: %v, want ErrNotExist", err)
	}
}

func TestList(t *testing.T) { each(t, testList) }

func testList(t *testing.T, b *Bucket) {
	ctx := t.Context()
	for _, key := range []string{"n/v1/manifest.json", "n/v10/manifest.json", "n/v2/manifest.json", "n/latest", "o/x"} {
		if err := b.Write(ctx, key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	list := func(prefix, delimiter string) (out []string) {
		t.Helper()
		err := b.List(ctx, prefix, delimiter, func(e Entry) error {
			if e.Dir {
				e.Key += "/"
			}
			out = append(out, e.Key)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{"", "/", []string{"n/", "o/"}},
		{"n/", "/", []string{"n/latest", "n/v1/", "n/v10/", "n/v2/"}},
		{"n/v", "", []string{"n/v1/manifest.json", "n/v10/manifest.json", "n/v2/manifest.json"}},
		{"none/", "/", nil},
	} {
		if diff := cmp.Diff(c.want, list(c.prefix, c.delimiter)); diff != "" {
			t.Errorf("list %q by %q (-want +got):\n%s", c.prefix, c.delimiter, diff)
		}
	}
}

// One of many who create at once wins, whatever they write, and so does one of
// those who replace the same content.
func TestRace(t *testing.T) { each(t, testRace) }

func testRace(t *testing.T, b *Bucket) {
	ctx := t.Context()
	for round := range 20 {
		key := fmt.Sprintf("k%d", round)
		race := func(do func(i int) error, loses error) {
			t.Helper()
			var won atomic.Int32
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					switch err := do(i); {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, loses):
						t.Errorf("%v, want %v", err, loses)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("%s: %d won, want 1", key, won.Load())
			}
		}
		race(func(i int) error { return b.Create(ctx, key, fmt.Append(nil, "c", i)) }, fs.ErrExist)
		_, tag, err := b.Read(ctx, key, 100)
		if err != nil {
			t.Fatal(err)
		}
		race(func(i int) error { return b.Replace(ctx, key, fmt.Append(nil, "r", i), tag) }, ErrChanged)
	}
}

func TestObject(t *testing.T) { each(t, testObject) }

func testObject(t *testing.T, b *Bucket) {
	ctx := t.Context()
	if err := b.Write(ctx, "f", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	o, err := b.Stat(ctx, "f")
	if err != nil || o.Size != 10 {
		t.Fatalf("stat: %+v, %v; want 10 bytes", o, err)
	}
	for _, c := range []struct {
		off, n int64
		want   string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {8, 10, "89"}} {
		r, err := o.ReadRange(ctx, c.off, c.n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || string(got) != c.want {
			t.Errorf("%d bytes at %d: %q, %v; want %q", c.n, c.off, got, err, c.want)
		}
	}
	if b.rule.read == nil {
		return // in memory there is nothing to compare with
	}
	if err := b.Write(ctx, "f", []byte("abcdefghij")); err != nil {
		t.Fatal(err)
	}
	r, err := o.ReadRange(ctx, 0, 4)
	if b.Commits() && err == nil { // what was is there as well
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || string(got) != "0123" {
			t.Errorf("read of what was changed: %q, %v; want 0123", got, err)
		}
		return
	}
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("read of what was changed: %v, want EIO", err)
	}
}

// Of a store that names no content, time and size tell that an object is another.
func TestNoETag(t *testing.T) {
	s, proxy := buckettest.S3(t).Through(t)
	b, ctx := open(t, s.URI), t.Context()
	proxy.Break(func(*http.Request) buckettest.Fault {
		return buckettest.Fault{Answer: func(status int, h http.Header) int {
			h.Del("ETag")
			return status
		}}
	})
	first := time.Unix(1_700_000_000, 0)
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(b.Write(ctx, "f", []byte(text)), os.Chtimes(s.Dir+"/some/prefix/f", at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write("0123456789", first)
	o, err := b.Stat(ctx, "f")
	if err != nil || o.Tag() != "" {
		t.Fatalf("Stat: tag %q, %v; want none", o.Tag(), err)
	}
	for _, c := range []struct {
		what, text string
		at         time.Time
		want       error
	}{
		{"as it was", "0123456789", first, nil},
		{"of the same size, later", "abcdefghij", first.Add(time.Second), syscall.EIO},
		{"of another size, at the same time", "0123456789+", first, syscall.EIO},
		{"as it was, again", "0123456789", first, nil},
	} {
		write(c.text, c.at)
		for _, at := range []struct{ off, n int64 }{{0, 4}, {0, 10}, {6, 4}} {
			r, err := o.ReadRange(ctx, at.off, at.n)
			if err == nil {
				got, err := io.ReadAll(r)
				if want := c.text[at.off : at.off+at.n]; err != nil || string(got) != want {
					t.Errorf("%s: bytes from %d: %q, %v; want %q", c.what, at.off, got, err, want)
				}
				r.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s: bytes from %d: %v, want %v", c.what, at.off, err, c.want)
			}
		}
	}
}

// What does not answer, answers nonsense or refuses is never absence, and nothing
// waits past the deadline.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	const text = `{"a": "text that is long enough to be cut"}`
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range []buckettest.Store{buckettest.S3(t), buckettest.GCS(t), buckettest.Azure(t)} {
		if err := open(t, s.URI).Write(t.Context(), "there", []byte(text)); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]buckettest.Fault{
			"reset": {Reset: true}, "stall": {Stall: true}, "500": {Status: 500}, "503": {Status: 503}, "429": {Status: 429}, "cut": {Cut: 10},
			"403": {Status: 403}, "404 without a body": {Status: 404},
		} {
			at, proxy := s.Through(t)
			b := open(t, at.URI)
			b.SetDeadline(2 * time.Second)
			proxy.Break(func(*http.Request) buckettest.Fault { return f })
			all.Go(func() {
				what := s.Name + ", " + name
				testFault(t, b, what, f, text)
				proxy.Break(nil)
				b.SetDeadline(0)
				if _, _, err := b.Read(t.Context(), "there", 1000); err != nil {
					t.Errorf("%s: when all is well again: %v", what, err)
				}
			})
		}
	}
}

func testFault(t *testing.T, b *Bucket, what string, f buckettest.Fault, text string) {
	start, ctx := time.Now(), t.Context()
	// A client may take the rest with another request.
	if got, _, err := b.Read(ctx, "there", 1000); err == nil && (f.Cut == 0 || string(got) != text) {
		t.Errorf("%s: a read gives %q", what, got)
	} else if errors.Is(err, fs.ErrNotExist) && f.Status != 404 {
		t.Errorf("%s: read of what is there: %v", what, err)
	}
	if err := b.List(ctx, "", "/", func(Entry) error { return nil }); err == nil && f.Cut == 0 || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: list: %v; want an error that is no absence", what, err)
	}
	if took := time.Since(start); took > 20*time.Second { // on a busy machine; the default is 30 s
		t.Errorf("%s: two requests with a deadline of 2 s took %v", what, took)
	}
}

func TestProbe(t *testing.T) { each(t, testProbe) }

func testProbe(t *testing.T, b *Bucket) {
	if err := b.Probe(t.Context(), ".artifactfs/"); err != nil {
		t.Errorf("Probe: %v", err)
	}
	if err := b.List(t.Context(), "", "", func(e Entry) error { return errors.New(e.Key) }); err != nil {
		t.Errorf("left behind: %v", err)
	}
}
