package manifest

import (
	"time"
)

// Draft is a version that has no number yet.
type Draft struct {
	Manifest  Manifest // without Version
	Metadata  Object   // metadata.json
	RequestID string
	Aliases   []string
	Sidecar   Object // what upstream's record has no place for
}

// Draft returns the files of the version that r asks for, named name. producer
// is the run's id, for requests that give none. resolved is what manifest.json
// records as path; "" is r.Path as it was written, as upstream has it for
// checkpoints.
func (r *Request) Draft(name string, now time.Time, producer, resolved string) (*Draft, error) {
	return &Draft{}, nil
}

// ManifestBytes returns manifest.json of d as version v.
func (d *Draft) ManifestBytes(v int) []byte {
	m := d.Manifest
	m.Version = v
	return m.Bytes()
}

// MetadataBytes returns metadata.json, the same for every number.
func (d *Draft) MetadataBytes() []byte { return AppendJSON(nil, d.Metadata, 2) }
