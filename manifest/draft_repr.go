package manifest

import (
	"strings"
	"unicode"
)

// datasetFields are the fields of upstream's InputDatasetInfo, in order, with
// their defaults.
var datasetFields = Object{
	{"uri", nil}, {"name", nil}, {"weight", Number("1.0")}, {"split", nil}, {"subset", nil},
	{"text_field", "text"}, {"num_rows", nil}, {"size_bytes", nil}, {"num_files", nil},
}

// reprDatasets returns metadata as manifest.json has it: there upstream writes
// each object of source_datasets as the repr of its dataclass.
func reprDatasets(metadata Object) Object {
	v, _ := metadata.Get("source_datasets")
	list, _ := v.([]any)
	if len(list) == 0 {
		return metadata
	}
	reprs := make([]any, len(list))
	for i, v := range list {
		reprs[i] = v
		if o, ok := v.(Object); ok {
			if s, ok := datasetRepr(o); ok {
				reprs[i] = s
			}
		}
	}
	out := append(Object(nil), metadata...)
	out.Set("source_datasets", reprs)
	return out
}

// datasetRepr returns Python's repr of a dataset; false if o is something else.
func datasetRepr(o Object) (string, bool) {
	if _, ok := o.Get("uri"); !ok {
		return "", false
	}
	for _, m := range o {
		if _, ok := datasetFields.Get(m.Key); !ok {
			return "", false
		}
	}
	var b strings.Builder
	b.WriteString("InputDatasetInfo(")
	for i, m := range datasetFields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.Key + "=")
		v, ok := o.Get(m.Key)
		if !ok {
			v = m.Value
		}
		repr, ok := scalarRepr(v)
		if !ok {
			return "", false
		}
		b.WriteString(repr)
	}
	return b.String() + ")", true
}

func scalarRepr(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "None", true
	case bool:
		if v {
			return "True", true
		}
		return "False", true
	case Number:
		return string(v), true
	case string:
		return stringRepr(v), true
	}
	return "", false
}

// stringRepr is Python's repr of a string: in single quotes, unless it holds
// those and no double ones, and with what cannot be printed escaped.
func stringRepr(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for i := 0; i < len(s); {
		r, size := decodeWTF8(s[i:])
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == ' ' || unicode.IsPrint(r):
			b = append(b, s[i:i+size]...)
		case r <= 0xff:
			b = append(b, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		case r <= 0xffff:
			b = appendUnicode(b, r)
		default:
			b = append(b, '\\', 'U')
			for shift := 28; shift >= 0; shift -= 4 {
				b = append(b, hexDigits[r>>shift&15])
			}
		}
		i += size
	}
	return string(append(b, quote))
}
