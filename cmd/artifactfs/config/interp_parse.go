package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// interpParser reads one string in OmegaConf's grammar and evaluates as it goes.
type interpParser struct {
	ip *interpolator
	at []string
	s  string
	i  int
	// depth bounds recursion: the text may be hostile.
	depth int
}

// parts reads text and interpolations up to one of the stop bytes, or the end.
// At top level a backslash before ${ makes it text.
func (p *interpParser) parts(stop string, top bool) ([]any, error) {
	var parts []any
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			parts = append(parts, lit.String())
			lit.Reset()
		}
	}
	for p.i < len(p.s) {
		rest := p.s[p.i:]
		if n := len(rest) - len(strings.TrimLeft(rest, `\`)); n > 0 && strings.HasPrefix(rest[n:], "${") {
			lit.WriteString(strings.Repeat(`\`, n/2))
			p.i += n
			if n%2 == 1 {
				lit.WriteString("${")
				p.i += 2
			}
			continue
		}
		if strings.HasPrefix(rest, "${") {
			flush()
			v, err := p.interpolation()
			if err != nil {
				return nil, err
			}
			parts = append(parts, v)
			continue
		}
		if strings.IndexByte(stop, rest[0]) >= 0 {
			break
		}
		lit.WriteByte(rest[0])
		p.i++
	}
	flush()
	return parts, nil
}

var interpName = regexp.MustCompile(`^\s*([A-Za-z_][\w.]*)\s*:`)

// interpolation reads ${…} at the cursor.
func (p *interpParser) interpolation() (any, error) {
	if p.depth++; p.depth > 50 {
		return nil, fmt.Errorf("interpolations are nested too deep")
	}
	defer func() { p.depth-- }()
	start := p.i
	p.i += 2
	if m := interpName.FindStringSubmatch(p.s[p.i:]); m != nil {
		p.i += len(m[0])
		args, err := p.list("}")
		if err != nil {
			return nil, err
		}
		if !p.take('}') {
			return nil, p.unclosed(start)
		}
		return p.ip.call(m[1], args, p.at)
	}
	parts, err := p.parts("}", false)
	if err != nil {
		return nil, err
	}
	if !p.take('}') {
		return nil, p.unclosed(start)
	}
	key := strings.TrimSpace(pyStr(joinParts(append(parts, ""))))
	if key == "" {
		return nil, fmt.Errorf("${} names nothing")
	}
	return p.ip.node(strings.NewReplacer("[", ".", "]", "").Replace(key), p.at)
}

func (p *interpParser) unclosed(start int) error {
	return fmt.Errorf("unclosed interpolation %q", p.s[start:])
}

// list reads elements separated by commas up to one of the stop bytes.
func (p *interpParser) list(stop string) ([]any, error) {
	p.space()
	var out []any
	if p.i < len(p.s) && strings.IndexByte(stop, p.s[p.i]) >= 0 {
		return nil, nil
	}
	for {
		v, err := p.element("," + stop)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.take(',') {
			return out, nil
		}
	}
}

// element reads one value: quoted, a list, a dict, or bare.
func (p *interpParser) element(stop string) (any, error) {
	if p.depth++; p.depth > 50 {
		return nil, fmt.Errorf("values are nested too deep")
	}
	defer func() { p.depth-- }()
	p.space()
	if p.i < len(p.s) {
		switch p.s[p.i] {
		case '\'', '"':
			return p.quoted()
		case '[':
			p.i++
			v, err := p.list("]")
			if err == nil && !p.take(']') {
				err = fmt.Errorf("a list in %q is not closed", p.s)
			}
			p.space()
			if v == nil {
				v = []any{}
			}
			return v, err
		case '{':
			return p.dict()
		}
	}
	parts, err := p.parts(stop, false)
	if err != nil {
		return nil, err
	}
	return bare(parts), nil
}

// bare types an unquoted element: blanks around it do not count.
func bare(parts []any) any {
	if len(parts) > 1 {
		// ${x} with blanks around it is still that value.
		var solid []any
		for _, e := range parts {
			if s, ok := e.(string); !ok || strings.TrimSpace(s) != "" {
				solid = append(solid, e)
			}
		}
		if len(solid) == 1 {
			if _, ok := solid[0].(string); !ok {
				return solid[0]
			}
		}
		return strings.TrimSpace(pyStr(joinParts(parts)))
	}
	if len(parts) == 0 {
		return ""
	}
	s, ok := parts[0].(string)
	if !ok {
		return parts[0]
	}
	return decodePlain(strings.TrimSpace(s))
}

// decodePlain types a bare word as OmegaConf's grammar does.
func decodePlain(s string) any {
	switch strings.ToLower(s) {
	case "null":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	t := strings.ReplaceAll(s, "_", "")
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(t, 64); err == nil && !strings.ContainsAny(t, "xXpP") {
		return f
	}
	return s
}

func (p *interpParser) quoted() (any, error) {
	q := p.s[p.i]
	p.i++
	var parts []any
	for {
		more, err := p.parts(string(q)+`\`, false)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
		if p.take(q) {
			break
		}
		if p.i >= len(p.s) {
			return nil, fmt.Errorf("a quote in %q is not closed", p.s)
		}
		p.i++ // a backslash
		if p.i < len(p.s) && p.s[p.i] == q {
			parts = append(parts, string(q))
			p.i++
		} else {
			parts = append(parts, `\`)
		}
	}
	p.space()
	return pyStr(joinParts(append(parts, ""))), nil
}

func (p *interpParser) dict() (any, error) {
	p.i++
	out := map[string]any{}
	for {
		p.space()
		if p.take('}') {
			p.space()
			return out, nil
		}
		k, err := p.element(":,}")
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, fmt.Errorf("%q: a key without a value", p.s)
		}
		v, err := p.element(",}")
		if err != nil {
			return nil, err
		}
		out[pyStr(k)] = v
		if !p.take(',') && (p.i >= len(p.s) || p.s[p.i] != '}') {
			return nil, fmt.Errorf("%q: a table is not closed", p.s)
		}
	}
}

func (p *interpParser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *interpParser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}
