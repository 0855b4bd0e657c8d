package wandbtest_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// quick are the scenarios that -short plays.
var quick = []string{"login", "log_files", "log_dedupe", "download", "link_registry"}

// TestSDK plays every scenario of testdata/scenarios.py with each SDK, and compares what it saw
// with what the same release saw in testdata/seen-*.json, which were recorded against another server.
func TestSDK(t *testing.T) {
	for _, sdk := range wandbtest.SDKs {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			names := slices.Sorted(maps.Keys(recorded(t, sdk)))
			if testing.Short() {
				names = quick
			}
			compare(t, sdk, wandbtest.Modern, "", names)
		})
	}
}

// TestSDKOldServer plays those that go other ways on a server without features: with the same end.
// The server's base URL has a path.
func TestSDKOldServer(t *testing.T) {
	if testing.Short() {
		t.Skip("the SDK again, on another server")
	}
	for _, sdk := range wandbtest.SDKs {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			compare(t, sdk, wandbtest.Old, "/some/wandb", []string{"log_files", "log_reference_artifact", "use_artifact", "artifact_by_name",
				"listing", "download", "download_one", "lineage"})
		})
	}
}

// TestSDKReadsLog holds Server.Log to what the SDK reads: a version that Go logged is one that a
// client logged.
func TestSDKReadsLog(t *testing.T) {
	if testing.Short() {
		t.Skip("takes an SDK to start")
	}
	srv := wandbtest.New(t, &wandbtest.Options{Features: wandbtest.XXH})
	shared := filepath.Join(t.TempDir(), "shared")
	if err := os.WriteFile(shared, []byte("shared"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range []wandbtest.Version{
		{Name: "plain", Type: "model", Files: map[string][]byte{"a/b": []byte("text"), "empty": {}}, Metadata: object{"n": 1}, Description: "words", Aliases: []string{"best"}, Run: "r1"},
		{Name: "xxh", Files: map[string][]byte{"a/b": []byte("text")}, XXH128: true},
		{Name: "refs", Refs: []wandbtest.Ref{{Name: "out/shared", URI: "file://" + shared, Size: 6, Digest: b64md5([]byte("shared"))}}},
	} {
		if _, err := srv.Log(v); err != nil {
			t.Fatal(err)
		}
	}
	cmd := srv.Python(t, wandbtest.SDKs[0], "-c", `
import json, os, wandb
out = {}
for name in "plain", "xxh", "refs":
    a = wandb.Api().artifact("team/nemotron/" + name + ":latest")
    root = a.download(skip_cache=True)
    a.verify(root)
    files = {os.path.relpath(os.path.join(d, f), root): open(os.path.join(d, f)).read() for d, _, fs in os.walk(root) for f in fs}
    out[name] = {"files": files, "aliases": sorted(a.aliases), "metadata": a.metadata, "description": a.description, "type": a.type}
out["run"] = wandb.Api().artifact("team/nemotron/plain:best").logged_by().id
print(json.dumps(out))
`)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	var got any
	if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, stderr.String())
	}
	want := object{
		"plain": object{"files": object{"a/b": "text", "empty": ""}, "aliases": []any{"best", "latest"}, "metadata": object{"n": 1.}, "description": "words", "type": "model"},
		"xxh":   object{"files": object{"a/b": "text"}, "aliases": []any{"latest"}, "metadata": object{}, "description": nil, "type": "dataset"},
		"refs":  object{"files": object{"out/shared": "shared"}, "aliases": []any{"latest"}, "metadata": object{}, "description": nil, "type": "dataset"},
		"run":   "r1",
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("what the SDK reads (-want +got):\n%s", diff)
	}
}

// compare plays the named scenarios and compares what was seen with the recordings.
func compare(t *testing.T, sdk string, features wandbtest.Features, path string, names []string) {
	t.Helper()
	srv := wandbtest.New(t, &wandbtest.Options{Admin: true, Path: path})
	want, got := recorded(t, sdk), play(t, srv, sdk, features, names)
	for _, name := range names {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s: what SDK %s saw (-recorded +here):\n%s", name, sdk, diff)
		}
	}
}

