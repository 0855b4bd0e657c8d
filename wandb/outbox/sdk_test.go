package outbox

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

type sdkEntry struct {
	Digest string
	Ref    *string
	Size   int64
}

type sdkSaw struct {
	Made struct {
		Digest  string
		Entries map[string]sdkEntry
	}
	Seen struct {
		Name, Version, Type, Digest, Description string
		URL                                      string
		LoggedBy                                 string   `json:"logged_by"`
		RunState                                 string   `json:"run_state"`
		RawUsedBy                                []string `json:"raw_used_by"`
		Entries                                  map[string]sdkEntry
		Metadata                                 map[string]any
		Aliases                                  []string
		MetadataJSON                             string `json:"metadata_json"`
		Downloaded                               string
	}
}

// W&B's SDK makes the same of the same data, and sees all of what was logged.
func TestSDK(t *testing.T) {
	for _, sdk := range wandbtest.SDKs {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			srv := wandbtest.New(t, nil)
			if _, err := srv.Log(wandbtest.Version{Name: "raw", Files: map[string][]byte{"x": []byte("y")}}); err != nil {
				t.Fatal(err)
			}
			o := open(t, t.TempDir(), srv)
			running(t, o)
			dir := tree(t, "a/x", "a.txt", "a0", "s p/é", "in -> a.txt", "dir -> a", "blend.json", ".hidden", "Z", "empty/")
			d := draft(t, "data", `{"path": "`+dir+`", "type": "SFTDataArtifact", "pack_size": 4096, "description": "words", "aliases": ["prod"],
				"blend_path": "`+dir+`/blend.json", "used_artifacts": ["raw:v0"]}`)
			p := ended(t, o, pushed(t, o, "data", 1, d).ID)
			ended(t, o, alias(t, o, "data", "given", manifest.NoVersion, 1).ID)
			ended(t, o, alias(t, o, "data", "taken", 0, manifest.NoVersion).ID)
			ended(t, o, alias(t, o, "data", "taken", manifest.NoVersion, manifest.NoVersion).ID)
			ended(t, o, pushed(t, o, "empty", 1, draft(t, "empty", dir+"/empty")).ID)

			saw := play(t, srv, sdk, dir, d)
			if saw.Made.Digest != p.Digest || saw.Seen.Digest != p.Digest {
				t.Errorf("digest %s, the SDK makes %s and sees %s", p.Digest, saw.Made.Digest, saw.Seen.Digest)
			}
			if diff := cmp.Diff(saw.Made.Entries, saw.Seen.Entries); diff != "" {
				t.Errorf("entries (-made by the SDK, +seen by it):\n%s", diff)
			}
			got := saw.Seen
			if got.Name != "data:latest" || got.Version != "v0" || got.Type != "SFTDataArtifact" || got.Description != "words" || got.URL != p.URL {
				t.Errorf("seen: %+v\nresult: %+v", got, p)
			}
			if got.LoggedBy != "afs"+p.ID[:24] || got.RunState != "finished" || !cmp.Equal(got.RawUsedBy, []string{got.LoggedBy}) {
				t.Errorf("lineage: logged by %s (%s), raw used by %v", got.LoggedBy, got.RunState, got.RawUsedBy)
			}
			if got.Metadata["pack_size"] != 4096.0 || got.Metadata["created_at"] == nil || !cmp.Equal(got.Aliases, []string{"given", "latest", "prod"}) {
				t.Errorf("metadata %v, aliases %v", got.Metadata, got.Aliases)
			}
			if want := string(d.MetadataBytes()); got.MetadataJSON != want || got.Downloaded == "" {
				t.Errorf("metadata.json is %s\nwant %s", got.MetadataJSON, want)
			}
		})
	}
}

func play(t *testing.T, srv *wandbtest.Server, sdk, dir string, d *manifest.Draft) sdkSaw {
	t.Helper()
	program, err := filepath.Abs("testdata/sdk.py")
	if err != nil {
		t.Fatal(err)
	}
	metadata := filepath.Join(t.TempDir(), "metadata.json")
	if err := os.WriteFile(metadata, d.MetadataBytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := srv.Python(t, sdk, program, "team/nemotron", dir, metadata, "blend.json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sdk.py: %v\n%s", err, stderr.String())
	}
	var saw sdkSaw
	if err := json.Unmarshal(out, &saw); err != nil {
		t.Fatalf("sdk.py printed %s: %v", out, err)
	}
	return saw
}
