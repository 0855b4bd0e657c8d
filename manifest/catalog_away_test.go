package manifest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/manifest"
)

// Of a store that is known to be away, who has a last answer gets it without waiting for
// a deadline each time: also while another waits for one, of a store that says nothing.
func TestCatalogAway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s, proxy := buckettest.S3(t).Through(t)
	b := openBucket(t, s.URI)
	b.SetDeadline(20 * time.Second)
	c, ctx := manifest.NewCatalog(b, &manifest.CatalogOptions{TTL: -1}), t.Context()
	if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
		t.Fatal(err)
	}
	look := func() string {
		t.Helper()
		var names []string
		var err error
		var both sync.WaitGroup
		both.Go(func() { names, err = c.Names(ctx, "") })
		l, err2 := c.Versions(ctx, "m")
		both.Wait()
		if err != nil || err2 != nil || !slices.Equal(names, []string{"m"}) || l.Latest != 1 {
			t.Errorf("Names = %q, %v; Versions = %+v, %v", names, err, l, err2)
			return ""
		}
		return l.Warning
	}
	look()
	proxy.Break(func(*http.Request) buckettest.Fault {
		return buckettest.S3Error(403, "SignatureDoesNotMatch", "The signature does not match.")
	})
	look()
	silent := make(chan struct{})
	proxy.Break(func(*http.Request) buckettest.Fault {
		<-silent
		return buckettest.Fault{Reset: true}
	})
	defer close(silent)
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); { // beyond which nobody is told without asking
		begun := time.Now()
		if why := look(); !strings.Contains(why, "SignatureDoesNotMatch") {
			t.Errorf("the last answer says %q", why)
		}
		if took := time.Since(begun); took > 12*time.Second {
			t.Fatalf("the last answer takes %v", took)
		}
	}
}
