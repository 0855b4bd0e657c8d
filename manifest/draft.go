package manifest

import "time"

// modelType is the type of a checkpoint.
const modelType = "model"

// Draft is a version that has no number yet.
type Draft struct {
	Manifest  Manifest // without Version
	Metadata  Object   // metadata.json
	RequestID string
	Aliases   []string
	Backends  []string // nil: all active ones
	Sidecar   Object   // what upstream's record has no place for
}

// ManifestBytes returns manifest.json of d as version v.
func (d *Draft) ManifestBytes(v int) []byte {
	m := d.Manifest
	m.Version = v
	return m.Bytes()
}

// MetadataBytes returns metadata.json, the same for every number.
func (d *Draft) MetadataBytes() []byte { return AppendJSON(nil, d.Metadata, 2) }

// Draft returns what upstream would write for r under a name that passes
// CheckName. producer is the run's id, for requests that give none: the value of
// NEMO_EXPERIMENT_ID, or "local" where that is not set. resolved is what
// manifest.json records as the path: where the data is once links are followed;
// "" is the path as it was written, which upstream records for checkpoints.
func (r *Request) Draft(name string, now time.Time, producer, resolved string) (*Draft, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d := &Draft{
		Manifest: Manifest{
			Name:          name,
			Path:          resolved,
			CreatedAt:     r.CreatedAt,
			Producer:      r.Producer,
			Inputs:        r.inputs(),
			UsedArtifacts: r.Used,
		},
		RequestID: r.RequestID,
		Aliases:   r.Aliases,
		Backends:  r.Backends,
	}
	if resolved == "" {
		d.Manifest.Path = r.Path
	}
	if r.CreatedAt == "" {
		d.Manifest.CreatedAt = isoTime(now)
	}
	if r.Checkpoint() {
		r.checkpoint(d, producer)
	} else {
		r.artifact(d, producer)
	}
	return d, nil
}

// artifact fills d as upstream's log_artifact does: metadata.json is the dump of
// the object that was logged, manifest.json a view of it.
func (r *Request) artifact(d *Draft, producer string) {
	if r.Producer == "" {
		d.Manifest.Producer = producer
	}
	// save() settles the producer before it logs; a dump that says null was
	// logged without it.
	if d.Manifest.Producer == "" && !r.noProducer {
		d.Manifest.Producer = "local"
	}
	var dumped any
	if !r.noProducer {
		dumped = d.Manifest.Producer
	}
	d.Manifest.Type = className(r.Type)
	metadata := r.synced(Object{})
	d.Manifest.Metadata = reprDatasets(metadata)
	d.Metadata = Object{
		{"path", cleanPath(r.Path)},
		{"type", d.Manifest.Type},
		{"metadata", metadata},
		{"created_at", d.Manifest.CreatedAt},
		{"producer", dumped},
		{"tracking", r.Tracking},
		{"name", textOrNull(r.Name)},
	}
	d.Metadata = append(d.Metadata, r.Fields...)
}

// checkpoint fills d as upstream's log_model_checkpoint does. What that has no
// place for follows its keys.
func (r *Request) checkpoint(d *Draft, producer string) {
	if r.Producer == "" {
		d.Manifest.Producer = producer
	}
	path, iteration := d.Manifest.Path, *r.Iteration
	d.Manifest.Type = modelType
	d.Manifest.Metadata = r.synced(Object{{"iteration", iteration}, {"absolute_path", path}})
	d.Metadata = Object{
		{"path", path},
		{"type", modelType},
		{"created_at", d.Manifest.CreatedAt},
		{"iteration", iteration},
		{"absolute_path", path},
		{"metadata", d.Manifest.Metadata},
	}
	for _, m := range (Object{{"name", textOrNull(r.Name)}, {"tracking", r.Tracking}}) {
		if m.Value != nil {
			d.Metadata = append(d.Metadata, m)
		}
	}
	for _, m := range r.Fields {
		if m.Key != "iteration" && m.Key != "absolute_path" {
			d.Metadata = append(d.Metadata, m)
		}
	}
}
