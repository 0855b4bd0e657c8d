package manifest

import (
	"bytes"
	"testing"
)

// What upstream logged would be logged again to the byte.
func TestRecordDraft(t *testing.T) {
	golden(t, func(t *testing.T, name string, version int, raw, meta []byte) {
		r, err := NewRecord(name, version, raw, meta, "")
		if err != nil {
			t.Fatal(err)
		}
		d := r.Draft()
		if got := d.ManifestBytes(version); !bytes.Equal(got, raw) {
			t.Errorf("manifest.json %s\nwant %s", got, raw)
		}
		if got := d.MetadataBytes(); !bytes.Equal(got, meta) {
			t.Errorf("metadata.json %s\nwant %s", got, meta)
		}
		r.Meta = nil
		if v, _ := r.Draft().Metadata.Get("path"); v != r.Manifest.Path {
			t.Errorf("without metadata.json its path is %v", v)
		}
	})
}
