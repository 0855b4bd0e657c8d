package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// item is one push, as it lies in the outbox: all that it takes to log a version to
// W&B, or with Alias to give one there a name, but for the key, which is looked up each time, and the entries, which are
// beside it. It is written by Push, and from then on by whoever has the turn.
type item struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	Name    string   `json:"name"`
	Version *int     `json:"version,omitempty"` // in the manifest store, if it is there
	Store   string   `json:"store,omitempty"`   // its root
	Server  string   `json:"server"`
	Entity  string   `json:"entity,omitempty"` // "": the default one of the key's user
	Project string   `json:"project"`
	Text    string   `json:"description,omitempty"`
	Aliases []string `json:"aliases,omitempty"` // besides latest
	Used    []string `json:"used,omitempty"`
	Inputs  []input  `json:"inputs,omitempty"`
	Run     runSpec  `json:"run"`
	Spec    *spec    `json:"spec,omitempty"`
	Caller  *caller  `json:"caller,omitempty"` // who may read the data; nil: this process
	Marked  bool     `json:"marked,omitempty"` // the same content was there before

	Alias *aliasing `json:"alias,omitempty"` // in place of Spec and all that belongs to it

	Progress progress `json:"progress"`
	Answer   *answer  `json:"answer,omitempty"` // once W&B has it

	State manifest.PushState `json:"state"`
	Tries int                `json:"tries,omitempty"`
	Next  time.Time          `json:"next,omitzero"`
	Error string             `json:"error,omitempty"`
}

const itemFormat = 1

// caller is a store.Caller. The process may be gone; its groups are then unknown.
type caller struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	PID uint32 `json:"pid"`
}

// progress is how far one artifact is. What was created is committed, if it can be,
// before anything else is created: of an answer that was lost nobody knows what it
// said, and the only way to log once is to ask after what there is.
type progress struct {
	ClientID   string `json:"client_id"`
	SequenceID string `json:"sequence_client_id"`
	Pending    string `json:"pending,omitempty"` // W&B's id of what was created
	Base       string `json:"base,omitempty"`
}

// answer is what W&B said of a version once it had it.
type answer struct {
	ArtifactID string `json:"artifact_id"`
	Entity     string `json:"entity"`
	Project    string `json:"project"`
	Collection string `json:"collection"`
	Index      int    `json:"index"`
	Digest     string `json:"digest"`
	Run        string `json:"run"` // ENTITY/PROJECT/RUN
	OwnRun     bool   `json:"own_run,omitempty"`
}

func (a *answer) name() string { return a.Entity + "/" + a.Project + "/" + a.Collection }

// key is what is logged in the order in which it was asked for.
func (it *item) key() string {
	return it.Server + " " + it.Entity + "/" + it.Project + "/" + it.Name
}

// push is what others are told.
func (it *item) push() *manifest.Push {
	p := &manifest.Push{ID: it.ID, State: it.State, Name: it.Name, Error: it.Error, Tries: it.Tries, Next: it.Next}
	if it.Version != nil {
		p.Manifest = fmt.Sprintf("%s:v%d", it.Name, *it.Version)
	}
	if al := it.Alias; al != nil {
		p.Alias, p.Removed = al.Alias, al.Remove
		if a := it.Answer; a != nil {
			p.Name, p.ArtifactID = a.name(), a.ArtifactID
			if a.Index != manifest.NoVersion {
				p.Version = fmt.Sprintf("v%d", a.Index)
			}
		}
		return p
	}
	if a := it.Answer; a != nil {
		p.Name, p.Version, p.ArtifactID, p.Digest, p.Run = a.name(), fmt.Sprintf("v%d", a.Index), a.ArtifactID, a.Digest, a.Run
		p.URL = artifactURL(it.Server, a, it.Spec.Type)
	}
	return p
}

// version is its number in the manifest store, for the log.
func (it *item) version() int {
	if it.Version == nil {
		return manifest.NoVersion
	}
	return *it.Version
}

func parseItem(b []byte) (*item, error) {
	var it item
	if err := json.Unmarshal(b, &it); err != nil {
		return nil, err
	}
	switch {
	case it.Format != itemFormat:
		return nil, fmt.Errorf("its format is %d; this release knows %d", it.Format, itemFormat)
	case it.ID == "" || it.Name == "" || it.Alias == nil && (it.Spec == nil || it.Progress.ClientID == ""):
		return nil, fmt.Errorf("it is no push")
	}
	return &it, nil
}
