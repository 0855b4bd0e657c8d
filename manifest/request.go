package manifest

import "errors"

// MaxRequest is the longest request to log a version, in bytes.
const MaxRequest = 1 << 20

// ErrIncomplete says that what was written so far could become a request.
var ErrIncomplete = errors.New("the request is not complete")

// Request is what a writer asks to be logged.
type Request struct {
	Path      string // absolute, or a URI, as it was written
	Type      string // "" if none was given
	Name      string // the semantic name, kept in metadata.json
	Metadata  Object
	Inputs    []string // nil: derived from the typed fields
	Used      []string
	Producer  *string // nil: the one of the job
	CreatedAt string  // "" : now
	Iteration *int    // a model checkpoint
	Aliases   []string
	Backends  []string // nil: all active ones
	RequestID string
	Fields    Object // the rest, in order: tracking and the typed fields
	members   Object // the request as written; nil if it was a path
}

// ParseRequest reads a whole request: one absolute path or URI and a newline, or
// one JSON object.
func ParseRequest(b []byte) (*Request, error) { return nil, ErrIncomplete }
