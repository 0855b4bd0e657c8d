package manifest

// FlattenedManifest returns the fields of r as the manifest.json that upstream's
// ${oc.decode:${manifest:DIR,key}} reads. It applies Python's str to a value and
// decodes that: numbers, booleans and lists come back as they are, null only
// from the string "null", and an object only from the string of its JSON.
func (r *Record) FlattenedManifest(version string) []byte {
	fields := r.Fields(version)
	out := make(Object, 0, len(fields))
	for _, m := range fields {
		switch v := m.Value.(type) {
		case nil:
			m.Value = "null"
		case Object:
			m.Value = string(AppendJSON(nil, v, 0))
		}
		out = append(out, m)
	}
	return AppendJSON(nil, out, 2)
}

// FieldText returns a field as the content of a file: a string as it is, what
// has parts as JSON, each with a newline.
func FieldText(v any) []byte {
	switch v := v.(type) {
	case string:
		return append([]byte(v), '\n')
	case Object, []any:
		return append(AppendJSON(nil, v, 2), '\n')
	}
	return append(AppendJSON(nil, v, 0), '\n')
}
