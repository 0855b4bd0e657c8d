package manifest_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
)

var prefixes atomic.Int64

// TestCatalog runs the suite against a bucket in memory, or the one that
// ARTIFACTFS_TEST_BUCKET names.
func TestCatalog(t *testing.T) {
	const ttl = 50 * time.Millisecond
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
		at := os.Getenv("ARTIFACTFS_TEST_BUCKET")
		if at == "" {
			at = "mem://"
		}
		u, err := bucket.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		u.Prefix += fmt.Sprintf("%d-%d/", os.Getpid(), prefixes.Add(1))
		b, err := bucket.Open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return &sourcetest.Backend{
			TTL: ttl,
			Open: func(t testing.TB) resolver.Source {
				return manifest.NewCatalog(b, &manifest.CatalogOptions{TTL: ttl})
			},
			Write: func(t testing.TB, path, content string) {
				if err := b.Write(t.Context(), path, []byte(content)); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