// recorded is what a release saw, by scenario.
func recorded(t *testing.T, sdk string) map[string]any {
	t.Helper()
	files, _ := filepath.Glob("testdata/seen-" + sdk + ".*.json")
	if len(files) != 1 {
		t.Fatalf("%d recordings for SDK %s", len(files), sdk)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, seen := range all {
		plain(seen)
	}
	return all
}

// play plays scenarios and returns what was seen, by scenario.
func play(t *testing.T, srv *wandbtest.Server, sdk string, features wandbtest.Features, names []string) map[string]any {
	t.Helper()
	program, err := filepath.Abs("testdata/scenarios.py")
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	cmd := srv.Python(t, sdk, append([]string{program, srv.URL, srv.Key, scratch}, names...)...)
	cmd.Env = append(cmd.Env, "WANDBTEST_FEATURES="+string(features))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scenarios.py: %v\n%s", err, stderr.String())
	}
	all := map[string]any{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var line struct {
			Scenario, Failed string
			Seen             any
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("scenarios.py printed %q: %v", lines.Text(), err)
		}
		if line.Failed != "" {
			t.Errorf("%s with SDK %s: %s", line.Scenario, sdk, line.Failed)
		}
		r := strings.NewReplacer(filepath.Join(scratch, line.Scenario), "{DIR}", srv.URL, "{BASE}")
		uri := func(ref string) string {
			return strings.ReplaceAll(ref, "{DIR}", filepath.Join(scratch, line.Scenario))
		}
		seen := replaced(line.Seen, r)
		if line.Scenario == "log_reference_no_checksum" || line.Scenario == "log_checkpoint" {
			checkURIs(t, seen, uri)
		}
		plain(seen)
		all[line.Scenario] = seen
	}
	return all
}

// replaced puts placeholders for what differs from machine to machine.
func replaced(v any, r *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = replaced(v[i], r)
		}
	case object:
		for k := range v {
			v[k] = replaced(v[k], r)
		}
	}
	return v
}

// checkURIs checks that the digest of a reference without a checksum is that of its escaped URI.
func checkURIs(t *testing.T, seen any, uri func(string) string) {
	t.Helper()
	for path, e := range at(seen, 0, "entries").(object) {
		ref := strings.TrimPrefix(uri(at(e, "ref").(string)), "file://")
		sum := md5.Sum([]byte((&url.URL{Scheme: "file", Path: ref}).String()))
		if want := base64.StdEncoding.EncodeToString(sum[:]); at(e, "digest") != want {
			t.Errorf("%s: digest %v, and that of its URI is %s", path, at(e, "digest"), want)
		}
	}
}

// plain takes out what the scratch directory shows through in: digests of URIs, and which of
// several files the SDK complained of first.
func plain(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			plain(e)
		}
	case object:
		if text, ok := v["no_checksum"].(string); ok {
			v["no_checksum"], _, _ = strings.Cut(text, "/data/")
		}
		if entries, ok := v["entries"].(object); ok && unchecked(entries) {
			v["digest"] = "{of URIs}"
			for _, e := range entries {
				e.(object)["digest"] = "{of its URI}"
			}
		}
	}
}

// unchecked are the entries of log_reference_no_checksum and log_checkpoint: references to files
// whose digests are not those that the files have.
func unchecked(entries object) bool {
	content := []any{"XOrgpsLkPfcX6Mgw/lxbdw==", "1B2M2Y8AsgTpgAmY7PhCfg==", "xMpCOKC5I4INzFCab3WEmw==", "suqff86oMaSmOyE/QaiFWw=="}
	for _, e := range entries {
		e, ok := e.(object)
		if !ok {
			return false
		}
		ref, _ := e["ref"].(string)
		if !strings.HasPrefix(ref, "file://{DIR}/") || slices.Contains(content, e["digest"]) {
			return false
		}
	}
	return true
}
