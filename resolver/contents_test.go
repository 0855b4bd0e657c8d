package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// prefixSource has one artifact, a/b, and nothing named a.
type prefixSource struct{ Source }

func (prefixSource) Names(_ context.Context, prefix string) ([]string, error) {
	return map[string][]string{"": {"a"}, "a": {"b"}}[prefix], nil
}

func (prefixSource) Versions(_ context.Context, name string) (*manifest.Listing, error) {
	if name == "a/b" {
		return &manifest.Listing{Versions: []int{1}}, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// A prefix of names is listed in every view, though it is no artifact.
func TestPrefixIsListed(t *testing.T) {
	tree := New(prefixSource{}, nil)
	for _, d := range []Dir{&nameDir{tree, "a"}, &fieldsDir{tree, "a"}, &snapshotDir{tree, "0.-.job-x", "a"}} {
		list, err := d.ReadDir(ctx)
		if err != nil || len(list) != 1 || list[0].Name != "b" {
			t.Errorf("%T: %v, %v; want b", d, list, err)
		}
	}
}
