package outbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("n", 129)
	for _, tt := range []struct{ name, typ, alias, want string }{
		{"nano3-sft_data.v2", "SFTDataArtifact", "prod", ""},
		{"embed/model", "model", "prod", "log it as embed-model"},
		{"a b", "model", "prod", "log it by another name, or"},
		{"é", "model", "prod", `has 'é'`},
		{long, "model", "prod", "longer than 128"},
		{"n", "wandb-x", "prod", "W&B's own"},
		{"n", "job", "prod", "W&B's own"},
		{"run-n", "run_table", "prod", "W&B's own"},
		{"n", "a:b", "prod", "a slash or a colon"},
		{"n", "model", "v7", "version's name"},
		{"n", "model", "a/b", "a slash or a colon"},
		{"n", "model", long, "longer than 128"},
	} {
		d := draft(t, "n", `{"path": "/d"}`)
		d.Aliases = []string{tt.alias}
		d.Manifest.Type = tt.typ
		err := check(tt.name, d)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v: %v", tt, err)
		case tt.want != "" && (!errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v, want %q", tt, err, tt.want)
		}
	}
}

// Where no outbox can be, that is said once, with the artifact.
func TestNoPlace(t *testing.T) {
	place := filepath.Join(t.TempDir(), "outbox")
	if err := os.Symlink("gone", place); err != nil {
		t.Fatal(err)
	}
	o := Open(place, Options{Server: "http://127.0.0.1:9", Entity: "team"})
	_, err := o.Push(t.Context(), "a", 1, draft(t, "a", `{"path": "/d"}`))
	if want := "artifact a: outbox for W&B: mkdir " + place + ": file exists"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
