package manifest

import (
	"strings"
	"time"
)

// synced returns first and then the metadata of the request with its typed
// fields, of which upstream pushes every one that is not null into it. A key of
// first keeps its value.
func (r *Request) synced(first Object) Object {
	out := first
	var index map[string]int
	add := func(m Member) {
		if _, there := first.Get(m.Key); !there {
			out, index = out.put(m.Key, m.Value, index)
		}
	}
	for _, m := range r.Metadata {
		add(m)
	}
	for _, m := range r.Fields {
		if m.Value != nil {
			add(m)
		}
	}
	return out
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// inputs returns what the version was made from: what the request says, or what
// upstream's types derive from their fields.
func (r *Request) inputs() []string {
	if r.Inputs != nil {
		return r.Inputs
	}
	return Inputs(r.Fields)
}

// Inputs returns what upstream's types derive from their fields, which a metadata.json
// has at its top.
func Inputs(fields Object) []string {
	uris := []string{}
	v, _ := fields.Get("source_datasets")
	list, _ := v.([]any)
	for _, v := range list {
		switch v := v.(type) {
		case string:
			uris = append(uris, v)
		case Object:
			if uri := v.text("uri"); uri != "" {
				uris = append(uris, uri)
			}
		}
	}
	for _, key := range []string{"tokenizer_uri", "source_uri"} {
		if uri := fields.text(key); uri != "" {
			uris = append(uris, uri)
		}
	}
	return uris
}

// isoTime is Python's isoformat of t in UTC: microseconds, unless there are none.
func isoTime(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// cleanPath is str(pathlib.Path(path)): without doubled and trailing slashes and
// without dots, but with .., and with exactly two slashes at the start kept, as
// POSIX has it. A URI is none of this.
func cleanPath(path string) string {
	if IsURI(path) {
		return path
	}
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	root := "/"
	if strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		root = "//"
	}
	return root + strings.Join(parts, "/")
}
