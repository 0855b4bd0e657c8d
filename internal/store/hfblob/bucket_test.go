package hfblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/drivertest"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// harness is a Hub with one repository, of which the small pages and the low limit of
// regular files make the driver go every way.
type harness struct {
	hub *hfhubtest.Server
}

// skipped is what a repository cannot be. TestCopy and TestSignedURL skip themselves:
// the driver has neither.
var skipped = map[string]string{
	"TestAttributes": "a repository keeps no Cache-Control, Content-Disposition, -Encoding or -Language",

	"TestWrite/ContentType_is_discovered_if_not_provided":                 noContentType,
	"TestWrite/write_with_explicit_ContentType_overrides_discovery":       noContentType,
	"TestWrite/a_small_text_file_gets_a_ContentType":                      noContentType,
	"TestWrite/a_large_jpg_file_gets_a_ContentType":                       noContentType,
	"TestWrite/a_large_jpg_file_written_in_two_chunks_gets_a_ContentType": noContentType,
	"TestMetadata/valid_metadata":                                         noMetadata,
	"TestMetadata/valid_metadata_with_empty_body":                         noMetadata,
	"TestMetadata/valid_metadata_with_content_type":                       noMetadata,
	"TestMetadata/weird_metadata_keys":                                    noMetadata,
}

const (
	noContentType = "a repository keeps no content type: it is made from the name"
	noMetadata    = "a repository keeps no metadata: a write with some is refused"
)

func newHarness(_ context.Context, t *testing.T) (drivertest.Harness, error) {
	if why := skipped[strings.TrimPrefix(t.Name(), "TestConformance/")]; why != "" {
		t.Skip(why)
	}
	hub := hfhubtest.New(&hfhubtest.Options{PageSize: 2, RegularTo: 1000})
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("datasets", "org/repo", &hfhubtest.RepoOptions{Private: true})
	return &harness{hub}, nil
}

func (h *harness) open(id string) (driver.Bucket, error) {
	r, err := Open(URI{Kind: "datasets", ID: id}, &Options{Endpoint: h.hub.URL, Token: "hf_me"})
	return &bucket{r}, err
}

func (h *harness) MakeDriver(context.Context) (driver.Bucket, error) { return h.open("org/repo") }
func (h *harness) MakeDriverForNonexistentBucket(context.Context) (driver.Bucket, error) {
	return h.open("org/none")
}
func (h *harness) HTTPClient() *http.Client         { return http.DefaultClient }
func (h *harness) SupportsCopy() bool               { return false }
func (h *harness) SupportsNonSlashDelimiters() bool { return true }
func (h *harness) Close()                           { h.hub.Close() }

func TestConformance(t *testing.T) {
	drivertest.RunConformanceTests(t, newHarness, []drivertest.AsTest{asTest{}})
}

// asTest checks what the driver gives of its own.
type asTest struct{}

func (asTest) Name() string { return "hf" }

func (asTest) BucketCheck(b *blob.Bucket) error {
	var r *Repo
	if !b.As(&r) || r.URI().ID != "org/repo" {
		return fmt.Errorf("Bucket.As gives %v", r)
	}
	return nil
}

func (asTest) ErrorCheck(b *blob.Bucket, err error) error {
	var e *Error
	if !errors.Is(err, errNotFound) && !b.ErrorAs(err, &e) {
		return fmt.Errorf("ErrorAs of %v", err)
	}
	return nil
}

func (asTest) BeforeRead(as func(any) bool) error {
	var o *ReadOptions
	if !as(&o) {
		return errors.New("no ReadOptions")
	}
	return nil
}

func (asTest) BeforeWrite(as func(any) bool) error {
	var o *WriteOptions
	if !as(&o) {
		return errors.New("no WriteOptions")
	}
	o.Message = "as"
	return nil
}

func (asTest) BeforeCopy(func(any) bool) error   { return nil }
func (asTest) BeforeDelete(func(any) bool) error { return nil }
func (asTest) BeforeList(func(any) bool) error   { return nil }
func (asTest) BeforeSign(func(any) bool) error   { return nil }

func (asTest) AttributesCheck(a *blob.Attributes) error {
	var e Entry
	if !a.As(&e) || e.Path != "mydir/as-test" || len(e.Tag) != 40 {
		return fmt.Errorf("Attributes.As gives %+v", e)
	}
	return nil
}

func (asTest) ReaderCheck(r *blob.Reader) error {
	var e Entry
	if !r.As(&e) || e.Tag == "" {
		return fmt.Errorf("Reader.As gives %+v", e)
	}
	return nil
}

func (asTest) ListObjectCheck(o *blob.ListObject) error {
	var e Entry
	if !o.IsDir && (!o.As(&e) || e.Tag == "") {
		return fmt.Errorf("ListObject.As gives %+v", e)
	}
	return nil
}
