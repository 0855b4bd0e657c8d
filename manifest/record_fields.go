package manifest

// FlattenedManifest returns the fields of r as the manifest.json that upstream's
// ${oc.decode:${manifest:DIR,key}} reads. It applies Python's str to a value and
// decodes that: numbers, booleans and lists come back as they are. Null comes back
// only from the string "null"; an object, and a list with one or with null in it,
// is given as the string of its JSON.
func (r *Record) FlattenedManifest(version string) []byte {
	fields := r.Fields(version)
	out := make(Object, 0, len(fields))
	for _, m := range fields {
		switch {
		case m.Value == nil:
			m.Value = "null"
		case !survivesStr(m.Value):
			// str would spell characters out, and the decoder knows no \u.
			m.Value = string(encoder{plain: true}.value(nil, m.Value, 0))
		}
		out = append(out, m)
	}
	return AppendJSON(nil, out, 2)
}

// survivesStr reports whether Python's str of v can be decoded again.
func survivesStr(v any) bool {
	switch v := v.(type) {
	case nil, Object:
		return false
	case []any:
		for _, item := range v {
			if !survivesStr(item) {
				return false
			}
		}
	}
	return true
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
