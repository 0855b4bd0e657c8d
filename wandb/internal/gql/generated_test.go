package gql

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/Khan/genqlient/generate"
)

// The generated file is what the documents and the schema make of it, which also
// says that every document is one of the schema's.
func TestGenerated(t *testing.T) {
	config, err := generate.ReadAndValidateConfig("../../genqlient.yaml")
	if err != nil {
		t.Fatal(err)
	}
	made, err := generate.Generate(config)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 {
		t.Fatalf("genqlient makes %d files; want one", len(made))
	}
	for name, want := range made {
		if got, err := os.ReadFile(name); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what `go generate ./wandb/...` makes (%v)", filepath.Base(name), err)
		}
	}
}

func TestInt64(t *testing.T) {
	for text, want := range map[string]Int64{`5`: 5, `"9007199254740993"`: 9007199254740993, `null`: 0, `-1`: -1} {
		var n Int64
		if err := n.UnmarshalJSON([]byte(text)); err != nil || n != want {
			t.Errorf("%s = %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{`1.5`, `"x"`, `"`, `{}`, `99999999999999999999`} {
		var n Int64
		if err := n.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s = %d; want an error", text, n)
		}
	}
}
