package outbox

import (
	"artifactfs.dev/artifactfs/manifest"
)

// metadata is the JSON object that W&B shows of a version: created_at and the
// fields, as upstream's tracker has it. absolute is the data's path where the
// references do not tell it, "" where they do. dropped are the keys for which W&B
// has no room; the stored metadata.json has them all.
func (s *spec) metadata(absolute string) (text string, dropped []string, err error) {
	v, err := manifest.ParseJSON([]byte(s.Fields))
	if err != nil {
		return "", nil, err
	}
	fields, _ := v.(manifest.Object)
	o := manifest.Object{{Key: "created_at", Value: s.Created}}
	if absolute != "" {
		o.Set("absolute_path", absolute)
	}
	if s.Iteration != nil {
		o.Set("iteration", *s.Iteration)
	}
	index := make(map[string]bool, len(o)+len(fields))
	for _, m := range o {
		index[m.Key] = true
	}
	for _, m := range fields {
		switch {
		case index[m.Key]:
			if m.Key != "absolute_path" || absolute == "" {
				o.Set(m.Key, finite(m.Value))
			}
		case len(o) == maxMetadataKeys:
			dropped = append(dropped, m.Key)
		default:
			o, index[m.Key] = append(o, manifest.Member{Key: m.Key, Value: finite(m.Value)}), true
		}
	}
	return string(manifest.AppendJSON(nil, o, 0)), dropped, nil
}

// finite replaces what JSON has no number for: NaN by null, as W&B's SDK does, and
// the infinities, which that refuses, by their names.
func finite(v any) any {
	switch v := v.(type) {
	case manifest.Number:
		switch {
		case v.Finite():
			return v
		case v == "NaN":
			return nil
		}
		return string(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = finite(v[i])
		}
		return out
	case manifest.Object:
		out := make(manifest.Object, len(v))
		for i, m := range v {
			out[i] = manifest.Member{Key: m.Key, Value: finite(m.Value)}
		}
		return out
	}
	return v
}
