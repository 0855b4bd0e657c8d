package manifest

import "time"

// PushState is how far a version is on its way to W&B.
type PushState string

// A push is tried again until it is done, or until W&B has said for certain that
// it never will be.
const (
	PushQueued  PushState = "queued"
	PushRunning PushState = "pushing"
	PushDone    PushState = "done"
	PushFailed  PushState = "failed"
)

// Push is what became of a version that was logged to W&B too.
type Push struct {
	ID      string    `json:"id"` // of the request in the outbox
	State   PushState `json:"state"`
	Name    string    `json:"artifact"`          // ENTITY/PROJECT/NAME once W&B has answered, else as it was logged
	Version string    `json:"version,omitempty"` // W&B's own number, vN; once done
	URL     string    `json:"url,omitempty"`     // for people
	Run     string    `json:"run,omitempty"`     // the run that it was logged by, ENTITY/PROJECT/RUN
	Error   string    `json:"error,omitempty"`   // of the last try, in words
	Tries   int       `json:"tries,omitempty"`
	Next    time.Time `json:"next,omitzero"` // when it is tried again

	ArtifactID string `json:"artifact_id,omitempty"` // W&B's, once done
	Digest     string `json:"digest,omitempty"`      // of the version, as W&B gives it
	Manifest   string `json:"manifest,omitempty"`    // NAME:vN in the manifest store; "" without one

	Alias   string `json:"alias,omitempty"`   // what is pushed is this alias, and not the version
	Removed bool   `json:"removed,omitempty"` // that it is taken away
}
