package manifest_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// The index is read and written as the caller.
func TestIndexAsTheCaller(t *testing.T) {
	d, root := shared(t, 0o755)
	ok2(t, d.SetIndex(user(0), []byte("{}")))
	err := d.SetIndex(user(alice), []byte(`{"a": {"name": "a"}}`))
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "uid 12001") || !strings.Contains(err.Error(), root) {
		t.Errorf("another user's index: %v; want a refusal that names user and store", err)
	}
	if b, err := d.Index(user(alice)); err != nil || string(b) != "{}" {
		t.Errorf("the index is %q, %v", b, err)
	}
	ok2(t, os.Chmod(root+"/.art_index.json", 0o600))
	if b, err := d.Index(user(alice)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a private index is read by another user: %q, %v", b, err)
	}
	if size, err := d.IndexSize(user(alice)); err != nil || size != 2 {
		t.Errorf("its size is %d, %v", size, err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 1 {
		t.Errorf("the store holds %v, %v", left, err)
	}
}
