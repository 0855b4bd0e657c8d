package manifest

// Draft returns what would have to be logged for r to be its record: for a version
// that another writer logged, and that is to be logged elsewhere too. Without a
// metadata.json it is made from manifest.json, as upstream would have written it.
func (r *Record) Draft() *Draft {
	d := &Draft{Manifest: *r.Manifest, Metadata: r.Meta}
	d.Manifest.Version = 0
	if r.Meta == nil {
		m := r.Manifest
		d.Metadata = Object{
			{"path", m.Path}, {"type", m.Type}, {"metadata", m.Metadata}, {"created_at", m.CreatedAt}, {"producer", m.Producer},
		}
	}
	return d
}
