package wandb_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// An object that was overwritten, and deleted, after a reference to it was logged has in
// a bucket that keeps old versions the bytes that were logged: those that W&B's SDK gets.
func TestOverwrittenObject(t *testing.T) {
	if testing.Short() {
		t.Skip("takes an SDK to start")
	}
	s3, gcs := buckettest.S3Versions(t), buckettest.GCSVersions(t)
	srv := wandbtest.New(t, nil)
	cmd := srv.Python(t, "0.31", absolute(t, "testdata/overwritten.py"), "s3://test/d/k", "gs://test/d/k")
	// Google's client is in the environment of the other tools.
	google, _ := filepath.Glob(absolute(t, "../.venv") + "/lib/python3*/site-packages")
	cmd.Env = append(cmd.Env, "AWS_S3_ENDPOINT_URL=http://"+s3.Addr, "AWS_ACCESS_KEY_ID="+os.Getenv("AWS_ACCESS_KEY_ID"),
		"AWS_SECRET_ACCESS_KEY="+os.Getenv("AWS_SECRET_ACCESS_KEY"), "STORAGE_EMULATOR_HOST=http://"+gcs.Addr, "GOOGLE_PACKAGES="+strings.Join(google, ""))
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the SDK: %v\n%s", err, said)
	}
	// fake-gcs-server names no generation in its media links, and so gives Google's client the newest.
	if !strings.Contains(string(said), "s3 one") {
		t.Errorf("the SDK downloaded other content:\n%s", said)
	}
	s := open(t, srv, func(w *wandb.Config) { w.Entity = "" })
	s.SetBuckets(func(u bucket.URI) (*bucket.Bucket, error) {
		if u.Scheme == "s3" {
			u.Params = url.Values{"endpoint": {"http://" + s3.Addr}}
		}
		return bucket.Open(ctx(t), bucket.URI{Scheme: u.Scheme, Bucket: u.Bucket, Params: u.Params})
	})
	check := func(name string, version int, want string) {
		t.Helper()
		f, err := s.Files(ctx(t), name, version)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(ctx(t), object(t, f, "f").Object, 0, 10); err != nil || string(got) != want {
			t.Errorf("%s:v%d holds %q, %v; want %q", name, version, got, err, want)
		}
	}
	for _, name := range []string{"s3", "gs"} {
		check(name, 0, "one")
		check(name, 1, "two")
	}
}

// Of an object whose version was not logged, S3 is asked for the one that has the ETag.
// What a bucket does not keep is an error that says so.
func TestVersionOfObject(t *testing.T) {
	at := buckettest.S3Versions(t)
	u, err := bucket.Parse(at.URI)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bucket.Open(ctx(t), u)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var tags []string
	for _, content := range []string{"one", "two"} {
		if err := b.Write(ctx(t), "k", []byte(content)); err != nil {
			t.Fatal(err)
		}
		o, err := b.Stat(ctx(t), "k")
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, strings.Trim(o.Tag(), `"`))
	}
	if err := b.Write(ctx(t), "k2", []byte("one")); err != nil { // of which k is a prefix
		t.Fatal(err)
	}
	if err := b.Remove(ctx(t), "k"); err != nil {
		t.Fatal(err)
	}
	old, err := b.StatTag(ctx(t), "k", func(tag string) bool { return strings.Contains(tag, tags[0]) })
	if err != nil {
		t.Fatal(err)
	}
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	s.SetBuckets(func(bucket.URI) (*bucket.Bucket, error) { return b, nil })
	etag := func(i int) map[string]any { return map[string]any{"etag": tags[i]} }
	log(t, srv, wandbtest.Version{Name: "m", Refs: []wandbtest.Ref{
		{Name: "one", URI: "s3://test/k", Size: 3, Extra: etag(0)}, {Name: "two", URI: "s3://test/k", Extra: etag(1)},
		{Name: "in-address", URI: "s3://test/k?versionId=" + url.QueryEscape(old.Version()), Size: 3},
		{Name: "mismatch", URI: "s3://test/k?versionId=" + url.QueryEscape(old.Version()), Size: 3, Extra: etag(1)},
		{Name: "never", URI: "s3://test/k2", Size: 3, Extra: etag(1)},
		{Name: "unkept", URI: "s3://test/k", Size: 3, Extra: map[string]any{"etag": tags[0], "versionID": "01HZXW5N3V9W2K7Q4T8R6Y0ABC"}},
	}})
	f := filesOf(t, s, "m")
	for name, want := range map[string]string{"one": "one", "two": "two", "in-address": "one"} {
		if got, err := read(ctx(t), object(t, f, name).Object, 1, 2); err != nil || string(got) != want[1:] {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	for name, words := range map[string]string{"mismatch": "expected " + tags[1], "never": "was changed since it was logged", "unkept": "version 01HZXW5N3V9W2K7Q4T8R6Y0ABC, which was logged, is not kept"} {
		if got, err := read(ctx(t), object(t, f, name).Object, 0, 3); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %q, %v; want EIO and %q", name, got, err, words)
		}
	}
}
