package manifest_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/manifest"
)

// large is set by ARTIFACTFS_LARGE=1: 100,000 artifacts instead of a few.
var large = os.Getenv("ARTIFACTFS_LARGE") != ""

// largeStore returns how many artifacts a store of a kind has in these tests, and
// their objects: all that a log writes, or of most the record alone, where there are few
// and in the servers that look at all they have for each page of a listing.
func largeStore(kind string) (artifacts int, objects map[string]string) {
	n := 1020
	if large {
		n = 100_000
	}
	whole := large && kind != "gs" && kind != "azblob"
	all := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("artifact-%06d", i)
		d := hubDraft("/data/" + strconv.Itoa(i))
		d.Manifest.Name = name
		all[name+"/v1/manifest.json"] = string(d.ManifestBytes(1))
		if whole || i%10 == 0 {
			all[name+"/latest"] = "v1"
			all[name+"/v1/metadata.json"] = string(d.MetadataBytes())
			all[".artifactfs/log/"+name+"/v1.json"] = `{"name": "` + name + `", "version": 1}`
		}
	}
	return n, all
}

// What it costs to list a store depends on how many objects it has by a thousand, and
// what has just been listed costs nothing.
func TestCatalogLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	t.Run("hf", func(t *testing.T) {
		hub, uri := testHub(t, nil)
		n, objects := largeStore("hf")
		files, entries := map[string]string{}, map[string]bool{} // directories are entries of a tree too
		for k, text := range objects {
			files["root/"+k] = text
			for ; k != "."; k = path.Dir(k) {
				entries[k] = true
			}
		}
		hub.Commit("datasets", "org/store", "main", "many", files)
		testCatalogLarge(t, openBucket(t, uri), n, len(entries), 1, 8, func() int { return len(hub.Requests()) })
	})
	for _, c := range []struct {
		kind  string
		start func(t *testing.T, objects map[string]string) buckettest.Store
	}{
		{"s3", func(t *testing.T, objects map[string]string) buckettest.Store {
			s := buckettest.S3(t)
			layOut(t, s.Dir, objects, buckettest.S3Attr)
			return s
		}},
		{"gs", func(t *testing.T, objects map[string]string) buckettest.Store {
			dir := t.TempDir()
			layOut(t, dir+"/test", objects, buckettest.GCSAttr)
			return buckettest.GCSWith(t, dir)
		}},
		{"azblob", func(t *testing.T, objects map[string]string) buckettest.Store {
			s := buckettest.Azure(t)
			upload(t, openBucket(t, s.URI), objects)
			return s
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			n, objects := largeStore(c.kind)
			s, proxy := c.start(t, objects).Through(t)
			testCatalogLarge(t, openBucket(t, s.URI), n, len(objects), 0, 5, func() int { return int(proxy.Requests.Swap(0)) })
		})
	}
}

