package manifest

import (
	"fmt"
	"io/fs"
)

// Manifest is manifest.json, the record of one version.
type Manifest struct {
	Name      string
	Version   int
	Type      string
	Path      string // where the data lies: absolute, or a URI
	CreatedAt string
	Producer  string
	Metadata  Object
	// Inputs and UsedArtifacts are what the version was made from, by URI and by
	// reference. Upstream may have written Python reprs; they are kept.
	Inputs        []string
	UsedArtifacts []string
}

// ParseManifest reads a manifest.json. Only a path is required; other fields of
// another type than upstream's are read as nothing. An error satisfies
// fs.ErrInvalid.
func ParseManifest(b []byte) (*Manifest, error) {
	v, err := ParseJSON(b)
	if err != nil {
		return nil, fmt.Errorf("manifest.json %w", invalid(err))
	}
	o, ok := v.(Object)
	if !ok {
		return nil, fmt.Errorf("manifest.json is %s, not an object: %w", kind(v), fs.ErrInvalid)
	}
	m := &Manifest{
		Name:      o.text("name"),
		Type:      o.text("type"),
		Path:      fileName(o.text("path")),
		CreatedAt: o.text("created_at"),
		Producer:  o.text("producer"),
		Inputs:    o.texts("inputs"),

		UsedArtifacts: o.texts("used_artifacts"),
	}
	if m.Path == "" {
		v, _ := o.Get("path")
		return nil, fmt.Errorf("manifest.json has no path but %s: %w", kind(v), fs.ErrInvalid)
	}
	if n, _ := o.Get("version"); n != nil {
		if n, ok := n.(Number); ok {
			m.Version, _ = n.Int()
		}
	}
	m.Metadata, _ = o.object("metadata")
	return m, nil
}

// Bytes returns m as upstream writes it.
func (m *Manifest) Bytes() []byte {
	return AppendJSON(nil, Object{
		{"name", m.Name},
		{"version", m.Version},
		{"type", m.Type},
		{"path", m.Path},
		{"created_at", m.CreatedAt},
		{"producer", m.Producer},
		{"metadata", m.Metadata},
		{"inputs", m.Inputs},
		{"used_artifacts", m.UsedArtifacts},
	}, 2)
}

// text returns the string at key, or "".
func (o Object) text(key string) string {
	v, _ := o.Get(key)
	s, _ := v.(string)
	return s
}

// texts returns the list at key as strings: what is not one, as its JSON.
func (o Object) texts(key string) []string {
	v, _ := o.Get(key)
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			s = string(AppendJSON(nil, v, 0))
		}
		out = append(out, s)
	}
	return out
}

// object returns the object at key, empty if there is none.
func (o Object) object(key string) (Object, bool) {
	v, _ := o.Get(key)
	sub, ok := v.(Object)
	if sub == nil {
		sub = Object{}
	}
	return sub, ok
}

// fileName turns Python's surrogate escapes, \udc80 to \udcff, back into the
// bytes of a file name that they stand for.
func fileName(s string) string {
	for i := 0; i < len(s); {
		r, size := decodeWTF8(s[i:])
		if size == 3 && r >= 0xdc80 && r <= 0xdcff {
			s = s[:i] + string([]byte{byte(r)}) + s[i+3:]
			size = 1
		}
		i += size
	}
	return s
}

// kind names the type of a JSON value, for messages.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case Number, int:
		return "a number"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case []any, []string:
		return "a list"
	}
	return "an object"
}
