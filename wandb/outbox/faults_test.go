package outbox

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// steps are the requests of a log, in order.
var steps = []string{
	"UpsertRun", "Resolve", "ServerFeatures", "UseArtifact", "CreateArtifact", "CreateManifest", "CreateFiles", "PUT", "Commit", "ArtifactByID", "Alias", "AddAliases", "file_stream",
}

// Whatever fails at whichever step, before or after it took effect, each version is
// logged once, in order, and latest is the last.
func TestFaults(t *testing.T) {
	srv := wandbtest.New(t, nil)
	o := open(t, t.TempDir(), srv)
	running(t, o)
	if _, err := srv.Log(wandbtest.Version{Name: "raw"}); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, "x")
	n := 0
	var want []string
	for _, step := range steps {
		for what, f := range map[string]wandbtest.Fault{
			"503":       {Status: 503},
			"late 500":  {Status: 500, Late: true},
			"drop":      {Drop: true},
			"late drop": {Drop: true, Late: true},
			"second":    {Drop: true, Skip: 1},
			"thrice":    {Status: 502, Times: 3},
			"409":       {Status: 409},
			"429":       {Status: 429, Header: map[string]string{"Retry-After": "0.01"}},
		} {
			if what == "409" && step != "Commit" && step != "UpsertRun" {
				continue
			}
			t.Run(step+" "+what, func(t *testing.T) {
				srv.Fail(step, f)
				n++
				d := draft(t, "data", fmt.Sprintf(`{"path": %q, "created_at": "2026-11-27T05:00:00.%06d", "used_artifacts": ["raw:v0"], "inputs": ["hf://a/%d"]}`, dir, n, n))
				p := ended(t, o, pushed(t, o, "data", n, d).ID)
				if want := manifest.Version(n - 1).String(); p.State != manifest.PushDone || p.Version != want {
					t.Errorf("%+v, want %s", p, want)
				}
				srv.Heal()
				want = append(want, manifest.Version(n-1).String())
			})
		}
	}
	want[n-1] += " latest"
	if diff := cmp.Diff(sorted(slices.Clone(want)), versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	for i := range n {
		if got := versions(t, srv, fmt.Sprintf("a-%d", i+1)); len(got) != 1 {
			t.Errorf("input %d: %v", i+1, got)
		}
	}
}