// testCatalogLarge counts requests: entries are what a listing of everything returns,
// view is what it costs to learn of a new state of the store, and one to list an artifact.
func testCatalogLarge(t *testing.T, b *bucket.Bucket, n, entries, view, one int, requests func() int) {
	if large {
		b.SetDeadline(10 * time.Minute) // of servers that sort all they have for each page
	}
	ctx, c := t.Context(), manifest.NewCatalog(b, &manifest.CatalogOptions{TTL: time.Hour})
	pages := func(n int) int { return (n + 999) / 1000 }
	step := func(what string, most int, do func()) {
		t.Helper()
		requests()
		before, begun := heap(), time.Now()
		do()
		took, asked := time.Since(begun).Round(time.Millisecond), requests()
		grown := float64(heap()-before) / (1 << 20)
		t.Logf("%s of %d artifacts: %d requests, %v, heap %+.1f MiB", what, n, asked, took, grown)
		if asked > most {
			t.Errorf("%s takes %d requests, at most %d are needed", what, asked, most)
		}
		if grown > 32 && view == 0 { // the Hub of these tests lies in this process
			t.Errorf("%s keeps %.1f MiB", what, grown)
		}
	}
	var names []string
	list := func() {
		var err error
		if names, err = c.Names(ctx, ""); err != nil || len(names) != n {
			t.Fatalf("%d names, %v; want %d", len(names), err, n)
		}
	}
	step("cold ls", view+pages(n+1), list)
	step("warm ls, and a look at each", 0, func() {
		list()
		for _, name := range names {
			if !c.Named(name) {
				t.Fatalf("%s has just been listed, and is not known", name)
			}
		}
		if c.Named("artifact-") || c.Named("zzz") || c.Named("") {
			t.Error("names that are not there are known")
		}
	})
	step("ls of one", one, func() {
		l, err := c.Versions(ctx, names[n/2])
		if err != nil || l.Latest != 1 || !slices.Equal(l.Versions, []int{1}) {
			t.Errorf("Versions = %+v, %v", l, err)
		}
		if below, err := c.Names(ctx, names[n/2]); err != nil || len(below) != 0 {
			t.Errorf("Names below it = %v, %v", below, err)
		}
	})
	step("ls of one again", 0, func() {
		if l, err := c.Versions(ctx, names[n/2]); err != nil || l.Latest != 1 {
			t.Errorf("Versions = %+v, %v", l, err)
		}
	})
	c.Refresh("")
	step("all versions", view+1+pages(entries), func() {
		found := 0
		err := c.Survey(ctx, "", func(name string, l *manifest.Listing) {
			if found++; l.Latest != 1 || !slices.Equal(l.Versions, []int{1}) || l.Warning != "" {
				t.Errorf("%s: %+v", name, l)
			}
		})
		if err != nil || found != n {
			t.Errorf("Survey: %d artifacts, %v; want %d", found, err, n)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func upload(t *testing.T, b *bucket.Bucket, objects map[string]string) {
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(16)
	for key, text := range objects {
		g.Go(func() error { return b.Write(ctx, key, []byte(text)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// layOut makes the objects as a server keeps them: files with an attribute each.
func layOut(t *testing.T, dir string, objects map[string]string, attr func(content []byte) (string, []byte)) {
	for key, text := range objects {
		at := dir + "/" + key
		if err := os.MkdirAll(path.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		err := os.WriteFile(at, []byte(text), 0o644)
		name, value := attr([]byte(text))
		if err := errors.Join(err, unix.Setxattr(at, name, value, 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// A bucket that holds much else is not read from end to end for its few artifacts.
func TestCatalogSurveyGivesUp(t *testing.T) {
	b := newPrefix(t, "mem://")
	c, ctx := manifest.NewCatalog(b, nil), t.Context()
	if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
		t.Fatal(err)
	}
	survey := func() (names []string, err error) {
		err = c.Survey(ctx, "", func(name string, _ *manifest.Listing) { names = append(names, name) })
		return names, err
	}
	if names, err := survey(); err != nil || !slices.Equal(names, []string{"m"}) {
		t.Errorf("Survey = %v, %v; want m", names, err)
	}
	for i := range 16_001 {
		if err := b.Write(ctx, fmt.Sprintf("data/%d/x", i), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := survey(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Survey of a bucket of much else: %v, want ErrUnsupported", err)
	}
}

// What a survey finds is what each artifact's own listing says.
func TestCatalogSurvey(t *testing.T) { eachBucket(t, testCatalogSurvey) }

func testCatalogSurvey(t *testing.T, b *bucket.Bucket) {
	c, ctx := manifest.NewCatalog(b, nil), t.Context()
	names := []string{"a", "a-b", "a/b", "a/b/c", "d/e", "z"}
	for _, name := range names {
		for range 2 {
			if _, err := c.Publish(ctx, name, hubDraft("/d")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, err := range []error{
		c.SetAlias(ctx, "a/b", "prod", 1), c.Retire(ctx, "a", 2, "wrong", false),
		b.Write(ctx, "z/beta", []byte(" v1\n\n")), b.Write(ctx, "z/README.md", []byte("text")),
		b.Write(ctx, "z/v3/metadata.json", []byte("{}")), b.Write(ctx, "claimed/v1/metadata.json", []byte("{}")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{"": names, "a": {"a", "a/b", "a/b/c"}, "d": {"d/e"}, "none": nil} {
		var got []string
		err := c.Survey(ctx, prefix, func(name string, l *manifest.Listing) {
			got = append(got, name)
			own, err := c.Versions(ctx, name)
			if err != nil || fmt.Sprint(l.Versions, l.Latest, l.Aliases, l.Retired, l.Warning) != fmt.Sprint(own.Versions, own.Latest, own.Aliases, own.Retired, own.Warning) {
				t.Errorf("%s is surveyed as %+v, and listed as %+v, %v", name, l, own, err)
			}
		})
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("Survey(%q) = %v, %v; want %v", prefix, got, err, want)
		}
	}
}

// A listing that takes longer than a TTL is kept for as long as it took, and what it had
// is known for a while after that.
func TestCatalogSlowListing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	const slow, ttl = 300 * time.Millisecond, 10 * time.Millisecond
	s, proxy := buckettest.S3(t).Through(t)
	b := openBucket(t, s.URI)
	c, ctx := manifest.NewCatalog(b, &manifest.CatalogOptions{TTL: ttl}), t.Context()
	if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
		t.Fatal(err)
	}
	proxy.Break(func(*http.Request) (f buckettest.Fault) {
		time.Sleep(slow)
		return f
	})
	list := func() (requests int64) {
		t.Helper()
		proxy.Requests.Store(0)
		if names, err := c.Names(ctx, ""); err != nil || !slices.Equal(names, []string{"m"}) {
			t.Fatalf("Names = %q, %v", names, err)
		}
		return proxy.Requests.Load()
	}
	var begun time.Time
	var took time.Duration
	for left := 5; ; left-- { // on a busy machine more may pass between two listings than the first took
		begun = time.Now()
		if n := list(); n == 0 {
			t.Error("a listing that is old is given again")
		}
		took = time.Since(begun)
		time.Sleep(2 * ttl)
		n := list()
		if n == 0 {
			break
		} else if left == 0 {
			t.Fatalf("a listing took %v, and the next, %v later, asks again: %d requests", took, 2*ttl, n)
		}
		time.Sleep(2 * time.Since(begun))
	}
	time.Sleep(time.Until(begun.Add(2*took + slow)))
	proxy.Requests.Store(0)
	if !c.Named("m") || c.Named("n") || proxy.Requests.Load() != 0 {
		t.Errorf("m is named: %v, n: %v, %d requests; want yes, no, none", c.Named("m"), c.Named("n"), proxy.Requests.Load())
	}
	if n := list(); n == 0 {
		t.Errorf("%v after a listing that took %v the store is not asked", time.Since(begun), took)
	}
}
