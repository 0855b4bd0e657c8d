package buckettest

import (
	"net/url"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// Repo is the repository that Hub makes, as the Hub for tests is asked for it.
const (
	RepoKind = "datasets"
	RepoID   = "org/test"
)

// Hub starts a Hub for tests, with one private repository that holds nothing of ours.
// HF_ENDPOINT and a token that may write are in the environment.
func Hub(t testing.TB) (Store, *hfhubtest.Server) {
	hub := hfhubtest.New(nil)
	t.Cleanup(hub.Close)
	const token = "hf_not_a_secret"
	hub.AddUser("me", token, "org")
	hub.CreateRepo(RepoKind, RepoID, &hfhubtest.RepoOptions{Private: true})
	t.Setenv("HF_ENDPOINT", hub.URL)
	t.Setenv("HF_TOKEN", token)
	t.Setenv("HF_HOME", t.TempDir())
	u, err := url.Parse(hub.URL)
	if err != nil {
		t.Fatal(err)
	}
	return Store{Name: "hf", URI: "hf://" + RepoKind + "/" + RepoID + "/root", Addr: u.Host}, hub
}
