package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Env looks up an environment variable.
type Env = func(string) (string, bool)

// interpError is a failed interpolation and the dotted key it stands at.
type interpError struct{ key, msg string }

func (e *interpError) Error() string { return e.key + ": " + e.msg }

// interpolate resolves every ${…} in v, a subtree of root or root itself, and
// returns a copy. The language is OmegaConf's: ${key}, ${.sibling},
// ${oc.env:VAR,default}, ${oc.decode:…}, nested as deep as they come.
func interpolate(v any, root map[string]any, env Env, at ...string) (any, error) {
	ip := &interpolator{root: root, env: env}
	return ip.value(v, at)
}

type interpolator struct {
	root   map[string]any
	env    Env
	active []string // keys being resolved, to find a cycle
}

func (ip *interpolator) value(v any, at []string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			r, err := ip.value(e, append(slices.Clip(at), k))
			if err != nil {
				return nil, err
			}
			out[k] = r
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			r, err := ip.value(e, append(slices.Clip(at), strconv.Itoa(i)))
			if err != nil {
				return nil, err
			}
			out[i] = r
		}
		return out, nil
	case string:
		r, err := ip.text(v, at)
		if err != nil {
			if _, ok := err.(*interpError); ok {
				return nil, err
			}
			return nil, &interpError{strings.Join(at, "."), err.Error()}
		}
		return r, nil
	}
	return v, nil
}

// text resolves one string. A string that is one interpolation keeps the type of
// what it names; anything else is joined as Python's str() would.
func (ip *interpolator) text(s string, at []string) (any, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	p := &interpParser{ip: ip, at: at, s: s}
	parts, err := p.parts("", true)
	if err != nil {
		return nil, err
	}
	return joinParts(parts), nil
}

func joinParts(parts []any) any {
	if len(parts) == 1 {
		return parts[0]
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(pyStr(p))
	}
	return b.String()
}

// node looks up ${a.b}, ${.sibling} or ${..up} and resolves what it finds.
func (ip *interpolator) node(expr string, at []string) (any, error) {
	key := expr
	var base []string
	if strings.HasPrefix(key, ".") {
		dots := len(key) - len(strings.TrimLeft(key, "."))
		if dots > len(at) {
			return nil, fmt.Errorf("${%s} leads above the top", expr)
		}
		base, key = at[:len(at)-dots], key[dots:]
	}
	path := append(slices.Clone(base), strings.Split(key, ".")...)
	full := strings.Join(path, ".")
	if slices.Contains(ip.active, full) {
		return nil, fmt.Errorf("${%s} refers to itself", expr)
	}
	var v any = ip.root
	for _, k := range path {
		m, ok := v.(map[string]any)
		if ok {
			v, ok = m[k]
		}
		if !ok {
			return nil, fmt.Errorf("there is no key %q here%s", key, ip.shellHint(key))
		}
	}
	ip.active = append(ip.active, full)
	defer func() { ip.active = ip.active[:len(ip.active)-1] }()
	return ip.value(v, path)
}

// shellHint helps who wrote ${HOME} and meant the environment.
func (ip *interpolator) shellHint(key string) string {
	if _, ok := ip.env(key); ok {
		return fmt.Sprintf("; for the environment variable write ${oc.env:%s}", key)
	}
	return ""
}

func (ip *interpolator) call(name string, args []any, at []string) (any, error) {
	switch {
	case name == "oc.env" && (len(args) == 1 || len(args) == 2):
		key := pyStr(args[0])
		if v, ok := ip.env(key); ok {
			return v, nil
		}
		if len(args) == 1 {
			return nil, fmt.Errorf("environment variable %s is not set; give a default: ${oc.env:%s,DEFAULT}", key, key)
		}
		if args[1] == nil {
			return nil, nil
		}
		return pyStr(args[1]), nil
	case name == "oc.decode" && len(args) == 1:
		s, ok := args[0].(string)
		if !ok {
			return args[0], nil
		}
		p := &interpParser{ip: ip, at: at, s: s}
		v, err := p.element("")
		if err == nil && p.i < len(p.s) {
			err = fmt.Errorf("cannot decode %q", s)
		}
		return v, err
	case name == "oc.env" || name == "oc.decode":
		return nil, fmt.Errorf("${%s:…} takes other arguments than %d", name, len(args))
	}
	return nil, fmt.Errorf("unknown resolver ${%s:…}; known here are oc.env and oc.decode", name)
}

// pyStr spells a value as Python's str() does.
func pyStr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e16 {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
