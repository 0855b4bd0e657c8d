package wandb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// walls lets references lead into one bucket, and to what lies below one address.
type walls struct {
	in     *bucket.Bucket
	web    string
	opened []bucket.URI
}

func (w *walls) Object(u bucket.URI) error {
	if u.Bucket != "ours" {
		return fmt.Errorf("%s is behind a wall: %w", u, syscall.EPERM)
	}
	return nil
}

func (w *walls) Bucket(_ context.Context, u bucket.URI) (*bucket.Bucket, error) {
	w.opened = append(w.opened, u)
	return w.in, w.Object(u)
}

func (w *walls) Web(u *url.URL) error {
	if !strings.HasPrefix(u.String(), w.web) {
		return fmt.Errorf("%s is behind a wall: %w", u.Host, syscall.EPERM)
	}
	return nil
}

// References that may not be followed are listed, and refused before anybody is asked:
// whoever writes a manifest cannot make the daemon read what its readers could not.
func TestReferencesConfined(t *testing.T) {
	var asked atomic.Int32
	theirs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer theirs.Close()
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/in/away":
			http.Redirect(w, r, theirs.URL+"/x", http.StatusFound)
		case "/in/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		default:
			io.WriteString(w, "hello")
		}
	}))
	defer ours.Close()
	in, err := bucket.Open(t.Context(), bucket.URI{Scheme: "mem"})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Create(t.Context(), "k", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	w := &walls{in: in, web: ours.URL + "/in"}
	srv := wandbtest.New(t, nil)
	s := openConfined(t, srv, nil, w)
	allowed := []wandbtest.Ref{{Name: "s3", URI: "s3://ours/k", Size: 5}, {Name: "web", URI: ours.URL + "/in/x", Size: 5}, {Name: "unsized", URI: ours.URL + "/in/x"}}
	refused := []wandbtest.Ref{
		{Name: "their-s3", URI: "s3://theirs/k", Size: 5}, {Name: "their-gs", URI: "gs://theirs/k", Size: 5, Extra: map[string]any{"versionID": 7}},
		{Name: "their-web", URI: theirs.URL + "/x", Digest: "e", Size: 5, Extra: map[string]any{"etag": `"e"`}}, {Name: "beside", URI: ours.URL + "/out", Size: 5},
		{Name: "metadata", URI: "http://169.254.169.254/latest/meta-data", Size: 5}, {Name: "mapped", URI: "http://[::ffff:169.254.169.254]/", Size: 5},
		{Name: "redirected", URI: ours.URL + "/in/away", Size: 5}, {Name: "to-metadata", URI: ours.URL + "/in/metadata", Size: 5},
		{Name: "their-unsized", URI: "s3://theirs/k"}, {Name: "their-unsized-web", URI: theirs.URL + "/x"},
	}
	m := log(t, srv, wandbtest.Version{Name: "m", Refs: append(allowed, refused...)})
	log(t, srv, wandbtest.Version{Name: "to-m", Refs: []wandbtest.Ref{{Name: "their-s3", URI: reference(t, m.ID, "their-s3")}}})
	f := filesOf(t, s, "m")
	if list, err := f.ReadDir(ctx(t), ""); err != nil || len(list) != len(allowed)+len(refused) {
		t.Errorf("ReadDir has %d names, %v; want %d", len(list), err, len(allowed)+len(refused))
	}
	for _, r := range allowed {
		file := object(t, f, r.Name)
		if got, err := read(ctx(t), file.Object, 0, 5); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", r.Name, got, err)
		}
		if err := file.Object.(interface{ Allowed() error }).Allowed(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	for _, r := range refused {
		file, err := f.Stat(ctx(t), r.Name)
		if err == nil {
			err = file.Object.(interface{ Allowed() error }).Allowed()
			if redirects := strings.HasPrefix(r.URI, w.web); (err == nil) != redirects {
				t.Errorf("%s: Allowed says %v", r.Name, err)
			}
			_, err = read(ctx(t), file.Object, 0, 5)
		} else if r.Size != 0 {
			t.Errorf("%s, of known size, is not shown: %v", r.Name, err)
		}
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "m:v0") || !strings.Contains(err.Error(), r.URI) {
			t.Errorf("%s: %v; want EPERM, with the artifact and %s", r.Name, err, r.URI)
		}
	}
	if file := object(t, filesOf(t, s, "to-m"), "their-s3"); file.Object.(interface{ Allowed() error }).Allowed() == nil {
		t.Error("through another artifact it is allowed")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("their server was asked %d times", n)
	}
	for _, u := range w.opened {
		if u.Bucket != "ours" {
			t.Errorf("%s was opened", u)
		}
	}
}
